"""What goes wrong with videos, at known severities, and what may change without harm.

Severities are physical and fixed by the design (METRICS.md: mild · mid · strong), never fitted to a reward. A window's
first frame is its anchor and always stays as it is. Signs, hues and sides are drawn from the window's own name, so
every run makes the same clips.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.special import ive
from torch import Tensor

from rewards.functional import srgb_to_linear
from sn_eval.audit.windows import Edit, EventEdit, Window, seam

Video = Float[Tensor, "t 3 h w"]
STEPS = 5  # severities from mild to strong


@dataclass(frozen=True)
class Corruption:
    """A fault: `apply(window, severity, rng)` gives the window's video (anchor first) with it, None where it can't be.

    mild, mid, strong: in `unit`.
    """

    name: str
    about: str
    unit: str
    mild: float
    mid: float
    strong: float
    apply: Callable[[Window, float, random.Random], Video | None]

    @property
    def severities(self) -> tuple[float, ...]:
        """Mild, mid and strong with one step (the geometric mean) between each."""
        low, high = math.sqrt(self.mild * self.mid), math.sqrt(self.mid * self.strong)
        return self.mild, low, self.mid, high, self.strong

    def on(self, window: Window, severity: float) -> Video | None:
        """The corrupted video behind the window's own anchor; the same for the same window and severity."""
        video = self.apply(window, severity, random.Random(f"{self.name}:{window.name}"))
        return None if video is None else torch.cat([window.video[:1], video[1:]]).clamp(0, 1)


@dataclass(frozen=True)
class Nuisance:
    """A harmless change: `pair(window, rng)` gives a video before and after it, None where it can't be.

    metadata: what a reward is told of the change ("exit_allowed").
    """

    name: str
    about: str
    pair: Callable[[Window, random.Random], tuple[Video, Video] | None]
    metadata: Mapping[str, Any] | None = None

    def on(self, window: Window) -> tuple[Video, Video] | None:
        """Before and after; the same for the same window."""
        return self.pair(window, random.Random(f"{self.name}:{window.name}"))


CORRUPTIONS: dict[str, Corruption] = {}
NUISANCES: dict[str, Nuisance] = {}


def corruption(unit: str, mild: float, mid: float, strong: float) -> Callable[[Callable], Callable]:
    """Enter a function as the corruption of its name."""

    def enter(function: Callable) -> Callable:
        name, about = function.__name__, (function.__doc__ or "").strip()
        CORRUPTIONS[name] = Corruption(name, about, unit, mild, mid, strong, function)
        return function

    return enter


def nuisance(**metadata: Any) -> Callable[[Callable], Callable]:
    """Enter a function as the nuisance of its name."""

    def enter(function: Callable) -> Callable:
        name, about = function.__name__, (function.__doc__ or "").strip()
        NUISANCES[name] = Nuisance(name, about, function, metadata or None)
        return function

    return enter


# --- light ------------------------------------------------------------------------------------------------

Gains = Float[Tensor, "t 3"]


def lit(video: Video, gain: Float[Tensor, "t 3"] | Float[Tensor, "t 3 h w"]) -> Video:
    """The video under other light: gains on linear light, clipped at white."""
    linear = srgb_to_linear(video) * (gain if gain.ndim == 4 else gain[:, :, None, None])
    linear = linear.clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-8) ** (1 / 2.4) - 0.055)


def _ramp(video: Video) -> Float[Tensor, "t"]:
    """0 at the anchor, 1 at the last frame."""
    return torch.linspace(0, 1, len(video))


def _step(video: Video) -> Float[Tensor, "t"]:
    """0 in the first half, 1 behind it."""
    return (torch.arange(len(video)) >= seam(len(video))).float()


def _sign(rng: random.Random) -> float:
    return rng.choice((-1.0, 1.0))


def _grey(gain: Float[Tensor, "t"]) -> Float[Tensor, "t 3"]:
    return gain[:, None].expand(-1, 3)


