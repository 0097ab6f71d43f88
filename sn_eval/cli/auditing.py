"""What `rewards audit` and `metrics audit` share: claims put to the gates, a page and a table each, a summary, JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.console import DONE, FAILED, Bars, plain, print_json, say, show_table

if TYPE_CHECKING:
    from rewards.base import Reward
    from sn_eval.audit.trial import Trial
    from sn_eval.audit.windows import Window

Uses = Annotated[
    list[str] | None, typer.Argument(help="Names, pkg.mod:attr or path/file.py:attr [every built-in one].")
]
Falls = Annotated[str | None, typer.Option(help="Faults that must make it worse, by commas [what it declares].")]
Holds = Annotated[
    str | None, typer.Option(help="Harmless changes that must not move it, by commas [what it declares].")
]
Rendered = Annotated[int, typer.Option("--windows", min=5, help="Rendered windows.")]
Real = Annotated[int | None, typer.Option(min=0, help="Real windows at most [all; 0 for none].")]
PICTURES = 16384  # whose features are kept: what one encoder makes of all windows and their copies, about 80 MB


@dataclass(frozen=True)
class Gates:
    """The gates that all rewards or metrics of one command are put to.

    falls, holds: asked for all of them in place of what each declares. windows, real: how many, as `windows_for`.
    """

    bars: Bars
    falls: str | None
    holds: str | None
    windows: int
    real: int | None

    def say_missing(self) -> None:
        """Which real clips are not installed here."""
        from sn_eval.audit.real_clips import missing_clips

        if self.real != 0 and (missing := missing_clips()):
            self.bars.say(f'not installed, so not tried: {", ".join(missing)}. pip install "sn-eval[audit]"')

    def put(self, name: str, made: "Reward") -> "tuple[Trial, list[Window]]":
        """What it claims, put to the gates; and the windows that this was done on."""
        from sn_eval.audit.trial import Trial, windows_for
        from sn_eval.audit.validity import validity

        falls, holds = _names(self.falls, made.spec.falls_under), _names(self.holds, made.spec.holds_under)
        windows = windows_for(made.spec, falls, self.windows, self.real)
        bar = self.bars.add(f"{name}: faults and harmless changes")
        return Trial(name, validity(made, windows, falls, holds, bar)), windows


def _names(asked: str | None, declared: Sequence[str]) -> Sequence[str]:
    return declared if asked is None else tuple(part.strip() for part in asked.split(",") if part.strip())


def makeable(registry: Any, bars: Bars) -> "list[tuple[str, Reward]]":
    """All of a registry that can be made without parameters, with their names; of the others it is said why not."""
    from rewards.base import UserError

    found = []
    for name in registry.names():
        try:
            found.append((name, registry.create(name)))
        except UserError as error:
            bars.say(f"not tried: {error}")
    return found


def file_name(use: str) -> str:
    """A page's name: of a reward in a file, file and reward.

    >>> file_name("lighting_consistency"), file_name("rewards/my file.py:calm"), file_name("drift[dino:a/b]")
    ('lighting_consistency', 'my_file_calm', 'drift_dino_a_b')
    """
    where, _, name = use.rpartition(":") if ".py:" in use else ("", "", use)
    parts = [Path(where).stem, name] if where else [name]
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in "_".join(parts)).strip("_")


# --- what is printed --------------------------------------------------------------------------------------


class Report:
    """Trials as they come: a page and a table each, in the end the gates of all of them, or JSON.

    what: the word for what is tried, "reward" or "metric".
    """

    def __init__(self, what: str, out: Path, as_json: bool) -> None:
        self.what, self.out, self.as_json = what, out, as_json
        self.found: list[tuple[Trial, Path]] = []

    def add(self, trial: "Trial") -> None:
        """Write its page and show its table."""
        from sn_eval.audit.trial import sections
        from sn_eval.page import write_page

        page = write_page(self.out / f"{file_name(trial.name)}.html", f"Audit of {trial.name}", sections(trial))
        self.found.append((trial, page))
        if not self.as_json:
            _show(trial, page)

    def close(self) -> None:
        """The summary or the JSON, and the exit code: 1 where a gate is missed."""
        if self.as_json:
            print_json([_told(self.what, trial, page) for trial, page in self.found])
        elif len(self.found) > 1:
            _show_summary(self.what, [trial for trial, _ in self.found])
        raise typer.Exit(FAILED if any(trial.validity.missed for trial, _ in self.found) else DONE)


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


def _show_summary(what: str, trials: Sequence["Trial"]) -> None:
    from sn_eval.audit.validity import SOURCES

    rows = []
    for trial in trials:
        found = trial.validity
        for source in SOURCES:
            met, missed = ([f.change for f in part if f.source == source] for part in (found.met, found.missed))
            rows.append((trial.name, source, len(met), ", ".join(missed) or "–", _open(found, source)))
    show_table(f"All {what}s", (what, "windows of", "gates met", "missed", "not evaluable"), rows)


def _open(found: Any, source: str) -> str:
    """Changes that were not judged there."""
    here = [f for f in found.findings if f.source == source]
    left = [f.change for f in here if f.passed is None]
    return "all" if left and len(left) == len(here) else ", ".join(left) or "–"


def _told(what: str, trial: "Trial", page: Path) -> dict[str, Any]:
    """A trial as plain data; clips stay on the page."""
    found = trial.validity
    return {
        what: trial.name, "passed": not found.missed if found.met or found.missed else None, "page": str(page),
        "gates": plain(found.findings),
        "adversaries": plain(trial.adversaries), "bias": plain(trial.bias), "hacking": plain(trial.hacking),
        "judge": trial.judge,
    }  # fmt: skip
