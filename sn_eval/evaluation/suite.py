"""A suite: which measurements judge together, and how they add up to one total for ranking.

Built-in suites lie in `suites/` as YAML; one of your own is a file of the same form (`--suite my_suite.yaml`).
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from rewards.base import Reward, UserError
from rewards.registry import did_you_mean
from sn_eval import metrics
from sn_eval.evaluation.by_piece import ByPiece
from sn_eval.metrics.base import Metric, described
from sn_eval.results.evaluation import Measure, Mode
from sn_eval.results.record import Frozen

FOLDER = Path(__file__).parent / "suites"


class Member(Frozen):
    """One measurement of a suite.

    use, params: as for `metrics.create`. encoder_sha256: of the weights that its encoder must have, so that figures
    of two machines mean the same; None takes any. weight: in the total, 0 for none. normal: which values count as 0
    and as 1 in the total; a measure that falls as things get better has the larger one first.
    """

    use: str
    params: Mapping[str, Any] = Field(default_factory=dict)
    encoder_sha256: str | None = None
    weight: float = Field(default=0.0, ge=0)
    normal: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _weighted_is_normal(self) -> "Member":
        if self.weight and (self.normal is None or self.normal[0] == self.normal[1]):
            raise ValueError(f"{self.use}: a weight needs normal: [value that counts 0, value that counts 1]")
        return self


class SuiteSpec(Frozen):
    """A suite as its YAML says it.

    extends: another suite, whose metrics come first. mode: what `--mode` is when nobody says.
    """

    name: str
    about: str
    extends: str | None = None
    mode: Mode = "fixed"
    metrics: tuple[Member, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Judge:
    """A member, made: its metric, how it counts in the total."""

    metric: Metric
    measure: Measure
    weight: float = 0.0
    normal: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Suite:
    """Measurements that judge together, in one mode."""

    name: str
    about: str
    mode: Mode
    judges: tuple[Judge, ...]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The columns."""
        return tuple(judge.measure for judge in self.judges)

    @property
    def has_total(self) -> bool:
        """Whether there is a total: in mode "fixed" alone, since published formulas reward standing still."""
        return self.mode == "fixed" and any(judge.weight for judge in self.judges)

    def total(self, values: Mapping[str, float | None]) -> float | None:
        """Weighted mean of the normalised values (each clipped to 0..1), times the share of frames that move; 0..1.

        For ranking videos of one suite, and no VBench score. None where the suite has no total, or where a weighted
        measure or `moving_share` did not score the video. A frozen video gets 0.
        """
        moving = values.get("moving_share")
        if not self.has_total or moving is None:
            return None
        weighted = [(judge, values.get(judge.measure.key)) for judge in self.judges if judge.weight]
        if any(value is None for _, value in weighted):
            return None
        shares = [(judge.weight, _normalised(float(value or 0), *judge.normal)) for judge, value in weighted]
        return moving * sum(weight * share for weight, share in shares) / sum(weight for weight, _ in shares)


def _normalised(value: float, zero: float, one: float) -> float:
    """Where a value lies between the one that counts 0 and the one that counts 1, clipped.

    >>> _normalised(0.25, 0.5, 0.0), _normalised(2.0, 0.0, 1.0)
    (0.5, 1.0)
    """
    return min(1.0, max(0.0, (value - zero) / (one - zero)))


def names() -> list[str]:
    """The built-in suites."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_suite(name: str) -> SuiteSpec:
    """A built-in suite by name, or a YAML file; UserError, in one line, for anything that is no suite."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise UserError(
            f"unknown suite {name!r}.{did_you_mean(name, names())} Known: {', '.join(names())}, or the path of a "
            "YAML file"
        )
    try:
        return SuiteSpec.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"cannot read suite {path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        why = first["msg"].removeprefix("Value error, ")
        raise UserError(f"suite {path}: {where}: {why}. `sn-eval metrics list` shows what there is") from error


def load_suite(name: str, mode: Mode | None = None) -> Suite:
    """A suite with its metrics made, in its own mode where none is given; UserError names a member that cannot be."""
    spec = read_suite(name)
    return make_suite(spec.name, spec.about, mode or spec.mode, members_of(spec))


def members_of(spec: SuiteSpec, before: tuple[str, ...] = ()) -> tuple[Member, ...]:
    """The suite's members, behind those of the suite that it extends. before: those that extend it, by name."""
    if spec.extends is None:
        return spec.metrics
    line = (*before, spec.name)
    if spec.extends == spec.name or spec.name in before:
        raise UserError(f"suite {spec.name!r} extends itself ({' → '.join(line)}): name another, or leave extends out")
    return (*members_of(read_suite(spec.extends), line), *spec.metrics)


def make_suite(name: str, about: str, mode: Mode, members: tuple[Member, ...]) -> Suite:
    """The metrics of these members; those that know modes get this one. Two of one key are refused."""
    judges = tuple(_judge(member, mode) for member in members)
    keys = [judge.measure.key for judge in judges]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise UserError(f"suite {name!r} measures {', '.join(sorted(twice))} twice: leave one out")
    return Suite(name, about, mode, judges)


def _judge(member: Member, mode: Mode) -> Judge:
    params = dict(member.params)
    if "mode" in inspect.signature(metrics.resolve(member.use)).parameters:
        params.setdefault("mode", mode)
    made = metrics.create(member.use, **params)
    _check_weights(member, made)
    metric = made if isinstance(made, Metric) else ByPiece(made)
    return Judge(metric, described(made.spec, question(made)), member.weight, member.normal or (0.0, 1.0))


def _check_weights(member: Member, made: Reward) -> None:
    """UserError where the encoder has other weights than the suite was written for."""
    wanted, found = member.encoder_sha256, made.spec.encoder_sha256
    if wanted is not None and wanted != found:
        raise UserError(
            f"{member.use}: the weights of encoder {made.spec.encoder!r} have the SHA-256 {str(found)[:12]}…, the "
            f"suite wants {wanted[:12]}…: figures would not compare. Install those weights, or leave encoder_sha256 out"
        )


def question(made: Reward) -> str:
    """What a measure asks, in a sentence: its own `question`, else the first of its file, else of its class."""
    if hasattr(made, "question"):
        return str(made.question)
    for text in (inspect.getdoc(inspect.getmodule(type(made))), inspect.getdoc(type(made))):
        if text:
            sentence = " ".join(text.split("\n\n")[0].split())
            return sentence.split("? ")[0] + "?" if "? " in sentence else sentence.split(": ")[0]
    return ""
