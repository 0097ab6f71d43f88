"""The cells of a run, each with its place in the experiment: which prompt, which arm, which repetition.

`plan.json` lies beside the cells. Ids come from names, files and weights (see `sn_eval.poc.cell`), which need the
model; with the plan a reader can count, tabulate and judge a run without one.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from sn_eval.results.experiment import Split
from sn_eval.results.files import ResultsError, write_whole
from sn_eval.results.record import Frozen

FILE_NAME = "plan.json"
SCHEMA = 1


def arm_name(method: str, amount: float | None, unit: str = "nfe") -> str:
    """What a method with a budget is called in every table.

    >>> arm_name("plain", None), arm_name("best_of_n", 144.0), arm_name("best_of_n", 2.5, "videos")
    ('plain', 'best_of_n@144', 'best_of_n@2.5videos')
    """
    return method if amount is None else f"{method}@{amount:g}{'' if unit == 'nfe' else unit}"


def method_of(arm: str) -> str:
    """The method of an arm.

    >>> method_of("best_of_n@4videos"), method_of("plain")
    ('best_of_n', 'plain')
    """
    return arm.partition("@")[0]


def videos_of(arm: str) -> float | None:
    """The budget of an arm in plain videos; None where it has none, or one in another unit.

    >>> videos_of("best_of_n@2.5videos"), videos_of("best_of_n@144"), videos_of("plain")
    (2.5, None, None)
    """
    amount = arm.partition("@")[2]
    return float(amount.removesuffix("videos")) if amount.endswith("videos") else None


class Planned(Frozen):
    """One cell and its place. arm: `arm_name` of method and budget. budget_nfe: None for a method's own knobs.

    repeat: what pairs attempts of two arms at one prompt (the seed; for videos made elsewhere the candidate's number).
    """

    cell: str
    prompt: str
    group: str = ""
    split: Split = "confirm"
    arm: str
    method: str
    budget_nfe: int | None = None
    repeat: int


class Judge(Frozen):
    """An evaluator as it was made. key: of its value in `record.scores`. searched: of a family that was searched on."""

    label: str
    key: str
    families: tuple[str, ...]
    encoder: str | None = None
    higher_is_better: bool = True
    low: float | None = None
    high: float | None = None
    searched: bool = False


class Plan(Frozen):
    """All cells in the order in which they run.

    kind: "generated" by this toolkit or "imported" from elsewhere. searched: key in `record.scores` of the reward that
    the search maximised (for imported videos: that candidates were chosen by), if there is one. rewarded: key of that
    reward's verdict on whole videos, which every arm has. baseline: an arm.
    declared: sha256 of the rules (acceptance, primary, looks, rules) that stood in the spec when the first cell ran,
    and when that was, so that a later change of them is seen. sources: what the ids were made from, as far as it can be
    seen without a model (`sn_eval.poc.sources`): the same sources need no model to know that nothing is left to do.
    """

    schema_version: Literal[1] = 1
    kind: Literal["generated", "imported"] = "generated"
    baseline: str
    searched: str | None = None
    rewarded: str | None = None
    judges: tuple[Judge, ...]
    cells: tuple[Planned, ...]
    declared: str = ""
    declared_on: str = ""
    sources: str = ""
    notes: tuple[str, ...] = Field(default=(), description="what a reader of the results must know")

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm, the baseline first, then in the order of the plan."""
        return tuple(dict.fromkeys((self.baseline, *(cell.arm for cell in self.cells))))

    def save(self, run: Path) -> Path:
        """Write `plan.json` into the run's folder, whole or not at all."""
        write_whole(run / FILE_NAME, self.model_dump_json(indent=1) + "\n")
        return run / FILE_NAME

    @classmethod
    def load(cls, run: Path) -> "Plan":
        """Read it; ResultsError, in one line, where there is none or it is damaged."""
        path = run / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ResultsError(f"no run in {run}: there is no {FILE_NAME}. Start one with sn-eval poc run") from error
        except OSError as error:
            raise ResultsError(f"cannot read {path}: {error.strerror}.") from error
        except ValidationError as error:
            first: Any = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ResultsError(
                f"{path} is no plan of schema {SCHEMA}: {where} {first['msg']}. Run sn-eval poc run again: it is "
                "written anew, and finished cells stay; or use the sn-eval that wrote it"
            ) from error
