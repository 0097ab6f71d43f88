"""Everything that a run can say, as data: what the report, the dashboard and the evidence file show, and nothing else.

Made by `sn_eval.decision.analysis`; every figure names the sets of cells that it was computed from (`Findings.cells`).
None means that a figure cannot be had, and the words beside it say why. Money is in `Money.currency`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sn_eval.decision.ranks import Estimate
from sn_eval.decision.statistics import PairedDifference
from sn_eval.results.experiment import Criterion
from sn_eval.results.plan import Judge

Decision = Literal["go", "conditional", "continue", "stop", "invalid", "provisional"]


# --- what happened, attempt by attempt --------------------------------------------------------------------


@dataclass(frozen=True)
class Compute:
    """What one attempt took. seconds: of the device (GPU-seconds on a GPU, CPU-seconds else), None where nobody knows.

    wall: seconds from start to end. Source words as in `results.record`.
    """

    device: Literal["gpu", "cpu", "unknown"] = "unknown"
    seconds: float | None = None
    wall: float | None = None
    nfe: float | None = None
    teraflops: float | None = None
    joules: float | None = None
    source: Literal["measured", "estimated", "none"] = "none"


@dataclass(frozen=True)
class Attempt:
    """One video, or the expected one of several (order statistics of videos made elsewhere).

    cells: ids behind it. scores: by evaluator label; searched: by what was searched on, as the search saw it; rewarded:
    the same reward's verdict on the whole video. accepted: 1, 0, a share between for an expected attempt, None where
    criteria could not be decided. weight: how many independent attempts it is worth. failed: no usable video came out
    (that is a rejected attempt); why: in one line.
    """

    cells: tuple[str, ...]
    prompt: str
    arm: str
    repeat: int
    group: str = ""
    split: Literal["dev", "confirm"] = "confirm"
    scores: Mapping[str, float | None] = field(default_factory=dict)
    searched: float | None = None
    rewarded: float | None = None
    accepted: float | None = None
    weight: float = 1.0
    video_seconds: float = 0.0
    compute: Compute = Compute()
    failed: bool = False
    why: str = ""


# --- money ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HourPrice:
    """Money for one device-hour, in the report's currency: list price ÷ utilisation × exchange.

    words: the formula with its numbers. sources: who says so, and when. illustrative: an example price.
    """

    value: float
    currency: str
    unit: Literal["GPU-hour", "CPU-hour", "machine-hour"]
    words: str
    sources: tuple[str, ...]
    as_of: str
    tax_included: bool
    exchange: str = ""
    illustrative: bool = False


@dataclass(frozen=True)
class ArmCost:
    """Means over the metered attempts of an arm, confirm prompts.

    share_of_budget: spent ÷ declared, in denoiser evaluations; lowest_share, highest_share: of single attempts.
    device_seconds: of an attempt; a_second: for a second of attempted video. latency: wall seconds of computing a
    second of video. money_an_attempt: of a video as long as production's.
    """

    nfe: float | None
    share_of_budget: float | None
    lowest_share: float | None
    highest_share: float | None
    device: Literal["gpu", "cpu", "unknown"]
    device_seconds: float | None
    a_second: float | None
    latency: float | None
    teraflops: float | None
    joules: float | None
    money_an_attempt: float | None
    money_a_minute: float | None
    money_an_accepted_minute: Estimate
    source: str = ""


@dataclass(frozen=True)
class Band:
    """Tenth, fiftieth and ninetieth percentile of the draws."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True)
class Swing:
    """One bar of the tornado: what the result becomes when one input goes to its low and its high end."""

    key: str
    low_input: float
    high_input: float
    at_low: float
    at_high: float


@dataclass(frozen=True)
class Scenario:
    """One case for a management paper. kind: all uncertain inputs at their bad, likely or good end."""

    kind: Literal["conservative", "standard", "optimistic"]
    monthly_saving: float
    npv: float
    payback_months: int | None


