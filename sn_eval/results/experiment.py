"""What an experiment declares, before anything runs: what is made, what judges it, what it costs and what decides.

One YAML file holds all of it, and a copy lies beside the results, since a verdict means nothing without the rules that
were declared for it (DECISION.md, "Verdict"). Unknown keys are errors. No amount of money has a default, and each says
where it comes from; nothing here needs torch.
"""

from collections import Counter
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from sn_eval.results.record import Component

ACCEPTANCE = "acceptance"
"""The outcome "share of attempts that meet every acceptance criterion"; others are evaluators by label."""

Split = Literal["dev", "confirm"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Misfit(ValueError):
    """A rule that a part as a whole breaks. at: path, from that part, of the key to change."""

    def __init__(self, message: str, *at: int | str) -> None:
        super().__init__(message)
        self.at = at


class Declared(BaseModel):
    """Base of all parts: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


def _component(value: Any) -> Any:
    """A bare name stands for a component without parameters."""
    return {"use": value} if isinstance(value, str) else value


Use = Annotated[Component, BeforeValidator(_component)]


# --- what is made -----------------------------------------------------------------------------------------


class Prompt(Declared):
    """One thing to film. `text` names it in every table, so no two have the same.

    group: to which acceptance criteria apply. split: settings are chosen on dev prompts, judged once on confirm ones.
    schedule: one prompt a chunk where the story changes (`text` is then its title, and what judges are told). image:
    file of the first frame, where the model takes one.
    """

    text: str = Field(min_length=1, pattern=r"\S")
    group: str = ""
    split: Split = "confirm"
    schedule: tuple[str, ...] | None = None
    image: str | None = None


def _prompt(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class Method(Component):
    """A way to make a video: a search method with its knobs.

    name: in tables [what `use` ends with]. budget: "solve" sizes it to each of the experiment's budgets; "own" keeps
    its own knobs, so it runs once, whatever the budgets (plain sampling does).
    """

    name: Name | None = None
    budget: Literal["solve", "own"] = "solve"

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name or short(self.use)


class Budget(Declared):
    """What a video may cost, each amount an experiment of its own.

    unit: "nfe", denoiser evaluations, or "videos", as many as that number of plain videos take. within: how far below
    an amount a method may stay, as a share, before it is refused as not comparable.
    """

    unit: Literal["nfe", "videos"]
    amounts: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    within: float = Field(default=0.03, ge=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.unit == "nfe" and any(amount != int(amount) for amount in self.amounts):
            raise Misfit(f"amounts {list(self.amounts)} in unit nfe: denoiser evaluations are whole numbers", "amounts")
        if len(set(self.amounts)) < len(self.amounts):
            raise Misfit(f"amounts {list(self.amounts)} name one budget twice", "amounts")
        return self


class Evaluator(Component):
    """A metric or a reward that judges whole videos. name: in tables [what `use` ends with]."""

    name: str | None = None

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.name or short(self.use)


def short(use: str) -> str:
    """What a reference ends with.

    >>> short("my_shop.py:bright"), short("plain"), short("/data/models/wan")
    ('bright', 'plain', 'wan')
    """
    return use.rsplit(":", 1)[-1].rstrip("/").rsplit("/", 1)[-1]


# --- what decides -----------------------------------------------------------------------------------------


class Criterion(Declared):
    """What a video must reach to be accepted, by one evaluator; criteria of several evaluators must all hold.

    groups: prompts that it applies to [all]. critical: no method may be worse in it, whatever else it gains. because:
    the reason for the threshold, for the report.
    """

    evaluator: str
    at_least: float | None = None
    at_most: float | None = None
    groups: tuple[str, ...] = ()
    critical: bool = False
    because: str = ""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise Misfit(f"criterion on {self.evaluator!r} has no bound: give at_least or at_most")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise Misfit(
                f"criterion on {self.evaluator!r}: at_least {self.at_least} is above {self.at_most}", "at_least"
            )
        return self

    def holds(self, value: float | None) -> bool | None:
        """Whether a value meets it; None where nothing was measured."""
        if value is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Primary(Declared):
    """The comparison that the verdict rests on.

    outcome: "acceptance" or an evaluator's label. minimum_effect: the least difference worth having, in the outcome's
    unit (0.1 is ten points of acceptance). method: whose settings compete on dev prompts [every one but the baseline].
    """

    outcome: str = ACCEPTANCE
    minimum_effect: float = Field(gt=0)
    method: str | None = None


class Looks(Declared):
    """When results may be looked at, as shares of the confirm prompts; the last is 1.

    More than one look is a group-sequential design: each look spends a part of the error (Lan & DeMets 1983).
    """

    at: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (1.0,)
    spending: Literal["obrien_fleming", "pocock"] = "obrien_fleming"

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.at) != sorted(set(self.at)) or self.at[-1] != 1:
            raise Misfit(f"looks at {list(self.at)}: give rising shares that end with 1", "at")
        return self


class Guard(Declared):
    """A measurement that must not fall by more than `margin` (in its own unit), e.g. motion."""

    evaluator: str
    margin: float = Field(ge=0)


class Rules(Declared):
    """What makes a Go; DECISION.md, "Verdict".

    no_worse: evaluators that may not lose more than a margin, e.g. dynamic_degree: a frozen video is consistent, too.
    max_latency: longest acceptable seconds of computing a second of video, if there is a bound.
    """

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    chance_of_profit: float = Field(default=0.8, ge=0.5, le=1)
    no_worse: tuple[Guard, ...] = ()
    max_latency: float | None = Field(default=None, gt=0)
    max_failures: float = Field(default=0.05, ge=0, lt=1)


# --- what it costs ----------------------------------------------------------------------------------------


class Sourced(Declared):
    """An amount that somebody can be asked about. low, high: the triangle around it, where it is uncertain.

    illustrative: an example, no knowledge. Everything computed from it is marked, and can never yield Go.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    source: str = Field(min_length=1, pattern=r"\S")
    as_of: date | None = None
    illustrative: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise Misfit("low and high stand together: give both or neither", "high" if self.low is None else "low")
        if self.value is None and self.low is not None:
            raise Misfit("low and high without value: give the most likely value, too", "low")
        if self.value is not None and self.low is not None and not self.low <= self.value <= (self.high or 0.0):
            raise Misfit(f"low {self.low}, value {self.value}, high {self.high}: they must rise", "low")
        return self

    @property
    def known(self) -> bool:
        """Whether there is a value at all; `value: null` is an honest gap."""
        return self.value is not None


class Exchange(Declared):
    """Units of `to` for one unit of `of`, on a day, by somebody."""

    of: str = Field(pattern=r"^[A-Z]{3}$")
    to: str = Field(pattern=r"^[A-Z]{3}$")
    rate: float = Field(gt=0)
    on: date
    source: str = Field(min_length=1)
    illustrative: bool = False


class Owned(Declared):
    """A machine that is bought: purchase − residual over its life, and power. Money in `currency`."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    purchase: Sourced
    residual: Sourced
    years: Sourced
    hours_a_year: Sourced
    watts: Sourced
    pue: Sourced
    kwh: Sourced = Field(description="price of a kilowatt-hour")
    devices: int = Field(default=1, ge=1)


class Rate(Declared):
    """A price of an hour that is not in the list."""

    value: float | None = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    unit: Literal["GPU-hour", "CPU-hour", "machine-hour"]
    as_of: date
    source: str = Field(min_length=1, pattern=r"\S")
    illustrative: bool = False


class Prices(Declared):
    """What an hour of computing costs: one of `use` (an id in prices.yaml), `rate` or `owned`.

    utilisation: share of paid hours that compute. currency: of the report. exchange: needed where the price is in
    another currency. tax_included: whether the prices include consumption tax.
    """

    use: str | None = None
    rate: Rate | None = None
    owned: Owned | None = None
    utilisation: Sourced
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    exchange: Exchange | None = None
    tax_included: bool

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("use", "rate", "owned") if getattr(self, name) is not None]
        if len(given) != 1:
            raise Misfit(f"prices need one of use, rate, owned; given: {', '.join(given) or 'none'}", *given[1:2])
        if self.utilisation.value is not None and not 0 < self.utilisation.value <= 1:
            raise Misfit(f"utilisation {self.utilisation.value}: a share above 0, at most 1", "utilisation", "value")
        return self


class Business(Declared):
    """What a month of production looks like, in the currency of `prices`. DECISION.md, "ROI", has the letters.

    minutes_per_video L · attempts_cap K · review (of one attempt) ρ · rejection (handling of one) h · fallback (manual
    production of one video) M · one_off I · monthly F · discount a year r. ramp: share of the volume in each month from
    the start; the last holds on. months: horizon. compute_per_attempt: money for one attempt of the baseline, for
    videos made elsewhere (where nothing was metered). tax: rate, for the sensitivity only. deadline_hours: for the
    capacity: a month's videos must be made within so many hours.
    """

    videos_per_month: Sourced
    minutes_per_video: Sourced
    attempts_cap: int = Field(ge=1)
    review: Sourced
    rejection: Sourced
    fallback: Sourced
    one_off: Sourced
    monthly: Sourced
    discount: Sourced
    ramp: tuple[Annotated[float, Field(ge=0, le=1)], ...] = (1.0,)
    months: int = Field(default=36, ge=1, le=240)
    compute_per_attempt: Sourced | None = None
    tax: Sourced | None = None
    deadline_hours: Sourced | None = None
    fiscal_year_starts: int = Field(default=4, ge=1, le=12, description="month")

    @model_validator(mode="after")
    def _shares(self) -> Self:
        for name in ("discount", "tax"):
            shares = getattr(self, name) or Sourced(source="none")
            for end in ("value", "low", "high"):
                share = getattr(shares, end)
                if share is not None and not 0 <= share < 1:
                    raise Misfit(f"{name} {share:g}: a share from 0 to below 1; 5 % is 0.05", name, end)
        return self

    def amounts(self) -> dict[str, Sourced]:
        """Every amount by its key."""
        return {name: value for name, value in self if isinstance(value, Sourced)}


# --- all of it --------------------------------------------------------------------------------------------


def _distinct(what: str) -> Any:
    def check(values: tuple[Any, ...]) -> tuple[Any, ...]:
        labels = [getattr(value, "label", None) or value.text for value in values]
        twice = [label for label, count in Counter(labels).items() if count > 1]
        if twice:
            hint = "use seeds for repetitions" if what == "prompts" else "give one a name of its own"
            second = [place for place, label in enumerate(labels) if label == twice[0]][1]
            raise Misfit(f"{what}: {twice[0]!r} stands twice; {hint}", second)
        return values

    return AfterValidator(check)


class Experiment(Declared):
    """Prompts × methods × budgets × seeds, what judges them, and what decides. See the suites in benchmarks/suites.

    reward: what is searched on. evaluators: what results are judged by; one of a family that was searched on is refused
    unless `allow_same_family`, and is then marked in every table. prices, business: without them there is no ROI, and
    the verdict can be no Go. labels: file of people's verdicts (as for `evaluate --labels`; a video is named by its
    cell's id or by a path with it), which correct the acceptance, or are it where there are no criteria. keep_features:
    whether cells keep what their candidates looked like, to train a predictor on; no video depends on it.
    """

    name: Name
    about: str = ""
    model: Use = Component(use="tabletop")
    rollout: Use = Component(use="chunk")
    reward: Use
    evaluators: Annotated[tuple[Annotated[Evaluator, BeforeValidator(_component)], ...], _distinct("evaluators")] = (
        Field(min_length=1)
    )
    methods: Annotated[tuple[Annotated[Method, BeforeValidator(_component)], ...], _distinct("methods")] = Field(
        min_length=1
    )
    baseline: str = "plain"
    budget: Budget | None = None
    prompts: Annotated[tuple[Annotated[Prompt, BeforeValidator(_prompt)], ...], _distinct("prompts")] = Field(
        min_length=1
    )
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    allow_same_family: bool = False
    keep_features: bool = False
    acceptance: tuple[Criterion, ...] = ()
    labels: str | None = None
    primary: tuple[Primary, ...] = ()
    looks: Looks = Looks()
    rules: Rules = Rules()
    prices: Prices | None = None
    business: Business | None = None
    notes: dict[str, JsonValue] = Field(default={}, description="anything of your own; kept and shown, never read")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        methods, labels = [m.label for m in self.methods], [e.label for e in self.evaluators]
        if self.baseline not in methods:
            raise Misfit(f"baseline {self.baseline!r} is not among the methods {methods}", "baseline")
        if len(set(self.seeds)) < len(self.seeds):
            raise Misfit(f"seeds {list(self.seeds)} name one seed twice", "seeds")
        self._known_labels(labels)
        for place, primary in enumerate(self.primary):
            at = ("primary", place)
            if primary.method is not None and primary.method not in methods:
                raise Misfit(f"primary.method {primary.method!r} is not among the methods {methods}", *at, "method")
            if primary.outcome == ACCEPTANCE and not self.acceptance and not self.labels:
                rule = "the primary outcome is acceptance, and there are no acceptance criteria or labels"
                raise Misfit(rule, *at, "outcome")
            if primary.outcome == ACCEPTANCE and primary.minimum_effect >= 1:
                rule = f"{primary.minimum_effect:g} of acceptance: must be below 1; ten points are 0.1"
                raise Misfit(rule, *at, "minimum_effect")
        if self.primary and self._settings() > 1 and not any(p.split == "dev" for p in self.prompts):
            raise Misfit(
                f"{self._settings()} settings compete and no prompt has split: dev to choose on; mark some, or leave "
                "one method with one budget beside the baseline",
                "prompts",
            )
        return self

    def _known_labels(self, labels: list[str]) -> None:
        """Every evaluator that a rule names is there."""
        named: list[tuple[str, tuple[int | str, ...]]] = [
            (p.outcome, ("primary", i, "outcome")) for i, p in enumerate(self.primary) if p.outcome != ACCEPTANCE
        ]
        named += [(c.evaluator, ("acceptance", i, "evaluator")) for i, c in enumerate(self.acceptance)]
        named += [(g.evaluator, ("rules", "no_worse", i, "evaluator")) for i, g in enumerate(self.rules.no_worse)]
        for label, at in named:
            if label not in labels:
                known = ", ".join([*([ACCEPTANCE] if at[0] == "primary" else []), *labels])
                raise Misfit(f"{label!r} is no evaluator of this experiment; known: {known}", *at)
        groups = {prompt.group for prompt in self.prompts}
        for place, criterion in enumerate(self.acceptance):
            for group in criterion.groups:
                if group not in groups:
                    rule = f"acceptance names group {group!r}; prompts have {sorted(groups - {''})}"
                    raise Misfit(rule, "acceptance", place, "groups")

    def _settings(self) -> int:
        """Arms that may compete to be the one that is judged."""
        wanted = {p.method for p in self.primary}
        competing = [m for m in self.methods if m.label != self.baseline and (None in wanted or m.label in wanted)]
        amounts = len(self.budget.amounts) if self.budget else 1
        return sum(amounts if m.budget == "solve" else 1 for m in competing)

    def criteria(self, group: str) -> tuple[Criterion, ...]:
        """Acceptance criteria for prompts of a group."""
        return tuple(c for c in self.acceptance if not c.groups or group in c.groups)

    @property
    def examples(self) -> tuple[str, ...]:
        """Keys of inputs that are examples: whatever is computed from them is marked, and is never a Go."""
        return tuple(sorted(_illustrative(self)))


def _illustrative(part: Any, where: str = "") -> list[str]:
    """Paths of all parts that say `illustrative: true`."""
    if isinstance(part, BaseModel):
        found = [where] if getattr(part, "illustrative", False) is True else []
        inner = [(f"{where}.{name}".lstrip("."), value) for name, value in part]
        return found + [path for name, value in inner for path in _illustrative(value, name)]
    if isinstance(part, tuple | list):
        return [path for i, value in enumerate(part) for path in _illustrative(value, f"{where}[{i}]")]
    return []
