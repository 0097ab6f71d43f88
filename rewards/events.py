"""Events in videos: what one is, who sees it, and when it is on; for event_presence, _absence, _time and _order.

A detector gives p_t, how surely (or how far) an event has happened in frame t. Three kinds exist: "text" compares
frames with texts, "colour" sees spilled wine in the pixels, and "file.py:NAME" is one of your own, say a model that is
asked questions. Source: REWARDS.md, events.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import Encoder
from rewards.registry import Registry, did_you_mean

SMOOTH = 3  # frames: shorter flashes are noise


@dataclass(frozen=True)
class Event:
    """An event in words. Text models read "no" badly, so its absence is described by what is there instead.

    name: for reports. texts: what is seen once it happened. against: what is seen when it has not, in positive words.
    asked: finds it in a prompt that wants it (a regular expression), or None.
    """

    name: str
    texts: tuple[str, ...]
    against: tuple[str, ...]
    asked: str | None = None


_STANDS = (
    "an upright glass of red wine",
    "a glass of red wine stands upright",
    "a full wine glass standing on the table",
    "a clean and dry table",
)
_SPILLED = (
    "a tipped over glass and spilled red wine",
    "a glass lies on its side and the wine has spilled",
    "a puddle of red wine on the table",
)
_DIM, _BRIGHT = ("the light is dim", "a dimly lit scene"), ("the light is bright", "a brightly lit scene")
BUILT_IN = {
    "spill": Event("spill", _SPILLED, _STANDS, r"\b(spill|tips?\b|tipping|knock|pour|topple|falls? over)"),
    "stand": Event("stand", _STANDS, _SPILLED),
    "dim": Event("dim", _DIM, _BRIGHT, r"\b(dims?|darkens?|lights? (goes|go) out)\b"),
    "bright": Event("bright", _BRIGHT, _DIM),
}


def make_event(event: str | Sequence[str], against: Sequence[str] | None = None) -> Event:
    """A built-in event by name, or one in your own texts with what is seen instead.

    >>> make_event(["a broken cup"], ["a whole cup"]).name
    'a broken cup'
    """
    if isinstance(event, str) and event in BUILT_IN:
        known = BUILT_IN[event]
        return known if against is None else Event(known.name, known.texts, _texts("against", against), known.asked)
    if isinstance(event, str):
        raise UserError(
            f"unknown event {event!r}.{did_you_mean(event, list(BUILT_IN))} Known: {', '.join(BUILT_IN)}; "
            "or give a list of texts as event, and what is seen instead as against"
        )
    if against is None:
        raise UserError(f"event {list(event)!r} needs `against`: texts of what is seen when it has not happened")
    texts = _texts("event", event)
    return Event(texts[0], texts, _texts("against", against))


def make_events(events: Sequence[str | Mapping[str, Any]]) -> list[Event]:
    """Several of them: names, or mappings with `event` and `against`."""
    made = []
    for each in events:
        if isinstance(each, Mapping) and not {"event"} <= set(each) <= {"event", "against"}:
            raise UserError(f"an event is a name, or a mapping with event and against; given {dict(each)!r}")
        made.append(make_event(**each) if isinstance(each, Mapping) else make_event(each))
    return made


def _texts(what: str, texts: Sequence[str]) -> tuple[str, ...]:
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise UserError(f"{what} must be a list of texts, none of them empty; given {texts!r}")
    return tuple(texts)


# --- detectors --------------------------------------------------------------------------------------------


class Detector(ABC):
    """Sees events in frames. Yours subclasses this, is marked `@component("name")`, and is named "file.py:NAME"."""

    family: str
    encoder: Encoder | None = None

    @abstractmethod
    def __call__(
        self, frames: Float[Tensor, "b t c h w"], first: Float[Tensor, "b 1 c h w"], events: Sequence[Event]
    ) -> Float[Tensor, "b e t"]:
        """p of each event in each frame, 0..1; NaN for videos in which it cannot happen. first: the anchor's frame."""

    def baseline(self, events: Sequence[Event]) -> Float[Tensor, "e"]:
        """p of each event for a picture that says nothing, 0..½; 0 unless a detector knows better."""
        return torch.zeros(len(events))


DETECTORS = ("text", "colour")
_own = Registry(
    "event detector",
    "rewards",
    "sn_eval.detectors",
    makes=Detector,
    hint='@component("name") from rewards.registry, above a subclass of rewards.events.Detector',
)


def make_detector(detector: str, encoder: str) -> Detector:
    """A detector by name, or a user's own by its place; `encoder` is for "text"."""
    if detector == "text":
        from rewards.text_detector import TextDetector  # it is made of what stands in this file

        return TextDetector(encoder)
    if detector == "colour":
        from rewards.colour_detector import ColourDetector

        return ColourDetector()
    if ":" not in detector:
        raise UserError(
            f"unknown detector {detector!r}.{did_you_mean(detector, list(DETECTORS))} "
            f"Known: {', '.join(DETECTORS)}, or one of your own as file.py:NAME"
        )
    made: Detector = _own.create(detector)
    return made


def identity(detector: Detector) -> dict[str, Any]:
    """What a RewardSpec says of a detector: its family, and its encoder with its digest."""
    encoder = detector.encoder
    return {
        "families": (detector.family,),
        "encoder": encoder and encoder.name,
        "encoder_sha256": encoder and encoder.sha256,
        "cost": "small network" if encoder else "pixels",
    }


# --- when it is on ----------------------------------------------------------------------------------------


def smoothed(p: Float[Tensor, "*n t"], width: int = SMOOTH) -> Float[Tensor, "*n t"]:
    """Mean over `width` frames around each; ends are repeated.

    >>> smoothed(torch.tensor([0.0, 0.0, 3.0, 0.0])).tolist()
    [0.0, 1.0, 1.0, 1.0]
    """
    width = min(width, p.shape[-1])
    flat = p.reshape(-1, p.shape[-1])
    padded = F.pad(flat, (width - 1 - (width - 1) // 2, (width - 1) // 2), mode="replicate")
    return padded.unfold(-1, width, 1).mean(-1).view(p.shape)


def hysteresis(p: Float[Tensor, "*n t"], high: float = 0.6, low: float = 0.4) -> Bool[Tensor, "*n t"]:
    """On from where p reaches `high` until it falls below `low`.

    >>> hysteresis(torch.tensor([0.5, 0.7, 0.5, 0.3, 0.5])).tolist()
    [False, True, True, False, False]
    """
    on, frames = torch.zeros_like(p[..., 0], dtype=torch.bool), []
    for now in p.unbind(-1):
        on = (now >= high) | (on & (now >= low))
        frames.append(on)
    return torch.stack(frames, -1)


def asked_for(event: Event, prompts: Sequence[str]) -> list[bool]:
    """Which prompts want the event.

    >>> asked_for(BUILT_IN["spill"], ["the wine spills", "a ball rolls"])
    [True, False]
    """
    return [event.asked is not None and re.search(event.asked, text, re.IGNORECASE) is not None for text in prompts]


def check_levels(name: str, smooth: int, high: float, low: float) -> None:
    """UserError unless 0 < low <= high < 1 and smoothing takes at least a frame."""
    if smooth < 1:
        raise UserError(f"{name}: smooth is the number of frames to average over, 1 or more; given {smooth}")
    if not 0 < low <= high < 1:
        raise UserError(f"{name}: high and low must keep 0 < low <= high < 1; given high {high}, low {low}")
