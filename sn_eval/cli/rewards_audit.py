"""`sn-eval rewards audit`: does a reward measure what it claims, what fools it, what comes of optimising it?"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import parse_params, writable_folder
from sn_eval.cli.console import DONE, FAILED, AsJson, Bars, Quiet, plain, print_json, progress, say, show_table
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from rewards.base import Reward
    from sn_eval.audit.trial import Trial

Option = typer.Option
JUDGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tabletop_truth", {}),
    ("anchor_consistency", {"encoder": "imagenet-lite0@96"}),
    ("lighting_consistency", {}),
)  # the first one of another family than the reward judges its best of n


def audit(
    uses: Annotated[
        list[str] | None,
        typer.Argument(help="Names, pkg.mod:attr or path/file.py:attr; without any, every built-in reward."),
    ] = None,
    param: Annotated[list[str] | None, Option(help="A parameter of the reward, key=value; may be repeated.")] = None,
    falls: Annotated[
        str | None, Option(help="Faults that must lower it, by commas [what the reward declares].")
    ] = None,
    holds: Annotated[
        str | None, Option(help="Harmless changes that must not move it, by commas [what it declares].")
    ] = None,
    windows: Annotated[int, Option(min=5, help="Rendered windows.")] = 32,
    real: Annotated[int | None, Option(min=0, help="Real windows at most [all; 0 for none].")] = None,
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
    from sn_eval.audit.real_clips import missing_clips
    from sn_eval.audit.trial import sections
    from sn_eval.page import write_page

    writable_folder(out)
    trials, pages = [], []
    with progress(quiet=quiet) as bars:
        chosen = uses or _makeable(rewards, bars)
        if real != 0 and (missing := missing_clips()):
            bars.say(f'not installed, so not tried: {", ".join(missing)}. pip install "sn-eval[audit]"')
        plan = Plan(bars, windows, real, out, candidates, prompts)
        for use in chosen:
            reward = rewards.create(use, **parse_params(param or []))
            trials.append(plan.trial(use, reward, _names(falls), _names(holds), gates_only, judge))
            pages.append(write_page(out / f"{_file_name(use)}.html", f"Audit of {use}", sections(trials[-1])))
            if not as_json:
                _show(trials[-1], pages[-1])
    missed = sum(len(trial.validity.missed) for trial in trials)
    if as_json:
        print_json([_told(trial, page) for trial, page in zip(trials, pages, strict=True)])
    elif len(trials) > 1:
        _show_summary(trials)
    raise typer.Exit(FAILED if missed else DONE)


def _makeable(rewards: Any, bars: Bars) -> list[str]:
    """Every reward that can be made without parameters; of the others it is said why not."""
    found = []
    for name in rewards.names():
        try:
            rewards.create(name)
        except rewards.UserError as error:
            bars.say(f"not tried: {error}")
        else:
            found.append(name)
    return found


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _file_name(use: str) -> str:
    """A page's name: of a reward in a file, file and reward.

    >>> _file_name("lighting_consistency"), _file_name("rewards/my file.py:calm")
    ('lighting_consistency', 'my_file_calm')
    """
    where, _, name = use.rpartition(":")
    parts = [Path(where).stem, name] if where else [name]
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in "_".join(parts))


class Plan:
    """What all rewards of one command share: windows, the pool of candidates, where things are kept."""

    def __init__(
        self, bars: Bars, windows: int, real: int | None, out: Path, candidates: int, prompts: int
    ) -> None:
        self.bars, self.windows, self.real, self.out = bars, windows, real, out
        self.candidates, self.prompts = candidates, prompts

    def trial(
        self, use: str, reward: "Reward", falls: Sequence[str] | None, holds: Sequence[str] | None, gates_only: bool,
        judge: str | None,
    ) -> "Trial":  # fmt: skip
        """Everything about one reward."""
        from sn_eval.audit import trial
        from sn_eval.audit.validity import validity

        spec = reward.spec
        falls = spec.falls_under if falls is None else falls
        holds = spec.holds_under if holds is None else holds
        windows = trial.windows_for(falls, self.windows, self.real)
        found = validity(reward, windows, falls, holds, self.bars.add(f"{use}: faults and harmless changes"))
        if gates_only:
            return trial.Trial(use, found)
        samples = trial.samples_of(windows)
        leaning = trial.bias(reward, samples, self.bars.add(f"{use}: bias"))
        held_out = _judge(reward, judge)
        curve = trial.hacked(reward, held_out, self.pool, self.bars.add(f"{use}: best of n"))
        return trial.Trial(
            use, found, trial.adversaries(reward, samples), leaning, curve, held_out.spec.name
        )

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


# --- what is printed --------------------------------------------------------------------------------------


def _show(trial: "Trial", page: Path) -> None:
    from sn_eval.audit.trial import GATE_COLUMNS, gate_rows

    words: dict[Any, Any] = {True: "met", False: "MISSED"}
    rows = [(*row[:-1], words.get(row[-1], row[-1])) for row in gate_rows(trial.validity.findings)]
    show_table(f"Gates of {trial.name}", GATE_COLUMNS, rows, trial.validity.words)
    for part in (trial.adversaries, trial.bias, trial.hacking):
        if part is not None:
            say(part.words)
    say(f"page: {page}")
    say()


def _show_summary(trials: Sequence["Trial"]) -> None:
    from sn_eval.audit.validity import SOURCES

    rows = []
    for trial in trials:
        found = trial.validity
        for source in SOURCES:
            met, missed = ([f.change for f in part if f.source == source] for part in (found.met, found.missed))
            rows.append((trial.name, source, len(met), ", ".join(missed) or "–", _open(found, source)))
    show_table("All rewards", ("reward", "windows of", "gates met", "missed", "not evaluable"), rows)


def _open(found: Any, source: str) -> str:
    return ", ".join(f.change for f in found.findings if f.source == source and f.passed is None) or "–"


def _told(trial: "Trial", page: Path) -> dict[str, Any]:
    """A trial as plain data; clips stay on the page."""
    found = trial.validity
    return {
        "reward": trial.name, "passed": not found.missed if found.met or found.missed else None, "page": str(page),
        "gates": plain(found.findings),
        "adversaries": plain(trial.adversaries), "bias": plain(trial.bias), "hacking": plain(trial.hacking),
        "judge": trial.judge,
    }  # fmt: skip
