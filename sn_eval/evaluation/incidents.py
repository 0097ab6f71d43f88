"""What went wrong in a video, and when? Drops of several measures within a few frames are one incident."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sn_eval.evaluation.drops import Drop, drops
from sn_eval.results.evaluation import Measure, VideoResult

NEAR = 3  # frames between drops of one incident, at most
WINDOW = 8  # frames of "just before"; in a longer one the wandering of real curves passes for noise and hides steps
LEAST = 0.005  # of a measure's range: less is no drop worth a look


@dataclass(frozen=True)
class Fall:
    """A drop of one measure."""

    measure: Measure
    drop: Drop

    @property
    def words(self) -> str:
        """Which measure went which way, and how far."""
        way, drop = "fell" if self.drop.change < 0 else "rose", self.drop
        return f"{self.measure.key} {way} by {abs(drop.change):.3g}, from {drop.level:.3g} to {drop.value:.3g}"


@dataclass(frozen=True)
class Incident:
    """Drops that belong together, the clearest first."""

    falls: tuple[Fall, ...]

    @property
    def before(self) -> int:
        """The last frame that was as usual, for the clearest drop."""
        return self.falls[0].drop.before

    @property
    def at(self) -> int:
        """The frame where the clearest drop ends."""
        return self.falls[0].drop.at

    def crosses(self, frames_per_chunk: int) -> bool:
        """Whether a chunk begins between the two frames."""
        return self.before // frames_per_chunk < self.at // frames_per_chunk


def falls(video: VideoResult, measures: Sequence[Measure]) -> list[Fall]:
    """The worst drops of each measure's curve, the clearest first."""
    found = []
    for measure in measures:
        curve = video.curves.get(measure.key, ())
        window = min(WINDOW, max(4, len(curve) // 4))
        span = measure.high - measure.low
        least = LEAST * span if math.isfinite(span) else 0.0
        worst = drops(curve, higher_is_better=measure.higher_is_better, window=window, least=least)
        found += [Fall(measure, drop) for drop in worst]
    return sorted(found, key=lambda fall: -fall.drop.clear)


def incidents(found: Sequence[Fall], most: int = 6) -> list[Incident]:
    """Falls, the clearest first, put together: the `most` clearest incidents, in the order of time."""
    groups: list[list[Fall]] = []
    for fall in found:
        near = [group for group in groups if abs(group[0].drop.at - fall.drop.at) <= NEAR]
        if near:
            near[0].append(fall)
        else:
            groups.append([fall])
    return sorted((Incident(tuple(group)) for group in groups[:most]), key=lambda incident: incident.at)
