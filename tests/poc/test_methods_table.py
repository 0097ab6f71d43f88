"""The table of a methods run: every headline figure again, from raw records with plain NumPy, on a made-up run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy import stats
from storing import made

from benchmarks.methods.__main__ import main
from benchmarks.methods.kept import fieller, kept
from benchmarks.methods.reporting import report
from benchmarks.methods.showing import markdown
from sn_eval.poc.part import Part
from sn_eval.results.experiment import Experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Judge, Plan, Planned
from sn_eval.results.record import Quantity
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.store import RunStore

NFE = {"plain": 48, "best_of_8": 384, "poor@96": 96, "good@144": 144, "better@144": 144, "dear": 480}
GAIN = {"plain": 0.0, "best_of_8": 0.1, "poor@96": 0.02, "good@144": 0.12, "better@144": 0.14, "dear": 0.3}
JUDGES = (
    Judge(label="steady", key="steady[e]", families=("encoder:a",)),
    Judge(label="dynamic_degree", key="moves[dis]", families=("flow",)),
    Judge(label="flicker", key="flicker", families=("pixels",), higher_is_better=False),
)
CONFIRMED = ("plain", "best_of_8", "better@144")
METHODS = [{"use": arm.partition("@")[0], "budget": "own"} for arm in NFE]


def written(run: Path, *, dev: int = 22, confirm: int = 9, arms=CONFIRMED, gains=GAIN, only_dev=False) -> Path:
    """A run as it lies on the disk; of the confirm prompts only `arms` are made, and a few cells are missing at all."""
    prompts = [("dev", f"dev {i}") for i in range(dev)] + [("confirm", f"prompt {i}") for i in range(confirm)]
    spec = {
        "name": "made-up", "reward": "wanted", "evaluators": [judge.label for judge in JUDGES], "methods": METHODS,
        "prompts": [{"text": text, "split": split} for split, text in prompts if not only_dev or split == "dev"],
        "seeds": [0, 1], "primary": [{"outcome": "steady", "minimum_effect": 0.01}],
    }  # fmt: skip
    cells = tuple(
        Planned(cell=f"{arm.replace('@', '-')}-{text.replace(' ', '-')}-{seed}", prompt=text, split=split, arm=arm,
                method=arm.partition("@")[0], repeat=seed)
        for split, text in prompts if not only_dev or split == "dev" for arm in NFE for seed in (0, 1)
    )  # fmt: skip
    run.mkdir(parents=True)
    (run / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    Experiment.model_validate(spec)
    Plan(baseline="plain", searched="searched:wanted", rewarded="whole:wanted", judges=JUDGES, cells=cells).save(run)
    store, rng = RunStore(run), np.random.default_rng(3)
    hard = {text: rng.normal(0, 0.2) for _, text in prompts}
    for number, cell in enumerate(cells):
        scores = _scores(gains[cell.arm], hard[cell.prompt], rng)
        if cell.split == "confirm" and cell.arm not in arms:
            continue
        if number % 37 == 5:  # nobody has made it yet
            continue
        if number % 41 == 7:
            scores["steady[e]"] = None  # the evaluator failed
        if number % 43 == 9:
            store.fail(cell.cell, ValueError("NaN in the latents"), category="quality")
            continue
        folder = store.begin(cell.cell)
        (folder / "record.json").write_text(_record(cell, scores, rng).model_dump_json())
    return run


def _scores(gain: float, hard: float, rng: np.random.Generator) -> dict[str, float | None]:
    found = gain * rng.gamma(9, 1 / 9)  # gains differ between prompts
    return {
        "steady[e]": float(0.5 + hard + found + 0.02 * rng.normal()), "moves[dis]": float(0.4 + 0.01 * rng.normal()),
        "flicker": float(0.3 - found + 0.02 * rng.normal()), "whole:wanted": float(0.9 + found),
    }  # fmt: skip


def _record(cell: Planned, scores: dict[str, float | None], rng: np.random.Generator):
    record = made(cell.cell, prompt=cell.prompt, seed=cell.repeat, scores=scores)
    by_phase = {"generate": NFE[cell.arm] / 20 + float(rng.random()), "load": 100.0}  # loading is nobody's cost
    seconds = record.cost.seconds.model_copy(update={"by_phase": by_phase})
    cost = {"nfe": Quantity.measured(NFE[cell.arm], "counted"), "seconds": seconds}
    return record.model_copy(update={"cost": record.cost.model_copy(update=cost)})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return written(tmp_path_factory.mktemp("methods") / "run")


@pytest.fixture(scope="module")
def found(run):
    return report(run, reference="best_of_8", keep=0.95)


def rows(run: Path, split: str) -> dict[str, dict[tuple[str, int], dict]]:
    """Raw records by arm and (prompt, seed), by nothing but JSON."""
    by_arm: dict[str, dict[tuple[str, int], dict]] = {}
    for cell in json.loads((run / "plan.json").read_text())["cells"]:
        file = run / "cells" / cell["cell"] / "record.json"
        if cell["split"] == split and file.exists():
            by_arm.setdefault(cell["arm"], {})[cell["prompt"], cell["repeat"]] = json.loads(file.read_text())
    return by_arm


def gains(run: Path, split: str, key: str, *arms: str) -> list[np.ndarray]:
    """Of each arm over plain, a mean a prompt, on pairs that plain and all of `arms` have."""
    raw = rows(run, split)
    sides = [{pair: r["scores"][key] for pair, r in raw[arm].items()} for arm in ("plain", *arms)]
    pairs = [pair for pair in sides[0] if all(side.get(pair) is not None for side in sides)]
    prompts = sorted({prompt for prompt, _ in pairs})
    return [
        np.array([np.mean([side[p] - sides[0][p] for p in pairs if p[0] == prompt]) for prompt in prompts])
        for side in sides[1:]
    ]


def of(figures, arm: str):
    return next(each for each in figures if each.arm == arm)


@pytest.mark.parametrize("split", ["dev", "confirm"])
def test_costs_are_those_of_the_records(run, found, split):
    raw = rows(run, split)
    for each in getattr(found, split):
        ours, theirs = raw[each.arm], raw["best_of_8"]
        both = ours.keys() & theirs.keys()

        def seconds(record):
            return record["cost"]["seconds"]["by_phase"]["generate"]

        assert each.cells == len(ours)
        assert each.nfe == NFE[each.arm] == np.mean([r["cost"]["nfe"]["value"] for r in ours.values()])
        assert each.seconds == pytest.approx(np.mean([seconds(r) for r in ours.values()]))
        assert each.cost == pytest.approx(NFE[each.arm] / 384)
        assert each.time == pytest.approx(sum(seconds(ours[p]) for p in both) / sum(seconds(theirs[p]) for p in both))


@pytest.mark.parametrize("split", ["dev", "confirm"])
def test_gains_motion_and_the_searched_reward_are_paired_means(run, found, split):
    for each in getattr(found, split):
        for shown, key in ((each.gain, "steady[e]"), (each.motion, "moves[dis]"), (each.searched, "whole:wanted")):
            (values,) = gains(run, split, key, each.arm)
            assert shown.mean == pytest.approx(values.mean(), abs=1e-12)
            assert shown.prompts == len(values)
            reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            assert shown.low <= values.mean() - reach + 1e-12  # from 20 prompts on at least as wide
            if len(values) < 20:
                assert (shown.low, shown.high) == pytest.approx((values.mean() - reach, values.mean() + reach))
        (values,) = gains(run, split, "steady[e]", each.arm)
        assert len(each.gain.losing) == (values < 0).sum()
        assert sorted(each.gain.losing.values()) == pytest.approx(sorted(values[values < 0]))


def test_the_share_kept_on_many_prompts_is_a_ratio_of_means_with_a_bootstrap(run, found):
    for arm in ("poor@96", "good@144", "better@144"):
        ours, whole = gains(run, "dev", "steady[e]", arm, "best_of_8")
        shown = of(found.dev, arm).kept
        assert (shown.prompts, shown.clear) == (len(ours), True)
        assert shown.share == pytest.approx(ours.mean() / whole.mean())
        rng, n = np.random.default_rng(99), len(ours)  # other draws than the table's
        drawn = rng.integers(0, n, (40_000, n))
        ratios = ours[drawn].mean(1) / whole[drawn].mean(1)
        low, high = np.quantile(ratios, [0.025, 0.975])
        width = high - low
        assert shown.low < low  # wider than the plain level, by about t's share and no more
        assert shown.high > high
        assert shown.high - shown.low < 1.35 * width


def test_the_share_kept_on_few_prompts_has_the_bounds_that_a_t_test_gives(run, found):
    ours, whole = gains(run, "confirm", "steady[e]", "better@144", "best_of_8")
    shown = found.judged.figures.kept
    assert (shown.prompts, shown.share) == (len(ours), pytest.approx(ours.mean() / whole.mean()))
    for bound in (shown.low, shown.high):
        rest = ours - bound * whole
        t = rest.mean() / (rest.std(ddof=1) / np.sqrt(len(rest)))
        assert abs(t) == pytest.approx(stats.t.ppf(0.975, len(rest) - 1))
    assert "Fieller" in shown.why


def test_skewed_gains_widen_the_share_to_where_the_bootstrap_goes():
    rng = np.random.default_rng(2)
    whole = 1.0 + rng.exponential(1.0, 20)
    ours = 0.2 * whole + rng.exponential(1.0, 20) ** 2
    values = {(f"p{i}", 0): value for i, value in enumerate(ours)}
    others = {(f"p{i}", 0): value for i, value in enumerate(whole)}
    shown = kept(values, others, dict.fromkeys(values, 0.0))
    drawn = np.random.default_rng(5).integers(0, 20, (40_000, 20))
    tail = stats.norm.sf(stats.t.ppf(0.975, 19) * np.sqrt(20 / 19))  # as far out as t of 20 is wide
    low, high = np.quantile(ours[drawn].mean(1) / whole[drawn].mean(1), [tail, 1 - tail])
    at_t, above_t = fieller(ours, whole, 0.95)
    assert low > at_t + 0.02  # skew to the right: the two differ on both sides, and each is the wider on one
    assert high > above_t + 0.02
    assert (shown.low, shown.high) == (pytest.approx(at_t), pytest.approx(high, abs=0.02))


def test_the_cheapest_that_keeps_enough_is_chosen_and_of_equally_dear_ones_the_better(run, found):
    kept = {}
    for arm in NFE.keys() - {"plain", "best_of_8"}:
        ours, whole = gains(run, "dev", "steady[e]", arm, "best_of_8")
        kept[arm] = ours.mean() / whole.mean()
    enough = [arm for arm in kept if kept[arm] >= 0.95 and NFE[arm] < 384]
    assert set(enough) == {"good@144", "better@144"}  # else the made-up run tests nothing
    assert found.choice.arm == min(enough, key=lambda arm: (NFE[arm], -kept[arm])) == "better@144"
    assert (found.choice.clear, found.choice.needed) == (True, None)
    made_now, planned = sum(map(len, rows(run, "dev").values())), 22 * 2 * len(NFE)
    assert found.choice.open == planned - made_now - sum(each.unusable for each in found.dev)
    assert f"**Provisional: {found.choice.open} dev videos are still to be made**" in markdown(found)
    assert report(run, reference="best_of_8", keep=0.05).choice.arm == "poor@96"


def test_no_arm_as_dear_as_the_reference_is_chosen(run):
    none = report(run, reference="better@144", keep=0.05)  # good@144 costs as much, dear and best_of_8 more
    assert none.choice.arm == "poor@96"
    assert report(run, reference="better@144", keep=0.7).choice.arm is None


def test_confirm_videos_choose_nothing(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    for cell in (tmp_path / "run" / "cells").glob("better-144-prompt-*"):
        record = json.loads((cell / "record.json").read_text())
        record["scores"]["steady[e]"] = 0.0
        (cell / "record.json").write_text(json.dumps(record))
    again = report(tmp_path / "run", reference="best_of_8", keep=0.95)
    assert again.choice.arm == "better@144"
    assert again.judged.figures.kept.share < 0
    assert len(again.judged.figures.gain.losing) == 9


def test_no_arm_that_keeps_enough_is_said(run):
    none = report(run, reference="dear", keep=0.95)
    assert (none.choice.arm, none.choice.nearest, none.judged) == (None, "better@144", None)
    assert "**No cheaper arm keeps 95 % of it.** The nearest, better@144, keeps " in markdown(none)


def test_an_arm_that_was_named_is_judged_as_a_chosen_one_is(run, found):
    named = report(run, reference="dear", keep=0.95, arms=["poor@96", "better@144"])
    assert named.choice.arm is None
    assert named.asked["better@144"].figures.gain == found.judged.figures.gain
    assert "poor@96, which was named and not chosen by the rule:" in markdown(named)
    with pytest.raises(ResultsError, match=r"no arm 'best@9' in this run; there are plain, .*poor@96"):
        report(run, reference="dear", keep=0.95, arms=["best@9"])


def test_a_reference_whose_gain_is_chance_is_said_and_one_without_gain_chooses_nothing(tmp_path):
    weak = written(tmp_path / "weak", dev=6, confirm=2, gains={**GAIN, "best_of_8": 0.0})
    found = report(weak, reference="best_of_8", keep=0.95)
    text = markdown(found)
    assert not found.choice.clear
    assert "That gain is not clearly above zero: shares of it mean little" in text
    (values,) = gains(weak, "dev", "steady[e]", "best_of_8")
    effect = values.mean() / values.std(ddof=1)
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 / effect**2
    assert found.choice.needed == pytest.approx(normal, abs=4)  # t takes a few more
    assert f"about {found.choice.needed} prompts would show it" in text
    assert of(found.dev, "best_of_8").kept.low is None
    assert "(no interval)" in text
    worse = written(tmp_path / "worse", dev=6, confirm=2, gains={**GAIN, "best_of_8": -0.1})
    assert "**No arm can be chosen**" in markdown(report(worse, reference="best_of_8", keep=0.95))


def test_what_is_missing_on_confirm_prompts_comes_with_the_command_that_makes_it(run, tmp_path):
    half = written(tmp_path / "half", arms=("plain",))
    found = report(half, reference="best_of_8", keep=0.95)
    assert found.judged.missing["best_of_8"] == found.judged.missing["better@144"] == 18
    spec = half / "spec.yaml"
    asked = "--split confirm --arm plain --arm best_of_8 --arm better@144"
    assert f"They are made by `sn-eval poc run {spec} --out {half} {asked}`" in markdown(found)
    plan = RunFolder.open(half, renew=False).plan
    missing = {c.cell for c in plan.cells if c.split == "confirm" and c.arm in found.judged.missing}
    assert missing <= set(Part("confirm", CONFIRMED).cells(plan))
    done = report(run, reference="best_of_8", keep=0.95).judged
    assert done.missing.keys() <= {"plain", "best_of_8", "better@144"}  # a few cells of each are never made


def test_a_run_of_dev_prompts_only_is_gone_on_with_by_the_suite_of_its_name(tmp_path):
    alone = written(tmp_path / "run", dev=6, only_dev=True)
    assert "no confirm prompts: add some to the experiment" in markdown(report(alone, reference="best_of_8", keep=0.95))
    spec = alone / "spec.yaml"
    spec.write_text(spec.read_text().replace("name: made-up", "name: tabletop-methods"))
    text = markdown(report(alone, reference="best_of_8", keep=0.95))
    assert f"go on with `sn-eval poc run tabletop-methods --out {alone} --split confirm --arm plain" in text


def test_lower_can_be_better(run):
    found = report(run, reference="best_of_8", keep=0.95, measure="flicker")
    (values,) = gains(run, "dev", "flicker", "better@144")
    assert of(found.dev, "better@144").gain.mean == pytest.approx(-values.mean())
    assert of(found.dev, "better@144").gain.low > 0
    (values,) = gains(run, "dev", "flicker", "poor@96")
    losing = of(found.dev, "poor@96").gain.losing
    assert sorted(losing.values()) == pytest.approx(sorted(-values[values > 0]))
    assert losing
    assert found.choice.arm in ("good@144", "better@144")


def test_what_is_printed_says_the_figures_and_nothing_is_written(run, found, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert main([str(run)]) == 0
    text = capsys.readouterr().out
    ours, whole = gains(run, "confirm", "steady[e]", "better@144", "best_of_8")
    assert f"it keeps **{100 * ours.mean() / whole.mean():.0f} % (" in text
    assert "Its cost is **38 %** of best_of_8's evaluations" in text
    assert "the goal of at most 40 % is reached" in text
    assert "| **better@144** | " in text
    assert "1 unusable" in text
    assert "| poor@96 | " not in text.split("Confirm prompts:")[1]  # it has no videos there
    assert main([str(run), "--json", "--keep", "0.05"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["choice"]["arm"] == "poor@96"
    assert told["dev"][0]["nfe"] == 48
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert not (run / "snapshot.parquet").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--reference", "bo8"], "no arm 'bo8' to hold others against in"), (["--measure", "x"], "no measure 'x' in")],
)
def test_wrong_input_is_one_line(run, words, said, capsys):
    with pytest.raises(SystemExit) as caught:
        main([str(run), *words])
    errors = capsys.readouterr().err
    assert (caught.value.code, errors.count("\n")) == (2, 1)
    assert said in errors


def test_a_run_without_a_declared_measure_asks_for_one(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    spec = tmp_path / "run" / "spec.yaml"
    data = yaml.safe_load(spec.read_text())
    del data["primary"]
    spec.write_text(yaml.safe_dump(data))
    with pytest.raises(ResultsError, match="declares no primary outcome: name the measure with --measure"):
        report(tmp_path / "run", reference="best_of_8", keep=0.95)
