"""How many prompts the primary comparison takes, before there are results: under stated assumptions, or as measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from sn_eval.decision.power import USUAL, needed, needed_for_acceptance
from sn_eval.results.experiment import ACCEPTANCE, Experiment, Primary
from sn_eval.results.files import ResultsError

BASELINES = (0.4, 0.6, 0.8)  # acceptance of the baseline that may turn out
CORRELATIONS = (0.3, 0.1, 0.0)  # of two attempts at one prompt; the first that these shares allow
SIZES = (0.3, 0.5, 0.8)  # effect ÷ spread of the prompts' differences


@dataclass(frozen=True)
class SampleSize:
    """Confirm prompts that show the primary's minimum effect with a chance of 80 %. assumed: in words.

    prompts: how many the experiment has. needed: None for no number below ten million.
    """

    outcome: str
    effect: float
    assumed: str
    prompts: int
    needed: int | None

    @property
    def enough(self) -> bool:
        """Whether the experiment has so many."""
        return self.needed is not None and self.prompts >= self.needed


def sample_sizes(experiment: Experiment, spreads: dict[str, float] | None = None) -> tuple[SampleSize, ...]:
    """A row an assumption and primary outcome. spreads: of the prompts' differences by outcome, where measured."""
    prompts = sum(prompt.split == "confirm" for prompt in experiment.prompts)
    return tuple(row for primary in experiment.primary for row in _rows(experiment, primary, prompts, spreads or {}))


def _rows(experiment: Experiment, primary: Primary, prompts: int, spreads: dict[str, float]) -> Iterator[SampleSize]:
    effect, outcome, confidence = primary.minimum_effect, primary.outcome, experiment.rules.confidence
    if outcome in spreads:
        spread = spreads[outcome]
        assumed = f"differences between prompts spread by {spread:.3g}, as headroom measured"
        yield SampleSize(outcome, effect, assumed, prompts, needed(effect, spread, USUAL, confidence))
    elif outcome == ACCEPTANCE:
        for base in BASELINES:
            if base + effect <= 1:
                yield _acceptance(base, effect, prompts, len(experiment.seeds), confidence)
    else:
        for size in SIZES:
            assumed = f"differences between prompts spread by {effect / size:.3g} (effect ÷ spread {size:g})"
            yield SampleSize(outcome, effect, assumed, prompts, needed(size, 1.0, USUAL, confidence))


def _acceptance(base: float, effect: float, prompts: int, attempts: int, confidence: float) -> SampleSize:
    for correlation in CORRELATIONS:
        try:
            count = needed_for_acceptance(base, base + effect, correlation, attempts, confidence=confidence)
        except ResultsError:  # these shares allow no such correlation
            continue
        assumed = (
            f"acceptance {base:.0%} becomes {base + effect:.0%}; two attempts at one prompt correlate by "
            f"{correlation:g}; {attempts} a prompt and arm"
        )
        return SampleSize(ACCEPTANCE, effect, assumed, prompts, count)
    raise AssertionError("a correlation of 0 is always possible")