def cast(delta_e: float, hue: float) -> Float[Tensor, "3"]:
    """Gains on linear light that move a mid grey (L* 50) by `delta_e` (CIE76) towards `hue` (radians), L* kept."""
    fx, fy, fz = (66 / 116 + delta_e * x for x in (math.cos(hue) / 500, 0.0, -math.sin(hue) / 200))
    x, y, z = (0.95047 * fx**3, fy**3, 1.08883 * fz**3)
    to_rgb = torch.tensor([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    rgb = to_rgb @ torch.tensor([x, y, z])
    return rgb / rgb.new_tensor(66 / 116) ** 3


@corruption("EV", 0.25, 0.75, 1.5)
def gain_ramp(window: Window, severity: float, rng: random.Random) -> Video:
    """The light slowly grows or fades."""
    return lit(window.video, _grey(2 ** (_sign(rng) * severity * _ramp(window.video))))


@corruption("EV", 0.25, 0.75, 1.5)
def exposure_jump(window: Window, severity: float, rng: random.Random) -> Video:
    """From the middle on there is more light, or less."""
    return lit(window.video, _grey(2 ** (_sign(rng) * severity * _step(window.video))))


@corruption("ΔE", 4, 10, 20)
def colour_cast(window: Window, severity: float, rng: random.Random) -> Video:
    """From the middle on the light has another colour."""
    gain = cast(severity, rng.uniform(0, 2 * math.pi))
    return lit(window.video, 1 + _step(window.video)[:, None] * (gain - 1))


@corruption("ΔE", 4, 10, 20)
def colour_drift(window: Window, severity: float, rng: random.Random) -> Video:
    """The light slowly takes on another colour."""
    gain = cast(severity, rng.uniform(0, 2 * math.pi))
    return lit(window.video, 1 + _ramp(window.video)[:, None] * (gain - 1))


@corruption("% luma", 2, 6, 15)
def flicker(window: Window, severity: float, rng: random.Random) -> Video:
    """Every frame is a little brighter or darker than the one before."""
    sign = _sign(rng)
    signs = torch.tensor([0.0] + [sign * (-1.0) ** t for t in range(len(window.video) - 1)])
    return (window.video * (1 + severity / 100 * signs).view(-1, 1, 1, 1)).clamp(0, 1)


@corruption("EV", 0.25, 0.75, 1.5)
def shadow_jump(window: Window, severity: float, rng: random.Random) -> Video:
    """From the middle on a soft shadow lies over one side."""
    video = window.video
    h, w = video.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    angle = rng.uniform(0, 2 * math.pi)
    shadow = torch.sigmoid((x * math.cos(angle) + y * math.sin(angle)) / 0.25)
    stops = -severity * _step(video).view(-1, 1, 1, 1) * shadow
    return lit(video, (2**stops).expand(-1, 3, -1, -1))


# --- sharpness, motion, seams -----------------------------------------------------------------------------


@corruption("% of height", 0.5, 1.5, 4)
def blur(window: Window, severity: float, rng: random.Random) -> Video:
    """Frames slowly lose their sharpness (σ at the last frame)."""
    video = window.video
    sigmas = severity / 100 * video.shape[-2] * _ramp(video)
    return torch.stack([gaussian_blur(frame, float(sigma)) for frame, sigma in zip(video, sigmas, strict=True)])


def gaussian_blur(frame: Float[Tensor, "3 h w"], sigma: float) -> Float[Tensor, "3 h w"]:
    """A Gaussian of standard deviation `sigma` pixels, however small, borders repeated.

    The kernel is the discrete Gaussian exp(−σ²)·I_n(σ²), whose variance is σ² exactly.
    Source: Lindeberg, "Scale-space for discrete signals" (1990).
    """
    if sigma < 1e-3:
        return frame
    reach = math.ceil(3 * sigma) + 1
    kernel = torch.from_numpy(ive(range(-reach, reach + 1), sigma**2)).to(frame)  # a Gaussian's samples are too narrow
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(frame[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))[:, 0]


@corruption("% of frames", 25, 50, 100)
def freeze(window: Window, severity: float, rng: random.Random) -> Video | None:
    """The last frames stand still."""
    if _still(window):
        return None
    video = window.video
    moving = len(video) - 1 - round(severity / 100 * (len(video) - 1))
    return video[torch.arange(len(video)).clamp(max=moving)]


@corruption("% of speed lost", 25, 50, 100)
def slow_motion(window: Window, severity: float, rng: random.Random) -> Video | None:
    """Everything goes slower; frames in between are blended."""
    if _still(window):
        return None
    video = window.video
    times = torch.arange(len(video)) * (1 - severity / 100)
    first = times.floor().long()
    share = (times - first).view(-1, 1, 1, 1)
    return video[first] * (1 - share) + video[(first + 1).clamp(max=len(video) - 1)] * share


@corruption("% of frames", 10, 30, 60)
def stutter(window: Window, severity: float, rng: random.Random) -> Video | None:
    """Some frames are lost, and the one before is shown once more in their place."""
    if _still(window):
        return None
    video = window.video
    behind = list(range(1, len(video)))
    rng.shuffle(behind)  # the mild fault's frames are lost in the strong one, too
    lost = set(behind[: round(severity / 100 * len(behind))])
    shown = [0]
    for frame in range(1, len(video)):
        shown.append(shown[-1] if frame in lost else frame)
    return video[shown]


@corruption("% of width", 0.25, 0.75, 2)
def jitter(window: Window, severity: float, rng: random.Random) -> Video:
    """The picture shakes: every frame is shifted by so much, each in a direction of its own."""
    video = window.video
    reach = severity / 100 * video.shape[-1]
    angles = [rng.uniform(0, 2 * math.pi) for _ in video]
    ways = [(reach * math.cos(angle), reach * math.sin(angle)) for angle in angles]
    return torch.stack([moved(frame, *way) for frame, way in zip(video, ways, strict=True)])


def moved(frame: Float[Tensor, "3 h w"], dx: float, dy: float) -> Float[Tensor, "3 h w"]:
    """A frame moved by so many pixels to the right and down, borders repeated; cubic between pixels.

    Source: Keys, "Cubic convolution interpolation for digital image processing" (1981), a = −1/2, which shifts a slope
    by exactly that much.
    """
    reach = math.ceil(max(abs(dx), abs(dy))) + 2
    places = torch.arange(-reach, reach + 1).to(frame)
    padded = F.pad(frame[:, None], (reach,) * 4, mode="replicate")
    rows, columns = _cubic(places + dx).view(1, 1, 1, -1), _cubic(places + dy).view(1, 1, -1, 1)
    return F.conv2d(F.conv2d(padded, rows), columns)[:, 0]


def _cubic(x: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Keys' kernel."""
    far = x.abs()
    near, next_ = 1.5 * far**3 - 2.5 * far**2 + 1, -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    return torch.where(far < 1, near, torch.where(far < 2, next_, torch.zeros_like(far)))


def _still(window: Window) -> bool:
    """Whether nothing moves in the window, so that nothing is lost where it stops."""
    return window.metadata["minimum_motion"] == 0


@corruption("% of range", 2, 6, 15)
def boundary_jump(window: Window, severity: float, rng: random.Random) -> Video:
    """From the middle on all pixels are higher or lower, as at a seam of two pieces."""
    step = _sign(rng) * severity / 100 * _step(window.video)
    return (window.video + step.view(-1, 1, 1, 1)).clamp(0, 1)


# --- the subject ------------------------------------------------------------------------------------------


def _last(window: Window, share: float, instead: Video) -> Video:
    """The window's video whose last `share` of frames come from `instead`."""
    clean = window.video
    count = round(share * (len(clean) - 1))
    return torch.cat([clean[: len(clean) - count], instead[len(clean) - count :]])


@corruption("% of frames", 10, 30, 60)
def vanish(window: Window, severity: float, rng: random.Random) -> Video | None:
    """The subject is gone from the last frames."""
    return None if window.events else _last(window, severity / 100, window.stage.play(Edit("absent")))


@corruption("% of frames", 10, 30, 60)
def swap(window: Window, severity: float, rng: random.Random) -> Video | None:
    """In the last frames another thing is in the subject's place."""
    return None if window.events else _last(window, severity / 100, window.stage.play(Edit("other")))


@corruption("% of the way", 30, 60, 100)
def morph(window: Window, severity: float, rng: random.Random) -> Video | None:
    """The subject slowly turns into another thing."""
    if window.events:
        return None
    share = severity / 100 * _ramp(window.video).view(-1, 1, 1, 1)
    return (1 - share) * window.video + share * window.stage.play(Edit("other"))


@corruption("% of frames", 10, 30, 60)
def duplicate(window: Window, severity: float, rng: random.Random) -> Video | None:
    """In the last frames there are two of the subject."""
    return None if window.events else _last(window, severity / 100, window.stage.play(Edit(twin=True)))


@corruption("% of width", 5, 15, 30)
def shift(window: Window, severity: float, rng: random.Random) -> Video | None:
    """From the middle on the subject is elsewhere than it should be (away from the nearer side)."""
    if window.events:
        return None
    return window.stage.play(Edit(dx=_inward(window) * severity / 100 * _step(window.video)))


def _inward(window: Window) -> float:
    """The sign of the direction in which the subject has more room, over its whole path."""
    path, w = window.stage.path[:, 0], window.stage.background.shape[-1]
    return 1.0 if float(path.min()) < w - float(path.max()) else -1.0


# --- events -----------------------------------------------------------------------------------------------


@corruption("% of it missing", 30, 60, 100)
def event_removed(window: Window, severity: float, rng: random.Random) -> Video | None:
    """Less of it happens: less wine is spilt, at last none."""
    if window.events is None or _calm(window):
        return None
    return window.events(EventEdit(spilt=1 - severity / 100))


@corruption("% of it", 30, 60, 100)
def event_added(window: Window, severity: float, rng: random.Random) -> Video | None:
    """Something happens that should not: the more wine is spilt, the worse."""
    if window.events is None or not _calm(window):
        return None
    return window.events(EventEdit(spilt=severity / 100))


@corruption("% of length", 10, 30, 60)
def late(window: Window, severity: float, rng: random.Random) -> Video | None:
    """The event comes later."""
    if window.events is None or _calm(window):
        return None
    return window.events(EventEdit(late=severity / 100 * (len(window.video) - 1)))


@corruption("% of length", 100, 100, 100)
def swapped_order(window: Window, severity: float, rng: random.Random) -> Video | None:
    """Time runs backward: what came first comes last."""
    return None if window.events is None or _calm(window) else window.video.flip(0)


def _calm(window: Window) -> bool:
    """Whether nothing happens in the window."""
    return "tips" not in window.prompt


# --- harmless changes -------------------------------------------------------------------------------------


def _kept_anchor(clean: Video, changed: Video) -> tuple[Video, Video]:
    return clean, torch.cat([clean[:1], changed[1:]])


@nuisance()
def exposure(window: Window, rng: random.Random) -> tuple[Video, Video]:
    """A quarter of a stop more or less light than in the anchor."""
    video = window.video
    return _kept_anchor(video, lit(video, torch.full((len(video), 3), 2 ** (0.25 * _sign(rng)))))


@nuisance()
def translation(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """The subject moves by 15 % of the width."""
    if window.events:
        return None
    dx = _inward(window) * 0.15 * _ramp(window.video)
    return window.video, window.stage.play(Edit(dx=dx))


@nuisance()
def scale(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """The subject grows to 1.25 of its size, or shrinks to 0.8."""
    if window.events:
        return None
    to = rng.choice((0.8, 1.25))
    return window.video, window.stage.play(Edit(scale=1 + (to - 1) * _ramp(window.video)))


@nuisance(exit_allowed=True)
def asked_exit(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """The subject leaves through the border, as the prompt asks."""
    if window.events:
        return None
    way = _inward(window)
    dx = way * torch.linspace(0, 1.3, len(window.video))
    return window.stage.play(Edit(still=True)), window.stage.play(Edit(still=True, dx=dx))


@nuisance()
def coloured_entry(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """A large coloured thing comes in."""
    return None if window.events else (window.video, window.stage.play(Edit(visitor="enters")))


@nuisance()
def others_move(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """Another thing, there from the start, moves out."""
    if window.events:
        return None
    there, gone = (window.stage.play(Edit(visitor=visitor)) for visitor in ("stands", "leaves"))
    return there, gone


@nuisance()
def object_motion(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """The subject moves by 15 % of the width, against standing still."""
    if window.events:
        return None
    dx = _inward(window) * 0.15 * _ramp(window.video)
    return window.stage.play(Edit(still=True)), window.stage.play(Edit(still=True, dx=dx))


@nuisance()
def natural_motion(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """The subject goes its own way, against standing still; where it goes nowhere there is nothing to try."""
    goes = float((window.stage.path - window.stage.path[:1]).norm(dim=-1).max())
    if window.events or goes < 0.03 * window.stage.background.shape[-1]:
        return None
    return window.stage.play(Edit(still=True)), window.video


@nuisance()
def camera_pan(window: Window, rng: random.Random) -> tuple[Video, Video]:
    """The camera pans by 10 % of the width, against a camera at rest."""
    video = window.video
    h, w = video.shape[-2:]
    height, width, room = round(0.85 * h), round(0.85 * w), 0.1 * w
    top, way = (h - height) // 2, rng.choice((0, 1))
    offsets = [room * (part if way else 1 - part) for part in _ramp(video).tolist()]
    cut = lambda frame, left: frame[:, top : top + height, round(left) : round(left) + width]  # noqa: E731
    panned = torch.stack([cut(frame, left) for frame, left in zip(video, offsets, strict=True)])
    still = torch.stack([cut(frame, offsets[0]) for frame in video])
    return still, panned


@nuisance()
def style(window: Window, rng: random.Random) -> tuple[Video, Video]:
    """A little more or less contrast and saturation, anchor included."""
    video = window.video
    contrast, saturation = 1 + 0.1 * _sign(rng), 1 + 0.15 * _sign(rng)
    grey = video.mean(1, keepdim=True)
    return video, ((grey + saturation * (video - grey) - 0.5) * contrast + 0.5).clamp(0, 1)


@nuisance()
def crop(window: Window, rng: random.Random) -> tuple[Video, Video]:
    """A tenth of height and width cut off, anchor included, and resized to what it was."""
    video = window.video
    h, w = video.shape[-2:]
    top, left = round(rng.uniform(0, 0.1) * h), round(rng.uniform(0, 0.1) * w)
    part = video[..., top : top + round(0.9 * h), left : left + round(0.9 * w)]
    return video, F.interpolate(part, (h, w), mode="bicubic", align_corners=False).clamp(0, 1)


@nuisance()
def other_objects(window: Window, rng: random.Random) -> tuple[Video, Video] | None:
    """Another thing stands there, anchor included."""
    if window.events is None:
        return window.video, window.stage.play(Edit(visitor="stands"))
    return window.video, window.events(EventEdit(visitor=True))


@nuisance()
def frozen_flicker(window: Window, rng: random.Random) -> tuple[Video, Video]:
    """A frozen clip flickers by 6 % of its brightness, against a frozen clip."""
    frozen = window.video[:1].expand(len(window.video), -1, -1, -1)
    signs = torch.tensor([0.0] + [(-1.0) ** t for t in range(len(frozen) - 1)])
    return frozen, (frozen * (1 + 0.06 * signs).view(-1, 1, 1, 1)).clamp(0, 1)
