"""`sn-eval rewards audit`: does a reward measure what it claims, what fools it, what comes of optimising it?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.auditing import PICTURES, Falls, Gates, Holds, Real, Rendered, Report, Uses, makeable
from sn_eval.cli.components import parse_params, writable_folder
from sn_eval.cli.console import AsJson, Bars, Quiet, progress
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from rewards.base import Reward
    from sn_eval.audit.trial import Trial
    from sn_eval.audit.windows import Window

Option = typer.Option
JUDGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tabletop_truth", {}),
    ("anchor_consistency", {"encoder": "imagenet-lite0@96"}),
    ("lighting_consistency", {}),
)  # the first one of another family than the reward judges its best of n


def audit(
    uses: Uses = None,
    param: Annotated[list[str] | None, Option(help="A parameter of the reward, key=value; may be repeated.")] = None,
    falls: Falls = None,
    holds: Holds = None,
    windows: Rendered = 32,
    real: Real = None,
    gates_only: Annotated[bool, Option("--gates-only", help="No tricks, bias and best-of-n curves: quicker.")] = False,
    judge: Annotated[
        str | None, Option(help="Held-out metric of the best-of-n curve [one of another family].")
    ] = None,
    candidates: Annotated[int, Option(min=4, help="Candidates a prompt for the best-of-n curve.")] = 64,
    prompts: Annotated[int, Option(min=2, help="Prompts of that curve.")] = 10,
    out: Annotated[Path, Option(help="Folder for the pages, and for the candidates that were made.")] = Path(
        "runs/audit"
    ),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put rewards to the test: known faults, harmless changes, tricks, bias, best-of-n curves.

    Faults are made at fixed physical severities on rendered scenes and on windows of real clips (`pip install
    "sn-eval[audit]"` brings those). A reward says itself what must lower it and what must not move it (falls_under and
    holds_under of @reward); without a claim, every change is tried and nothing is judged. Writes a page for each reward
    with the clips that moved it most. Exit code 1 where a gate is missed.

    Example: sn-eval rewards audit lighting_consistency

    Example: sn-eval rewards audit my_reward.py:my_reward --falls vanish,swap --holds exposure
    """
    import rewards
    from rewards.remembering import remembering

    report = Report("reward", writable_folder(out), as_json)
    with progress(quiet=quiet) as bars, remembering(PICTURES):
        params = parse_params(param or [])
        if params and not uses:
            raise ResultsError("--param is of one reward: name it, such as: sn-eval rewards audit NAME --param …")
        chosen = [(use, rewards.create(use, **params)) for use in uses] if uses else makeable(rewards, bars)
        gates = Gates(bars, falls, holds, windows, real)
        gates.say_missing()
        optimised = Optimised(bars, out, candidates, prompts)
        for use, reward in chosen:
            trial, tried = gates.put(use, reward)
            report.add(trial if gates_only else optimised.further(trial, reward, tried, judge))
    report.close()


@dataclass
class Optimised:
    """What comes of searching by the rewards of one command; they share a pool of candidates, kept in `out`."""

    bars: Bars
    out: Path
    candidates: int
    prompts: int

    def further(self, found: "Trial", reward: "Reward", windows: Sequence["Window"], judge: str | None) -> "Trial":
        """The trial with tricks, bias and the best-of-n curve."""
        from sn_eval.audit import trial

        samples = trial.samples_of(windows)
        leaning = trial.bias(reward, samples, self.bars.add(f"{found.name}: bias"))
        held_out = _judge(reward, judge)
        curve = trial.hacked(reward, held_out, self.pool, self.bars.add(f"{found.name}: best of n"))
        tricks = trial.adversaries(reward, samples)
        return replace(found, adversaries=tricks, bias=leaning, hacking=curve, judge=held_out.spec.name)

    @cached_property
    def pool(self) -> Any:
        """Candidates of the embedded model, made once and kept."""
        from sn_eval import models
        from sn_eval.audit.pool import build_pool
        from sn_eval.cli.models import dev_prompts

        said = dev_prompts()
        if self.prompts > len(said):
            raise ResultsError(f"--prompts {self.prompts}: there are {len(said)} prompts to choose on")
        bar = self.bars.add("making candidates")
        return build_pool(
            models.create("tabletop"), said[: self.prompts], candidates=self.candidates, cache=self.out / "pool",
            on_progress=bar,
        )  # fmt: skip


def _judge(reward: "Reward", use: str | None) -> "Reward":
    """The held-out metric: the asked one, else the first of another family."""
    from sn_eval import metrics

    for name, params in [(use, {})] if use else JUDGES:
        made: Reward = metrics.create(name, **params)
        if not set(made.spec.families) & set(reward.spec.families):
            return made
    mine = ", ".join(reward.spec.families)
    raise ResultsError(f"{use or 'every judge'} measures by a family of the reward's ({mine}): name another --judge")
