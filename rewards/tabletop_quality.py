"""A ready-made composite for table scenes: things stay, light stays, nothing spills that was not asked to.

Source: the selection reward that the search was first measured with (EMBEDDED.md, "Search signal"), in our
own parts.
"""

from rewards.composite import Composite
from rewards.registry import component


@component("tabletop_quality")
def tabletop_quality(
    persistence: float = 1.0, lighting: float = 0.5, no_spill: float = 0.5, minimum_motion: float = 0.0
) -> Composite:
    """Weighted mean of object_persistence, lighting_consistency and event_absence; pixels only, no network;
    0..1.

    persistence, lighting, no_spill: weights, 0 leaves the part out. minimum_motion: above 0 adds
    `motion_floor` with this minimum. Too little comparable light counts as the worst light; what the anchor
    does not show is skipped.
    """
    parts = [
        {"use": "object_persistence", "weight": persistence},
        {
            "use": "lighting_consistency",
            "weight": lighting,
            "missing": "worst",
            "params": {"align": "none"},  # the camera stands still
        },
        {"use": "event_absence", "weight": no_spill},
        {
            "use": "motion_floor",
            "weight": 0.5 if minimum_motion > 0 else 0.0,
            "params": {"minimum": minimum_motion},
        },
    ]
    return Composite([part for part in parts if part["weight"] != 0], name="tabletop_quality")
