"""A locator by its name, and what a reward that stands on one declares."""

from typing import Literal

from rewards.base import RewardSpec, UserError
from rewards.locating.colour_locator import ColourLocator
from rewards.locating.detector_locator import DetectorLocator, detector_locator
from rewards.locating.feature_locator import FeatureLocator
from rewards.locating.regions import Locator

LocatorName = Literal["colour", "feature", "owl", "grounding_dino"]


def locator_named(
    name: LocatorName,
    things: int,
    encoder: str,
    weights: str | None = None,
    segmenter: str | None = None,
    objects: list[str] | None = None,
) -> Locator:
    """The locator of that name; UserError for a detector without weights, and for a detector's options elsewhere."""
    if name in ("owl", "grounding_dino"):
        return detector_locator(name, weights, segmenter, encoder, objects)
    for option, given in {"weights": weights, "segmenter": segmenter, "objects": objects}.items():
        if given is not None:
            raise UserError(f"locator {name!r} has no {option}: leave it out, or use locator 'owl' or 'grounding_dino'")
    return ColourLocator(things) if name == "colour" else FeatureLocator(encoder)


def located_spec(name: str, locator: Locator, falls: tuple[str, ...], holds: tuple[str, ...]) -> RewardSpec:
    """What a reward that stands on a locator declares."""
    encoder = locator.encoder
    return RewardSpec(
        name=name,
        families=locator.families,
        needs=("anchor",),
        encoder=encoder.name if encoder else None,
        encoder_sha256=encoder.sha256 if encoder else None,
        cost="large network" if isinstance(locator, DetectorLocator) else "small network" if encoder else "pixels",
        falls_under=falls,
        holds_under=holds,
    )