@dataclass(frozen=True)
class Roi:
    """What using the method is worth, against the baseline; DECISION.md, "ROI", has the formulas.

    attempts: expected attempts a video (baseline, method). unit_cost: money a delivered video. monthly_saving: at full
    volume. cumulative: discounted money from month 0 on, as bands over the draws. break_even_acceptance: mean
    acceptance of the method at which it saves nothing a video; break_even_uplift: the same minus the baseline's.
    highest_price: of a device-hour at which it still saves, None where it saves at any or at none (words say which).
    """

    currency: str
    attempts: tuple[float, float]
    unit_cost: tuple[float, float]
    unit_cost_bands: tuple[Band, Band]
    fallback_share: tuple[float, float]
    compute_an_attempt: tuple[float, float]
    monthly_saving: Band
    npv: Band
    chance_of_profit: float
    payback_months: int | None
    payback: tuple[int | None, int | None, int | None]
    cumulative: tuple[Band, ...]
    tornado: tuple[Swing, ...]
    scenarios: tuple[Scenario, ...]
    break_even_acceptance: float | None
    break_even_uplift: float | None
    highest_price: float | None
    highest_price_words: str
    draws: int
    after_tax_npv: float | None
    exchange_swing: tuple[float, float] | None
    illustrative: tuple[str, ...]
    inputs: tuple["Input", ...]


@dataclass(frozen=True)
class Input:
    """One business input as it was used, with who said so."""

    key: str
    value: float | None
    low: float | None
    high: float | None
    source: str
    as_of: str
    illustrative: bool


@dataclass(frozen=True)
class Capacity:
    """Devices that a month's videos need within the deadline: compute × attempts ÷ available seconds ÷ utilisation."""

    videos: float
    hours: float
    device_seconds_a_video: tuple[float, float]
    devices: tuple[int, int]


# --- quality ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArmFindings:
    """One arm on the confirm prompts. acceptance: mean over prompts of the share accepted, interval over prompts.

    corrected: the same, corrected with people's labels, where there are enough. smoothed: acceptance by prompt, drawn
    toward the mean as far as few attempts ask for (beta-binomial). scores: mean by evaluator.
    """

    name: str
    method: str
    budget_nfe: int | None
    baseline: bool
    chosen: bool
    prompts: int
    attempts: int
    failed: int
    acceptance: Estimate
    corrected: Estimate | None
    smoothed: Mapping[str, float]
    scores: Mapping[str, Estimate]
    by_group: Mapping[str, Estimate]
    cost: ArmCost


@dataclass(frozen=True)
class Compared:
    """One outcome of one arm against another on the confirm prompts, paired by prompt and repeat.

    p: corrected, Holm among primaries, Benjamini–Hochberg among the rest. searched: judged by a family searched on.
    adjusted: interval at the level that this look allows (equal to the difference's own where there is one look).
    """

    outcome: str
    arm: str
    against: str
    difference: PairedDifference
    p: float | None
    higher_is_better: bool
    primary: bool = False
    minimum_effect: float | None = None
    searched: bool = False
    adjusted: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True)
class Choice:
    """Which arm is judged, and how it was chosen: by the primary outcome on dev prompts, or because it is the only one.

    values: dev mean by competing arm. prompts: dev prompts that chose.
    """

    arm: str
    outcome: str
    values: Mapping[str, float | None]
    prompts: int


@dataclass(frozen=True)
class ScalingFit:
    """Quality against compute for one method: quality = ceiling − scale · compute^(−rate), a saturating power law.

    points: (compute, mean, low, high). saturates_at: compute beyond which less than `worth` (one twentieth of the range
    seen) is left to gain. None with words where the points do not determine a curve.
    """

    method: str
    outcome: str
    unit: str
    points: tuple[tuple[float, float, float | None, float | None], ...]
    ceiling: Estimate
    rate: Estimate
    scale: float | None
    saturates_at: float | None
    words: str


@dataclass(frozen=True)
class SelectorRegret:
    """What choosing among N by the searched reward is worth to a judge: random of N, the chosen, the oracle's best.

    captured: (chosen − random) / (oracle − random).
    """

    outcome: str
    candidates: int
    random: float
    chosen: float
    oracle: float
    captured: float | None
    prompts: int


