import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_model import write_untrained

import rewards
from rewards.base import UserError
from sn_eval import models
from sn_eval.poc.cell import Cell, run_cell
from sn_eval.poc.fingerprint import fingerprinted
from sn_eval.results import record as records
from sn_eval.results.record import Component
from sn_eval.results.trace import read_trace
from sn_eval.video import read_video

BRIGHT = """
from rewards.base import reward

@reward(family="brightness")
def bright(frames, prompts, *, fps, anchor=None, metadata=None):
    return frames.mean(dim=(2, 3, 4)).clamp(0, 1)
"""


@pytest.fixture
def bright(tmp_path):
    path = tmp_path / "bright.py"
    path.write_text(BRIGHT)
    return f"{path}:bright"


def cell(reward, method="scaling_noise", knobs=None, how=None, **other):
    how = {"steps": 4, "chunks": 3, **(how or {})}
    return Cell(("a hill",), Component(use="gaussian"), Component(use="chunk", params=how),
                Component(use=method, params=knobs or {}), Component(use=reward), **other)  # fmt: skip


def run(cell, folder, judges=()):
    folder.mkdir()
    reward = rewards.create(cell.reward.use)
    return run_cell(cell, folder, models.create("gaussian"), reward, judges)


def test_a_cell_leaves_a_video_a_trace_pictures_and_a_record(tmp_path, bright):
    made = run(cell(bright, knobs={"beams": 2, "candidates": 3, "look": 2}), tmp_path / "out")
    records.save(made.record, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"video.mp4", "trace.jsonl", "contact_sheet.png", "search.png", "candidates.jpg",
                     "candidates.json", "record.json"}
    frames = read_video(tmp_path / "out" / "video.mp4")
    assert len(frames) == made.record.frames == 1 + 3 * 4  # the start frame, then three chunks of four
    rows = list(read_trace(tmp_path / "out" / "trace.jsonl"))
    assert len([r for r in rows if r["kind"] == "preview"]) == 3 + 6 + 6
    assert rows[-1]["nfe"] == made.record.cost.nfe.value


@pytest.mark.parametrize("preview", ["early", "coarse"])
@pytest.mark.parametrize(("m", "k"), [(1, 1), (2, 1), (1, 4), (2, 3), (4, 2)])
@pytest.mark.parametrize(("look", "steps"), [(1, 4), (3, 5)])
def test_recorded_evaluations_follow_the_formula(tmp_path, bright, preview, m, k, look, steps):
    """p·k·look + min(m, p·k)·(T − look) a chunk, T for coarse previews; counted by a hook on the denoiser."""
    made = run(
        cell(bright, knobs={"beams": m, "candidates": k, "look": look}, how={"preview": preview, "steps": steps}),
        tmp_path / "out",
    )
    expected, parents = 0, 1
    for _ in range(3):
        kept = min(m, parents * k)
        expected += parents * k * look + kept * (steps if preview == "coarse" else steps - look)
        parents = kept
    assert made.record.cost.nfe.value == expected
    assert made.record.cost.nfe_preview.value == made.record.cost.nfe.value - _finishing(m, k, look, steps, preview)


def _finishing(m, k, look, steps, preview):
    total, parents = 0, 1
    for _ in range(3):
        parents = min(m, parents * k)
        total += parents * (steps if preview == "coarse" else steps - look)
    return total


def test_guidance_doubles_what_is_counted(tmp_path, bright):
    made = {}
    for guidance in (1.0, 2.0):
        folder = tmp_path / str(guidance)
        folder.mkdir()
        plain = cell(bright, "plain")
        model = models.create("gaussian", guidance=guidance)
        made[guidance] = run_cell(plain, folder, model, rewards.create(bright)).record.cost.nfe.value
    assert made[2.0] == 2 * made[1.0] == 2 * 3 * 4


def test_one_beam_and_candidate_is_plain_and_so_is_best_of_one(tmp_path, bright):
    hashes = {
        name: run(cell(bright, name, knobs), tmp_path / f"{name}{i}").record.frames_sha256
        for i, (name, knobs) in enumerate([
            ("plain", {}), ("scaling_noise", {"beams": 1, "candidates": 1, "look": 2}),
            ("best_of_n", {"videos": 1}), ("random_pick", {"videos": 1}),
        ])
    }  # fmt: skip
    assert len(set(hashes.values())) == 1
    again = run(cell(bright, "plain"), tmp_path / "again").record
    assert again.frames_sha256 == hashes["plain"]
    other = run(cell(bright, "plain", seed=1), tmp_path / "other").record
    assert other.frames_sha256 != hashes["plain"]


def test_a_cells_id_is_pinned(bright):
    """Ids name results for good: a change of what goes in must make v2, never other ids under v1."""
    first = cell("object_persistence", knobs={"beams": 2})
    assert first.id == "v1-scaling_noise-s0-1613c63d161646bf"
    assert first.id == cell("object_persistence", knobs={"beams": 2}).id
    two = {"beams": 2}
    others = [
        cell("object_persistence", knobs={"beams": 3}),
        cell("object_persistence", knobs=two, seed=1),
        cell("object_persistence", knobs=two, budget=100),
        cell("motion_floor", knobs=two),
    ]
    assert len({first.id, *(each.id for each in others)}) == 5


