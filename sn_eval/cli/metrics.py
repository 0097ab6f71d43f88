"""`sn-eval metrics`: what judges videos, which way is better, and how far the meters of the tabletop world err."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.components import in_short, show_one
from sn_eval.cli.console import AsJson, Quiet, cell_text, plain, print_json, progress, say, show_table
from sn_eval.results.files import ResultsError

if TYPE_CHECKING:
    from rewards.base import Reward, RewardSpec
    from sn_eval.tabletop.meter_error import Error

ARROWS = {True: "higher ↑", False: "lower ↓"}
SCENES = 12  # of `show --error`: about a second each, and enough for a first look


# --- what there is ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """A metric as it stands by itself or in a suite; `made` is None where it needs parameters, and `why` says which."""

    use: str
    params: tuple[tuple[str, Any], ...]
    asks: str
    suites: tuple[str, ...]
    made: "Reward | None"
    why: str = ""

    @property
    def named(self) -> str:
        """As one writes it: "drift (quantity=light)"."""
        params = ", ".join(f"{key}={value}" for key, value in self.params)
        return f"{self.use} ({params})" if params else self.use

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        from sn_eval.metrics.base import described

        told = {} if self.made is None else described(self.made.spec).model_dump(exclude={"name", "about"})
        own = {"name": self.use, "params": dict(self.params), "asks": self.asks, "suites": self.suites, "why": self.why}
        return {**own, **plain(told)}


def list_metrics(as_json: AsJson = False) -> None:
    """List the metrics: what each asks, which way is better, what it measures with; and the suites they form.

    Example: sn-eval metrics list
    """
    from sn_eval.evaluation import suite

    found = measurements()
    suites = [suite.read_suite(name) for name in suite.names()]
    if as_json:
        told = [{"name": s.name, "about": s.about, "mode": s.mode, "extends": s.extends} for s in suites]
        print_json({"metrics": [each.as_dict() for each in found], "suites": told})
        return
    rows = [(each.named, each.asks, *_declared(each.made), ", ".join(each.suites) or "–") for each in found]
    columns = ("name", "what it asks", "better", "range", "encoder", "family", "suites")
    show_table("Metrics", columns, rows, "– depends on its parameters: sn-eval metrics show NAME")
    show_table(
        "Suites: what judges together", ("name", "what for", "mode", "metrics"),
        [(s.name, s.about, s.mode, len(suite.members_of(s))) for s in suites],
    )  # fmt: skip
    say("Measure videos by one: sn-eval evaluate CLIPS --suite NAME; by single metrics: --metric NAME")
    say("Every reward of `sn-eval rewards list` can judge, too: name it as a metric.")


def measurements() -> list[Measurement]:
    """Every metric without parameters, and every variant that a suite of our own default mode measures by."""
    from rewards.base import UserError
    from sn_eval import metrics
    from sn_eval.evaluation.suite import question

    found: dict[str, Measurement] = {}
    for use, params in [*_variants(), *((name, {}) for name in metrics.registry.names())]:
        told = tuple(params.items())
        try:
            made = metrics.create(use, **params)
        except UserError as error:
            asks = in_short(metrics.describe(use)).summary
            found[f"{use} {told}"] = Measurement(use, told, asks, _suites(use, params), None, str(error))
        else:  # a variant that is the default stands in one line with it
            key = metrics.base.key_of(made.spec)
            found.setdefault(key, Measurement(use, told, question(made), _suites(use, params), made))
    return sorted(found.values(), key=lambda each: each.named)


def _variants() -> list[tuple[str, dict[str, Any]]]:
    """Metrics with the parameters that suites of mode "fixed" give them; others name weights that are not bundled."""
    from sn_eval import metrics
    from sn_eval.evaluation import suite

    specs = [spec for name in suite.names() if (spec := suite.read_suite(name)).mode == "fixed"]
    members = [member for spec in specs for member in spec.metrics if member.params]
    return [(m.use, dict(m.params)) for m in members if m.use in metrics.registry.names()]


def _suites(use: str, params: dict[str, Any]) -> tuple[str, ...]:
    """The suites that measure by it: so configured, or by one that has no line of its own."""
    from sn_eval.evaluation import suite

    lines = [*_variants(), (use, {})]
    found = []
    for name in suite.names():
        for member in suite.members_of(suite.read_suite(name)):
            given = dict(member.params)
            line = given if (member.use, given) in lines else {}
            if member.use == use and line == params and name not in found:
                found.append(name)
    return tuple(found)


def _declared(made: "Reward | None") -> list[str]:
    if made is None:
        return ["–"] * 4
    spec = made.spec
    return [ARROWS[_higher(spec)], _range(spec), spec.encoder or "–", ", ".join(spec.families)]


def _higher(spec: "RewardSpec") -> bool:
    return bool(getattr(spec, "higher_is_better", True))  # rewards do not say it: more of them is better


def _range(spec: "RewardSpec") -> str:
    return " … ".join(map(cell_text, spec.range))


# --- one of them ------------------------------------------------------------------------------------------


def show(
    use: Annotated[str, typer.Argument(help="A name, pkg.mod:attr or path/file.py:attr.")],
    error: Annotated[
        bool, typer.Option("--error", help="Measure how far the meters of the tabletop world err (tabletop_truth).")
    ] = False,
    scenes: Annotated[int, typer.Option(min=4, help="Held-out scenes for --error; about a second each.")] = SCENES,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Explain one metric: what it measures, how to read it, its parameters, what it was tested to notice.

    Example: sn-eval metrics show subject_consistency

    Example: sn-eval metrics show tabletop_truth --error
    """
    import rewards
    from sn_eval import metrics

    if error and use != "tabletop_truth":
        raise ResultsError(f"--error: {use} has no meters of its own; it is for tabletop_truth")
    found = _by_itself(use)
    errors = _meter_errors(scenes, quiet) if error else ()
    if as_json:
        told = {**plain(metrics.describe(use)), **found.as_dict(), "spec": found.made.spec if found.made else None}
        print_json({**told, **({"meter_errors": errors} if error else {})})
        return
    reward = use in rewards.names() and use not in metrics.registry.names()
    show_one(rewards.registry if reward else metrics.registry, use, as_json)
    if found.made is None:
        say(f"What it declares depends on its parameters: {found.why}")
    else:
        show_table("What it declares", ("", ""), list(_in_full(found.made.spec, found.suites).items()))
    if error:
        _show_errors(errors)


