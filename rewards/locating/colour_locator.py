"""Find again, by colour alone, the things that an anchor picture shows: a colour chart, a mask, its largest
regions.

Idea: a thing is coloured and its colour is rare in the anchor; wall and table are common or grey. Colours are
compared as `functional.tone`, which exposure, shading and shadow leave unchanged, so a ball has one colour,
lit side or dark.
Source: REWARDS.md, locator `colour` (Lab clustering against the anchor); the clustering is peak picking in a
histogram.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Metadata
from rewards.functional import fit_within, grow, linear_to_lab, srgb_to_linear, tone
from rewards.locating.regions import Located, Regions

GRID = 64  # frames are measured on a grid with this longer side
PATCH = 12  # a thing's look is a patch of PATCH × PATCH, at its own place and size
SAME, OTHER = 0.88, 0.72  # look similarity from which a thing is itself, and below which it is another
REACH = 88.0  # the chart spans −REACH..REACH in both tone axes: every sRGB colour lies inside
BIN = 4.0
BINS = int(2 * REACH / BIN)
RADIUS = 11.0  # tones this near to a thing's own belong to it; red and red wine are 13 apart
RADIAL = (
    2.5  # a tone's strength varies this much more than its hue: clipping, gloss and the dark side change it
)
MIN_CHROMA = 22.0  # greyer than this is background
MAX_SHARE = 0.12  # a colour that fills more of the anchor is background
MIN_SHARE = 0.004  # a colour that fills less is noise


class ColourLocator:
    """Up to `things` coloured things of the anchor, by their colours."""

    families: tuple[str, ...] = ("colour-mask",)
    encoder = None

    def __init__(self, things: int) -> None:
        self.things = things

    def __call__(self, video: Float[Tensor, "b t 3 h w"], prompts: list[str], metadata: Metadata) -> Located:
        """Chart the anchor's rare colours, then read the chart in every frame."""
        lab = lab_of(fit_within(video, GRID))
        chart = colour_chart(lab[:, 0], self.things)
        found = Regions.of(_membership(chart, tone(lab)))
        return Located(found, _look(found, lab), found.compact[:, 0], SAME, OTHER)


@dataclass(frozen=True)
class ColourChart:
    """Which tones belong to which of k things: `weights` 0..1 over the tone plane (b*, a*), `valid` which
    exist.
    """

    weights: Float[Tensor, "b k bins bins"]
    valid: Bool[Tensor, "b k"]


def lab_of(frames: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    """sRGB frames 0..1 as L*a*b*, averaged over 3 × 3 pixels: noise has no place, a thing has one."""
    lab = linear_to_lab(srgb_to_linear(frames))
    smooth = F.avg_pool2d(lab.flatten(0, -4), 3, 1, 1, count_include_pad=False)
    return smooth.view(lab.shape)


def colour_chart(lab: Float[Tensor, "b 3 h w"], things: int = 3) -> ColourChart:
    """The chart of up to `things` rare, saturated colours of one anchor picture (as L*a*b*)."""
    density = _histogram(tone(lab))
    near, around = (
        _window_sum(density, bins) for bins in (3, 5)
    )  # red and red wine are not in one window of 3
    axis = torch.linspace(-REACH + BIN / 2, REACH - BIN / 2, BINS, device=lab.device)
    place = torch.stack(torch.meshgrid(axis, axis, indexing="ij"))
    common = grow(around > MAX_SHARE, 1)
    rare = ~common & (place.norm(dim=0) > MIN_CHROMA)
    left, distances, valid = near * rare, [], []
    for _ in range(things):
        best = left.flatten(1).max(dim=1)
        centre = place.flatten(1)[:, best.indices].T
        distance = _distance(place, centre)
        left = left * (distance > RADIUS)
        distances.append(distance)
        valid.append(best.values > MIN_SHARE)
    distance, exists = torch.stack(distances, 1), torch.stack(valid, 1)
    distance = distance.masked_fill(~exists[:, :, None, None], torch.inf)
    nearest = distance == distance.amin(1, keepdim=True)
    soft = ((RADIUS - distance) / BIN + 0.5).clamp(0, 1)
    return ColourChart(soft * nearest * rare.unsqueeze(1), exists)


def _window_sum(density: Float[Tensor, "b bins bins"], width: int) -> Float[Tensor, "b bins bins"]:
    """The share of the picture in the square of `width` bins around each."""
    return F.avg_pool2d(density, width, 1, width // 2, divisor_override=1)


def _distance(
    place: Float[Tensor, "2 bins bins"], centre: Float[Tensor, "b 2"]
) -> Float[Tensor, "b bins bins"]:
    """From each tone to a thing's own: across hues as it is, along the hue divided by RADIAL."""
    along = F.normalize(centre, dim=1)
    across = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    gap = place[None] - centre[:, :, None, None]
    far = torch.einsum("bc,bcij->bij", along, gap) / RADIAL
    return torch.hypot(far, torch.einsum("bc,bcij->bij", across, gap))


def _histogram(tones: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b bins bins"]:
    """Share of the picture in each bin of the tone plane, rows a*, columns b*."""
    index = ((tones.flatten(2) + REACH) / BIN).long().clamp(0, BINS - 1)
    flat = index[:, 0] * BINS + index[:, 1]
    counts = torch.zeros(len(flat), BINS * BINS, device=tones.device)
    counts.scatter_add_(1, flat, torch.ones_like(flat, dtype=counts.dtype))
    return (counts / flat.shape[1]).view(-1, BINS, BINS)


def _membership(chart: ColourChart, tones: Float[Tensor, "b t 2 h w"]) -> Float[Tensor, "b t k h w"]:
    """Read the chart at each pixel's tone, between bins by linear interpolation."""
    b, t, _, h, w = tones.shape
    place = (tones / REACH).movedim(2, -1).flip(-1).reshape(b, t * h, w, 2)  # grid_sample wants (column, row)
    read = F.grid_sample(chart.weights, place, mode="bilinear", padding_mode="zeros", align_corners=False)
    return read.view(b, -1, t, h, w).transpose(1, 2).contiguous()


def _look(found: Regions, lab: Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t k d"]:
    """Silhouette and lightness of each thing's largest region, on a patch that moves and scales with it."""
    body = found.largest
    b, t, k, h, w = body.shape
    mass = body.sum((-2, -1)).clamp(min=1e-6)
    rows, columns = torch.arange(h, device=body.device), torch.arange(w, device=body.device)
    y, x = (body.sum(-1) * rows).sum(-1) / mass, (body.sum(-2) * columns).sum(-1) / mass
    mean = (body * lab[:, :, :1]).sum((-2, -1)) / mass
    light = body * (lab[:, :, :1] - mean[..., None, None]) / 40
    step = torch.linspace(-1, 1, PATCH, device=body.device)
    reach = mass.sqrt().view(-1, 1)
    grid_x = (x.view(-1, 1) + reach * step + 0.5) / w * 2 - 1
    grid_y = (y.view(-1, 1) + reach * step + 0.5) / h * 2 - 1
    grid = torch.stack(
        [grid_x[:, None, :].expand(-1, PATCH, -1), grid_y[:, :, None].expand(-1, -1, PATCH)], dim=-1
    )
    picture = torch.stack([body, light], dim=3).view(-1, 2, h, w)
    return F.grid_sample(picture, grid, align_corners=False).view(b, t, k, -1)