def test_judges_see_the_whole_video_and_cost_the_method_nothing(tmp_path, bright):
    seen = []

    class Spy:
        spec = rewards.create(bright).spec

        def __call__(self, frames, prompts, *, fps, anchor=None, metadata=None):
            seen.append((frames.shape, anchor.shape, metadata))
            return rewards.create(bright)(frames, prompts, fps=fps, anchor=anchor, metadata=metadata)

    judged = cell(bright, "plain", judges=(Component(use="spy"),), seed=5)
    made = run(judged, tmp_path / "out", (Spy(),))
    assert seen == [((1, 12, 3, 8, 8), (1, 1, 3, 8, 8), [{"seed": 5}])]
    assert made.record.cost.reward_frames.value == 0
    assert made.record.scores["bright"] == pytest.approx(float(made.frames[1:].float().mean()) / 255, abs=1e-5)


def test_what_a_broken_model_finished_is_kept(tmp_path, bright):
    model = models.create("gaussian")
    calls = []
    whole = model.denoise

    def breaks(x, times, cond):
        calls.append(1)
        return whole(x, times, cond) * (float("nan") if len(calls) > 6 else 1.0)

    model.denoise = breaks
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(UserError, match="NaN or infinite latents in chunk 2 of 3"):
        run_cell(cell(bright, "plain"), folder, model, rewards.create(bright))
    assert not (folder / "record.json").exists()
    assert len(read_video(folder / "video.partial.mp4")) == 1 + 4


def test_what_beams_that_never_agree_finished_is_kept_too(tmp_path, bright):
    model = models.create("gaussian")
    calls = []
    whole = model.denoise

    def breaks(x, times, cond):
        calls.append(1)
        return whole(x, times, cond) * (float("nan") if len(calls) > 9 else 1.0)  # 4 steps a chunk

    model.denoise = breaks
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(UserError, match="chunk 3 of 3"):
        run_cell(cell(bright, knobs={"beams": 2, "candidates": 2, "look": 2}), folder, model, rewards.create(bright))
    assert len(read_video(folder / "video.partial.mp4")) == 1 + 2 * 4


def test_what_stands_behind_a_name_is_part_of_the_id(tmp_path, bright):
    """Retrained weights, an edited file or another default make another cell, never a stale result."""
    model = models.create("gaussian")
    first = fingerprinted(cell(bright), model)
    assert fingerprinted(cell(bright), model).id == first.id
    path = bright.rpartition(":")[0]
    with open(path, "a") as file:
        file.write("# edited\n")
    second = fingerprinted(cell(bright), model)
    assert second.id != first.id
    Path(path).with_suffix(".yaml").write_text("name: mine\n")  # what `rewards new` writes beside the file
    assert fingerprinted(cell(bright), model).id != second.id
    small, other = (models.create("tabletop", path=str(write_untrained(tmp_path / n))) for n in ("a", "b"))
    assert fingerprinted(cell(bright), small).id == fingerprinted(cell(bright), other).id
    other.denoiser.leave.bias.data += 1
    assert fingerprinted(cell(bright), small).id != fingerprinted(cell(bright), other).id


def test_files_in_a_named_folder_and_the_start_image_are_part_of_the_id(tmp_path, bright):
    folder, image, model = tmp_path / "weights", tmp_path / "first.png", models.create("gaussian")
    folder.mkdir()
    seen = set()
    for weights, picture in ((b"1", b"a"), (b"2", b"a"), (b"2", b"b")):
        (folder / "a.bin").write_bytes(weights)
        image.write_bytes(picture)
        named = replace(cell(bright, image=str(image)), model=Component(use="gaussian", params={"path": str(folder)}))
        seen.add(fingerprinted(named, model).id)
    assert len(seen) == 3


def test_a_title_stands_for_a_schedule_and_changes_no_other_id(bright):
    story = replace(cell(bright), prompts=("a hill", "a lake"), title="a walk")
    assert (story.text, cell(bright).text) == ("a walk", "a hill")
    assert story.id != replace(story, title="").id


def test_a_schedule_is_filmed_chunk_by_chunk_and_judged_by_its_title(tmp_path, bright):
    told = []

    class Spy:
        spec = rewards.create(bright).spec

        def __call__(self, frames, prompts, **about):
            told.append(prompts)
            return rewards.create(bright)(frames, prompts, **about)

    story = replace(cell(bright, "plain", judges=(Component(use="spy"),)), prompts=("a hill", "a lake"), title="a walk")
    made = run(story, tmp_path / "story", (Spy(),)).record
    alone = run(replace(story, prompts=("a hill",)), tmp_path / "alone", (Spy(),)).record
    assert told == [["a walk"], ["a walk"]]
    assert (made.prompt, made.schedule) == ("a walk", ("a hill", "a lake"))
    assert made.frames_sha256 != alone.frames_sha256


def test_records_are_whole_json(tmp_path, bright):
    made = run(cell(bright, knobs={"beams": 1, "candidates": 2, "look": 1, "proposals": ["local"]}), tmp_path / "out")
    records.save(made.record, tmp_path / "out")
    data = json.loads((tmp_path / "out" / "record.json").read_text())
    assert data["method"]["params"]["proposals"] == ["local"]
    assert data["cost"]["energy_joules"]["source"] in ("none", "measured")
    assert records.load(tmp_path / "out") == made.record
    assert torch.isfinite(torch.tensor([v for v in data["scores"].values() if v is not None])).all()


def test_every_method_is_scored_by_the_reward_whether_it_searched_or_not(tmp_path, bright):
    """So the hacking alarm can compare arms by what was searched on."""
    judge = rewards.create(bright)
    for method in ("plain", "best_of_n"):
        made = run(cell(bright, method), tmp_path / method, (judge,))
        assert 0 < made.record.scores["whole:bright"] < 1
    assert made.record.scores["whole:bright"] == pytest.approx(made.record.scores["searched:bright"], abs=0.02)
