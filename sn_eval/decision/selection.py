"""Did choosing by the searched reward help? What it leaves on the table, whether previews foretell it, and hacking.

Regret of the selector: candidates of one prompt, chosen at random, by the searched reward, and by an oracle that knows
the judge (Snell et al. 2024, section 4, compare verifiers so). Hacking: the reward rises and the judges that it should
stand for fall (Gao, Schulman & Hilton, "Scaling Laws for Reward Model Overoptimization", 2023).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from sn_eval.decision.arms import value_of
from sn_eval.decision.findings import Attempt, Hacking, PreviewValue, SelectorRegret
from sn_eval.decision.order_statistics import chances
from sn_eval.decision.ranks import Estimate
from sn_eval.decision.statistics import Pair, PairedDifference, interval, sign_flip_p


def selector_regret(
    outcome: str, candidates: Sequence[Attempt], *, higher_is_better: bool = True
) -> SelectorRegret | None:
    """Means over prompts, in the outcome's unit; None where no prompt has two candidates with both values.

    Prompts with more candidates than the fewest count as the mean over all choices of so many, without drawing. Equal
    rewards share the choice.

    >>> made = [Attempt((), "a", "candidate", i, searched=s, scores={"sharp": v}) for i, (s, v) in
    ...         enumerate([(0.1, 2.0), (0.9, 3.0), (0.5, 4.0)])]
    >>> selector_regret("sharp", made)
    SelectorRegret(outcome='sharp', candidates=3, random=3.0, chosen=3.0, oracle=4.0, captured=0.0, prompts=1)
    """
    sign = 1 if higher_is_better else -1
    grouped: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for attempt in candidates:
        value = value_of(attempt, outcome)
        if attempt.searched is not None and value is not None:
            grouped[attempt.prompt].append((attempt.searched, sign * value))
    tables = [np.array(rows, dtype=float) for rows in grouped.values() if len(rows) > 1]
    if not tables:
        return None
    fewest = min(map(len, tables))
    random = float(np.mean([table[:, 1].mean() for table in tables]))
    chosen = float(np.mean([_best(table[:, 0], table[:, 1], fewest) for table in tables]))
    oracle = float(np.mean([_best(table[:, 1], table[:, 1], fewest) for table in tables]))
    room = oracle - random
    captured = (chosen - random) / room if room > 1e-12 else None
    return SelectorRegret(outcome, fewest, sign * random, sign * chosen, sign * oracle, captured, len(tables))


def _best(by: Float[np.ndarray, "n"], values: Float[np.ndarray, "n"], size: int) -> float:
    """Expected value of the one that is highest in `by`, among `size` of them chosen at random.

    >>> _best(np.array([1.0, 2.0, 3.0]), np.array([0.0, 3.0, 6.0]), 2)
    5.0
    """
    return float(chances(by.tolist(), size) @ values)


def preview_value(
    arm: str, look: str, rhos: Mapping[Pair, float | None], *, confidence: float = 0.95, seed: int = 0
) -> PreviewValue:
    """Mean over prompts of the videos' rank correlation between a preview's score and the finished piece's.

    rhos: by (prompt, repeat) of the video; None where it has none. p: by sign flips over prompts.

    >>> preview_value("scaling_noise@144", "8", {("a", 0): 0.5, ("a", 1): 0.7, ("b", 0): None}).rho.value
    0.6
    """
    grouped = defaultdict(list)
    for pair, rho in rhos.items():
        if rho is not None and not np.isnan(rho):
            grouped[pair[0]].append(rho)
    means = np.array([np.mean(values) for values in grouped.values()], dtype=float)
    low, high, how = interval(means, confidence=confidence, seed=seed)
    value = float(means.mean()) if len(means) else None
    found = Estimate(value, low, high, p=sign_flip_p(means, seed=seed), why=how if low is None else "")
    return PreviewValue(arm, look, found, sum(map(len, grouped.values())))


def hacking(
    searched: PairedDifference | None,
    judges: Mapping[str, PairedDifference],
    *,
    lower_is_better: Collection[str] = (),
) -> Hacking:
    """Whether the search pleased its reward at the cost of a judge; gains are mean ÷ standard deviation over prompts.

    searched: of the reward that was maximised, None where it is not known. judges: held out of the search, by outcome.
    A rise or fall is clear where its interval excludes zero. A gain without spread cannot be standardised, and counts.
    """
    signs = {name: -1 if name in lower_is_better else 1 for name in judges}
    gains = {name: _standardised(each, signs[name]) for name, each in judges.items()}
    gain = _standardised(searched, 1) if searched else None
    rose = searched is not None and _clearly(searched, 1)
    fell = [name for name, each in judges.items() if _clearly(each, -signs[name])]
    told = [name for name, each in judges.items() if each.low is not None]
    words = _words(gain, rose, {name: gains[name] for name in fell}, len(told))
    if searched is None or searched.low is None:
        words = "hacking cannot be told: the searched reward of both arms is not known on two prompts"
    elif not told:
        words = "hacking cannot be told: no judge outside of the search has both arms on two prompts"
    return Hacking(bool(rose and fell), gain, {name: g for name, g in gains.items() if g is not None}, words)


def _clearly(difference: PairedDifference, sign: int) -> bool:
    """Whether the whole interval lies on this side of zero."""
    return difference.excludes_zero and difference.mean is not None and sign * difference.mean > 0


def _standardised(difference: PairedDifference, sign: int) -> float | None:
    """Mean over standard deviation of the prompts' differences, more is better; None where it cannot be had."""
    values = np.array(list(difference.per_prompt.values()), dtype=float)
    if len(values) < 2 or np.ptp(values) == 0:
        return None
    return float(sign * values.mean() / values.std(ddof=1))


def _words(gain: float | None, rose: bool, fell: Mapping[str, float | None], judges: int) -> str:
    """What was found, in one sentence; gains in standard deviations of the prompts' differences."""
    named = ", ".join(f"{name}{_told(judge)}" for name, judge in fell.items())
    if rose and fell:
        return f"alarm: the searched reward rose clearly{_told(gain)} while the video got worse by {named}"
    if fell:
        return f"no alarm, since the searched reward did not rise clearly{_told(gain)}; worse by {named}"
    return f"no alarm: none of {judges} judges outside of the search fell clearly; searched reward{_told(gain)}"


def _told(gain: float | None) -> str:
    """A gain in brackets, where there is one."""
    return "" if gain is None else f" ({gain:+.2f} SD)"