def _by_itself(use: str) -> Measurement:
    from rewards.base import UserError
    from sn_eval import metrics
    from sn_eval.evaluation import suite

    metrics.resolve(use)  # a misspelt name is an error; one that needs parameters is none
    suites = tuple(name for name in suite.names() if use in {m.use for m in suite.members_of(suite.read_suite(name))})
    try:
        made = metrics.create(use)
    except UserError as error:
        return Measurement(use, (), in_short(metrics.describe(use)).summary, suites, None, str(error))
    return Measurement(use, (), suite.question(made), suites, made)


def _in_full(spec: "RewardSpec", suites: Sequence[str]) -> dict[str, str]:
    return {
        "better": ARROWS[_higher(spec)], "range": _range(spec), "encoder": spec.encoder or "–",
        "sha256 of its weights": spec.encoder_sha256 or "–", "family": ", ".join(spec.families),
        "needs": ", ".join(spec.needs) or "nothing", "cost": spec.cost, "suites": ", ".join(suites) or "–",
        "must get worse under": ", ".join(spec.falls_under) or "–",
        "must hold under": ", ".join(spec.holds_under) or "–",
    }  # fmt: skip


def _meter_errors(scenes: int, quiet: bool) -> "tuple[Error, ...]":
    from sn_eval import models
    from sn_eval.tabletop.meter_error import conditions_with, meter_errors

    with progress(quiet=quiet) as bars:
        codec = models.create("tabletop").codec
        return meter_errors(conditions_with(codec), scenes, on_progress=bars.add("measuring the meters"))


def _show_errors(errors: "Sequence[Error]") -> None:
    rows = [(e.meter, e.condition, e.unit, e.mean, e.p95, e.n, e.unread) for e in errors]
    columns = ("meter", "frames", "error in", "mean", "95 % below", "n", "not read")
    show_table("The meters against the renderer's exact truth", columns, rows)
