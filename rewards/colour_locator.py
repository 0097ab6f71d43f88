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
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from rewards.functional import component_areas, component_labels, grow, linear_to_lab, srgb_to_linear, tone

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
LEAST_AREA = 0.008  # share of the frame that a thing must cover in one piece
LEAST_BODY = 0.25  # share of a thing's area that is not its rim: the blended edge of another thing is all rim
REGIONS = 4  # regions of one thing that are looked at: a copy, and room for pieces


@dataclass(frozen=True)
class ColourChart:
    """Which tones belong to which of k things: `weights` 0..1 over the tone plane (b*, a*), `valid` which
    exist.
    """

    weights: Float[Tensor, "b k bins bins"]
    valid: Bool[Tensor, "b k"]


@dataclass(frozen=True)
class Regions:
    """The regions of each thing in each frame.

    membership: how much a pixel has the thing's colour, 0..1. labels: region of each pixel, 0 for none.
    areas: share of the frame, largest region first. order: their labels.
    """

    membership: Float[Tensor, "b t k h w"]
    labels: Int64[Tensor, "b t k h w"]
    areas: Float[Tensor, "b t k r"]
    order: Int64[Tensor, "b t k r"]

    @property
    def largest(self) -> Float[Tensor, "b t k h w"]:
        """Membership inside the largest region only."""
        return self.membership * (self.labels == self.order[..., 0, None, None]) * (self.labels > 0)


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


def regions(chart: ColourChart, lab: Float[Tensor, "b t 3 h w"]) -> Regions:
    """Where each thing of the chart is, frame by frame."""
    membership = _membership(chart, tone(lab))
    b, t, k, h, w = membership.shape
    labels = component_labels((membership > 0.5).view(-1, h, w))
    areas, order = component_areas(labels, membership.view(-1, h, w), REGIONS)
    return Regions(
        membership, labels.view(b, t, k, h, w), areas.view(b, t, k, -1) / (h * w), order.view(b, t, k, -1)
    )


def _membership(chart: ColourChart, tones: Float[Tensor, "b t 2 h w"]) -> Float[Tensor, "b t k h w"]:
    """Read the chart at each pixel's tone, between bins by linear interpolation."""
    b, t, _, h, w = tones.shape
    place = (tones / REACH).movedim(2, -1).flip(-1).reshape(b, t * h, w, 2)  # grid_sample wants (column, row)
    read = F.grid_sample(chart.weights, place, mode="bilinear", padding_mode="zeros", align_corners=False)
    return read.view(b, -1, t, h, w).transpose(1, 2).contiguous()


def is_thing(found: Regions) -> Bool[Tensor, "b t k"]:
    """Whether each thing is really one: large enough in one piece, and with a body within its rim."""
    body = found.largest > 0.5
    inner = ~grow(~body, 1)
    share = inner.sum((-2, -1)) / body.sum((-2, -1)).clamp(min=1)
    return (found.areas[..., 0] > LEAST_AREA) & (share > LEAST_BODY)