@dataclass(frozen=True)
class PreviewValue:
    """Spearman of preview and final score among kept candidates, mean over videos of an arm."""

    arm: str
    look: str
    rho: Estimate
    videos: int


@dataclass(frozen=True)
class Hacking:
    """Did the search please its reward and not its judges? alarm: the reward rose clearly and a held-out judge fell.

    searched_gain: standardised gain of the searched reward; judges: outcome → standardised gain.
    """

    alarm: bool
    searched_gain: float | None
    judges: Mapping[str, float]
    words: str


@dataclass(frozen=True)
class Power:
    """How much this run could see. effect: the primary's threshold (break-even or minimum effect, the larger).

    power: chance to show it with these prompts, needed: prompts that 80 % (90 %) would take. detectable: smallest
    effect that 80 % would have shown.
    """

    outcome: str
    prompts: int
    effect: float | None
    spread: float | None
    power: float | None
    detectable: float | None
    needed_80: int | None
    needed_90: int | None
    words: str


@dataclass(frozen=True)
class Losing:
    """A confirm prompt on which the chosen arm is worse than the baseline. cells: (baseline's, the arm's)."""

    prompt: str
    group: str
    difference: float
    outcome: str
    cells: tuple[tuple[str, ...], tuple[str, ...]]


# --- the verdict ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reason:
    """One rule and how it came out. code: key of its sentence in `present.words`; values fill the sentence.

    holds: True, False, or None where it could not be decided.
    """

    code: str
    holds: bool | None
    values: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The decision and every rule that led to it, the deciding one first."""

    decision: Decision
    reasons: tuple[Reason, ...]
    arm: str = ""
    uplift: Estimate = field(default_factory=Estimate)
    break_even: float | None = None


# --- all of it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunFacts:
    """The run itself. planned … damaged: cells. infrastructure: those missing whose last error was the machine's.

    quality_failures: cells whose method gave no usable video. finished: whether every cell has an outcome.
    """

    name: str
    about: str
    kind: Literal["generated", "imported"]
    folder: str
    spec_sha256: str
    started: str
    ended: str
    planned: int
    done: int
    quality_failures: int
    infrastructure: int
    damaged: int
    finished: bool
    model: str
    rollout: str
    reward: str
    devices: tuple[str, ...]
    versions: Mapping[str, str]
    confirm_prompts: int
    dev_prompts: int
    repeats: int


@dataclass(frozen=True)
class Findings:
    """All of it. cells: name of a set, e.g. "confirm/plain" → ids; numbers: key → (value, sets that it came from).

    criteria: what a video had to reach to be accepted. attempts: every attempt behind the figures. watermark: inputs
    that are examples. notes: what a reader must know.
    """

    run: RunFacts
    baseline: str
    judges: tuple[Judge, ...]
    criteria: tuple[Criterion, ...]
    arms: tuple[ArmFindings, ...]
    choice: Choice | None
    comparisons: tuple[Compared, ...]
    scaling: tuple[ScalingFit, ...]
    selection: tuple[SelectorRegret, ...]
    previews: tuple[PreviewValue, ...]
    hacking: Hacking | None
    power: Power | None
    price: HourPrice | None
    price_words: str
    roi: Roi | None
    roi_words: str
    capacity: Capacity | None
    verdict: Verdict
    losing: tuple[Losing, ...]
    attempts: tuple[Attempt, ...]
    cells: Mapping[str, tuple[str, ...]]
    numbers: Mapping[str, tuple[float | None, tuple[str, ...]]]
    watermark: tuple[str, ...]
    notes: tuple[str, ...]

    def arm(self, name: str) -> ArmFindings:
        """The arm of this name; KeyError where there is none."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def known(values: Sequence[float | None]) -> list[float]:
    """Those that are there.

    >>> known([1.0, None])
    [1.0]
    """
    return [value for value in values if value is not None]
