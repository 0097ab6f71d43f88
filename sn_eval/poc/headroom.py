"""Before the big run: plain samples of a few prompts through the ordinary cells, and what choosing among them gives.

The samples of a prompt are exactly the videos that best-of-N would choose among (one start, noise by noise), each
looked at and scored but not chosen. They lie in a run folder like any other, so a run that was stopped goes on.
"""

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import vl_convert
from scipy import stats

from sn_eval.decision.analysis import material_of
from sn_eval.decision.findings import PreviewValue
from sn_eval.decision.headroom import FILE_NAME, Headroom, OutcomeHeadroom, as_dict, headroom
from sn_eval.decision.selection import preview_value
from sn_eval.poc.executors import Executor
from sn_eval.poc.run import RunOutcome, Watched, run
from sn_eval.present.charts import curves
from sn_eval.results.experiment import Experiment, Method, Prompt
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.run_folder import RunFolder
from sn_eval.results.trace import plain, read_trace

SAMPLES = 16
PROMPTS = 4
LOOK = 3  # steps before a preview, where no method of the experiment says
ARM = "sample"


@dataclass(frozen=True)
class HeadroomRun:
    """What was found, None where samples are missing; how the cells stand; and the files that were written."""

    found: Headroom | None
    outcome: RunOutcome
    files: tuple[Path, ...]


def run_headroom(
    experiment: Experiment,
    out: Path,
    *,
    prompts: int = PROMPTS,
    samples: int = SAMPLES,
    executor: Executor | None = None,
    watched: Watched | None = None,
) -> HeadroomRun:
    """Make the samples that `out` does not hold, then say what is to be gained; writes headroom.json and charts."""
    made = headroom_experiment(experiment, prompts, samples)
    outcome = run(made, out, executor=executor, watched=watched or Watched())
    if not outcome.finished:
        return HeadroomRun(None, outcome, ())
    found = read_headroom(experiment, out)
    return HeadroomRun(found, outcome, write_headroom(found, out))


def headroom_experiment(experiment: Experiment, prompts: int = PROMPTS, samples: int = SAMPLES) -> Experiment:
    """The experiment that makes the samples: prompts that settings are chosen on, one seed, an arm a sample.

    ResultsError for fewer than two samples, or more prompts than there are.
    """
    if samples < 2 or prompts < 1:
        raise ResultsError(f"{prompts} prompts and {samples} samples: it takes 1 prompt and 2 samples, or more")
    filmed = _spread([p for p in experiment.prompts if p.split == "dev"] or list(experiment.prompts), prompts)
    groups = {prompt.group for prompt in filmed}
    criteria = [c for c in experiment.acceptance if not c.groups or groups & set(c.groups)]
    kept = tuple(c.model_copy(update={"groups": tuple(g for g in c.groups if g in groups)}) for c in criteria)
    look = next((m.params["look"] for m in experiment.methods if isinstance(m.params.get("look"), int)), LOOK)
    steps = experiment.rollout.params.get("steps")
    look = min(look, steps) if isinstance(steps, int) and isinstance(look, int) else look
    arms = [
        Method(use="one_of", params={"video": i, "look": look}, name=f"{ARM}-{i:02d}", budget="own")
        for i in range(samples)
    ]
    return experiment.model_copy(
        update={
            "name": f"{experiment.name[:55]}-headroom",
            "methods": tuple(arms),
            "baseline": arms[0].label,
            "budget": None,
            "prompts": tuple(filmed),
            "seeds": experiment.seeds[:1],
            "acceptance": kept,
            "labels": None,
            "primary": (),
        }
    )


def read_headroom(experiment: Experiment, out: Path) -> Headroom:
    """What finished samples say, by the experiment's primary outcome, minimum effect and repetitions."""
    folder = RunFolder.open(out)
    material = material_of(folder)
    return headroom(experiment, material.judges, material.candidates, _previews(folder))


def write_headroom(found: Headroom, out: Path) -> tuple[Path, ...]:
    """headroom.json, and for every outcome its curve as SVG and PNG."""
    files = [out / FILE_NAME]
    write_whole(files[0], json.dumps(plain(as_dict(found)), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    for outcome in found.outcomes:
        drawn = chart(found, outcome)
        name = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in outcome.outcome)
        files += [out / f"headroom_{name}.svg", out / f"headroom_{name}.png"]
        write_whole(files[-2], drawn)
        write_whole(files[-1], vl_convert.svg_to_png(drawn))
    return tuple(files)


def chart(found: Headroom, outcome: OutcomeHeadroom) -> str:
    """What choosing among so many videos gains in the outcome: by the reward, and by an oracle."""
    start = outcome.curve[0].oracle
    rows = [
        {"videos": step.videos, "gain": value - start, "by": by}
        for step in outcome.curve
        for by, value in ((f"chosen by {found.reward}", step.chosen), ("oracle: the best there is", step.oracle))
        if value is not None and start is not None
    ]
    better = "higher" if outcome.higher_is_better else "lower"
    return curves(
        rows or [{"videos": 1, "gain": None, "by": "not measured"}], ("videos", "plain videos to choose among"),
        ("gain", f"{outcome.outcome}, over one at random ({better} is better)"), series="by",
        title=f"{found.name}: {found.prompts} prompts, {found.samples} samples each",
    )  # fmt: skip


# --- parts ------------------------------------------------------------------------------------------------


def _spread(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """So many of the prompts, spread evenly over them."""
    if count > len(prompts):
        raise ResultsError(f"--prompts {count}: there are {len(prompts)} to take from; ask for fewer")
    return [prompts[int((i + 0.5) * len(prompts) / count)] for i in range(count)]


def _previews(folder: RunFolder) -> tuple[PreviewValue, ...]:
    """By look: how a piece's preview foretells its finished score, among the samples of one prompt."""
    scores: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for planned in folder.plan.cells:
        path = folder.store.folder(planned.cell) / "trace.jsonl"
        for row in read_trace(path) if path.is_file() else ():
            if row["kind"] == "final" and row["score"] is not None:
                for look, value in row["previews"].items():
                    if value is not None:
                        scores[look, planned.prompt, row["step"]].append((value, row["score"]))
    looks: dict[str, dict[tuple[str, int], float | None]] = defaultdict(dict)
    for (look, prompt, step), pairs in scores.items():
        looks[look][prompt, step] = _rho(pairs)
    return tuple(preview_value(ARM, look, rhos) for look, rhos in sorted(looks.items()))


def _rho(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Spearman's rho; None for fewer than three pairs, or where a side does not vary."""
    first, second = zip(*pairs, strict=True)
    if len(pairs) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    rho = float(stats.spearmanr(first, second).statistic)
    return None if math.isnan(rho) else rho
