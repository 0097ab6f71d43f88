"""The pure maths that rewards and metrics share: consistency of features, light, colour, masks.

Sources stand in each docstring. Everything is batched over leading dimensions, deterministic, and free of
state.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

# --- consistency of features --------------------------------------------------------------------------


def unit(x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """L2-normalised vectors; the zero vector stays zero.

    >>> unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    return F.normalize(x, dim=-1)


def cos_plus(x: Float[Tensor, "*n d"], y: Float[Tensor, "*m d"]) -> Float[Tensor, "*k"]:
    """max(0, cosine), 0..1, over the last dimension; leading dimensions broadcast.

    >>> cos_plus(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    return (unit(x) * unit(y)).sum(-1).clamp(0, 1)


def consistency(features: Float[Tensor, "b t d"]) -> Float[Tensor, "b"]:
    """VBench's subject and background consistency: 1/(T−1) Σ_{t≥2} ½[cos+(t−1, t) + cos+(1, t)]; 0..1.

    NaN for a single frame. Source: VBench (arXiv:2311.17982), in the form of its public tool.

    >>> consistency(torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])).tolist()
    [0.5]
    """
    return anchor_consistency(features[:, 1:], features[:, :1]).mean(1)


def anchor_consistency(
    features: Float[Tensor, "b t d"], anchor: Float[Tensor, "b ta d"], fixed: float = 1.0
) -> Float[Tensor, "b t"]:
    """ScalingNoise's long-horizon score of each frame: ½[cos+(anchor, t) + cos+(t−1, t)]; 0..1.

    The frame before the first one is the anchor's last. `fixed` weighs the fixed anchor (the anchor's first
    frame) against the sliding one (its last). Source: ScalingNoise (arXiv:2503.16400), section on the reward;
    the same functional as VBench's subject consistency when the anchor is the video's first frame.

    >>> x, y = [1.0, 0.0], [0.0, 1.0]
    >>> anchor_consistency(torch.tensor([[x, y]]), torch.tensor([[x, y]]), fixed=0.5).tolist()
    [[0.25, 0.25]]
    """
    before = torch.cat([anchor[:, -1:], features[:, :-1]], dim=1)
    still = fixed * cos_plus(features, anchor[:, :1]) + (1 - fixed) * cos_plus(features, anchor[:, -1:])
    return 0.5 * (still + cos_plus(features, before))


def temporal_flickering(frames: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b"]:
    """VBench's temporal flickering: (255 − mean absolute difference of neighbours, on 0..255)/255; 0..1.

    frames: 0..1. NaN for a single frame. Source: VBench (arXiv:2311.17982).

    >>> temporal_flickering(torch.tensor([0.0, 0.5, 0.5]).view(1, 3, 1, 1, 1)).tolist()
    [0.75]
    """
    return 1 - (frames[:, 1:] - frames[:, :-1]).abs().flatten(2).mean(2).mean(1)


# --- colour and light -----------------------------------------------------------------------------------


def srgb_to_linear(rgb: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """sRGB 0..1 to linear light 0..1. Source: IEC 61966-2-1.

    >>> [round(x, 4) for x in srgb_to_linear(torch.tensor([0.0, 0.04, 0.5, 1.0])).tolist()]
    [0.0, 0.0031, 0.214, 1.0]
    """
    return torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)


# Linear sRGB to CIE XYZ divided by the D65 white point: rows sum to 1, so grey has a* = b* = 0.
_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_TO_XYZ = _XYZ / _XYZ.sum(1, keepdim=True)


def linear_to_lab(linear: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 3 h w"]:
    """Linear sRGB light to CIE L*a*b* (D65): L* 0..100. Source: CIE 15.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    >>> [round(x, 1) for x in linear_to_lab(red).flatten().tolist()]
    [53.2, 80.1, 67.2]
    """
    xyz = torch.einsum("rc,...chw->...rhw", _TO_XYZ.to(linear), linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-6) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def tone(lab: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n 2 h w"]:
    """A surface's colour apart from how much light falls on it: 50·(a*, b*)/(L* + 16).

    A gain g in linear light multiplies a*, b* and L* + 16 alike by g^(1/3) (above L* = 8), so exposure,
    shading and shadow leave it as it is. About −60..60. Source: follows from the definition of L*a*b*.

    >>> light = torch.tensor([0.5, 0.1, 0.1]).view(3, 1, 1)
    >>> a, b = tone(linear_to_lab(light)), tone(linear_to_lab(0.5 * light))
    >>> bool(torch.allclose(a, b, atol=1e-3))
    True
    """
    return 50 * lab[..., 1:, :, :] / (lab[..., :1, :, :] + 16).clamp(min=4)


def luminance(linear: Float[Tensor, "*n 3 h w"]) -> Float[Tensor, "*n h w"]:
    """Relative luminance Y of linear sRGB light, 0..1. Source: ITU-R BT.709."""
    red, green, blue = linear.unbind(-3)
    r, g, b = _XYZ[1].tolist()
    return (red * r).add_(green, alpha=g).add_(blue, alpha=b)


def lightness(y: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """CIE L* of relative luminance, 0..100: even steps look even. Source: CIE 15.

    >>> [round(x, 1) for x in lightness(torch.tensor([0.0, 0.184, 1.0])).tolist()]
    [0.0, 50.0, 100.0]
    """
    return torch.where(y > (6 / 29) ** 3, 116 * y.clamp(min=1e-6) ** (1 / 3) - 16, y * (29 / 3) ** 3)


def shades_of_grey(
    linear: Float[Tensor, "*n 3 p"], mask: Bool[Tensor, "*n p"], power: float = 6.0
) -> Float[Tensor, "*n 3"]:
    """The illuminant's colour as a unit vector: Minkowski mean over masked pixels.

    Source: Finlayson and Trezzi, "Shades of Gray and Colour Constancy" (2004): power 6 is between grey world
    (1) and max-RGB (∞).

    >>> grey = torch.tensor([[0.5, 0.1], [0.5, 0.1], [0.5, 0.1]])
    >>> shades_of_grey(grey, torch.tensor([True, True])).tolist()
    [0.5773502588272095, 0.5773502588272095, 0.5773502588272095]
    """
    kept = (linear.clamp(min=1e-4) ** power) * mask.unsqueeze(-2)
    mean = kept.sum(-1) / mask.sum(-1, keepdim=True).clamp(min=1)
    return unit(mean.clamp(min=1e-30) ** (1 / power))


def angle(x: Float[Tensor, "*n d"], y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
    """The angle between unit vectors in degrees, accurate near 0.

    >>> round(angle(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])).item(), 3)
    90.0
    """
    return torch.rad2deg(2 * torch.atan2((x - y).norm(dim=-1), (x + y).norm(dim=-1)))


def masked_median(x: Float[Tensor, "*n p"], mask: Bool[Tensor, "*n p"]) -> Float[Tensor, "*n"]:
    """The lower median of the masked values; NaN where the mask is empty.

    >>> masked_median(torch.tensor([1.0, 9.0, 2.0, 3.0]), torch.tensor([True, False, True, True])).item()
    2.0
    """
    return x.masked_fill(~mask, torch.nan).nanmedian(dim=-1).values


def masked_mean(x: Float[Tensor, "*n p"], mask: Bool[Tensor, "*n p"]) -> Float[Tensor, "*n"]:
    """The mean of the masked values; 0 where the mask is empty.

    >>> masked_mean(torch.tensor([[1.0, 9.0, 3.0]]), torch.tensor([[True, False, True]])).tolist()
    [2.0]
    """
    return (x * mask).sum(-1) / mask.sum(-1).clamp(min=1)


def log_gain(
    y: Float[Tensor, "*n p"], reference: Float[Tensor, "*n p"], mask: Bool[Tensor, "*n p"]
) -> Float[Tensor, "*n"]:
    """The robust gain from reference to y in natural logarithms: median(log y − log reference); NaN without
    pixels.

    >>> y = torch.tensor([[0.1, 0.2, 0.9]])
    >>> round(log_gain(2 * y, y, torch.ones(1, 3, dtype=torch.bool)).item(), 2)
    0.69
    """
    return masked_median(safe_log(y) - safe_log(reference), mask)


def safe_log(light: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """log(light + 0.002): the floor (half a step of 8-bit black) keeps noise in the dark from looking like
    light.
    """
    return torch.log(light.clamp(min=0) + 0.002)


def wasserstein1(
    x: Float[Tensor, "*n p"], y: Float[Tensor, "*n p"], mask: Bool[Tensor, "*n p"]
) -> Float[Tensor, "*n"]:
    """Wasserstein-1 distance between the masked values of x and of y; 0 where the mask is empty.

    Both lose the same pixels, so sorting puts equal fillers at the end, where they cancel.

    >>> mask = torch.tensor([True, True, False])
    >>> wasserstein1(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([3.0, 2.0, 0.0]), mask).item()
    1.0
    """
    filler = 1e4
    gap = x.masked_fill(~mask, filler).sort(-1).values - y.masked_fill(~mask, filler).sort(-1).values
    return gap.abs().sum(-1) / mask.sum(-1).clamp(min=1)


# --- masks -------------------------------------------------------------------------------------------------


def fit_within(frames: Float[Tensor, "*n c h w"], side: int) -> Float[Tensor, "*n c h2 w2"]:
    """Pictures averaged down so that the longer side is at most `side`; smaller ones stay as they are.

    >>> fit_within(torch.ones(2, 3, 8, 16), 8).shape
    torch.Size([2, 3, 4, 8])
    """
    *lead, c, h, w = frames.shape
    scale = side / max(h, w)
    if scale >= 1:
        return frames
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    flat, block = frames.reshape(-1, c, h, w), (h // size[0], w // size[1])
    if (size[0] * block[0], size[1] * block[1]) == (h, w):  # the same means, sooner
        small = F.avg_pool2d(flat, block)
    else:
        small = F.interpolate(flat, size, mode="area")
    return small.view(*lead, c, *size)


def grow(mask: Bool[Tensor, "*n h w"], pixels: int) -> Bool[Tensor, "*n h w"]:
    """The mask widened by `pixels` in all eight directions.

    >>> grow(torch.tensor([[True, False, False]]), 1).tolist()
    [[True, True, False]]
    """
    for _ in range(pixels):
        mask = largest_around(mask)
    return mask


def largest_around(x: Shaped[Tensor, "*n h w"]) -> Shaped[Tensor, "*n h w"]:
    """The largest of each pixel and its eight neighbours (on a CPU several times faster than max pooling).

    >>> largest_around(torch.tensor([[1, 0, 0, 5]])).tolist()
    [[1, 1, 5, 5]]
    """
    for dim in (-1, -2):
        n, wider = x.shape[dim], x.clone()
        after, before = wider.narrow(dim, 0, n - 1), wider.narrow(dim, 1, n - 1)
        torch.maximum(after, x.narrow(dim, 1, n - 1), out=after)
        torch.maximum(before, x.narrow(dim, 0, n - 1), out=before)
        x = wider
    return x


def component_labels(mask: Bool[Tensor, "n h w"]) -> Int64[Tensor, "n h w"]:
    """Connected regions (eight neighbours): each gets the largest pixel index in it plus 1; 0 outside the
    mask.

    Labels spread to neighbours, and each label then takes over its own label's label (pointer jumping), so
    the number of rounds grows with the logarithm of a region's length. The result does not depend on the rest
    of the batch.

    >>> component_labels(torch.tensor([[[True, True, False, True]]])).tolist()
    [[[2, 2, 0, 4]]]
    """
    n, h, w = mask.shape
    index = torch.arange(1, h * w + 1, device=mask.device, dtype=torch.float32).view(
        1, h, w
    )  # exact below 2^24
    labels = index * mask
    while True:
        spread = largest_around(labels) * mask
        table = F.pad(spread.flatten(1), (1, 0))  # label 0 points to itself
        jumped = table.gather(1, spread.flatten(1).long()).view(n, h, w)
        if torch.equal(jumped, labels):
            return labels.long()
        labels = jumped


def component_areas(
    labels: Int64[Tensor, "n h w"], weight: Float[Tensor, "n h w"], count: int
) -> tuple[Float[Tensor, "n count"], Int64[Tensor, "n count"]]:
    """Areas (sums of `weight`) and labels of the `count` largest regions, largest first; area 0 where there
    are fewer.

    >>> labels = torch.tensor([[[2, 2, 0, 4]]])
    >>> component_areas(labels, torch.ones(1, 1, 4), 2)
    (tensor([[2., 1.]]), tensor([[2, 4]]))
    """
    n, h, w = labels.shape
    areas = torch.zeros(n, h * w + 1, device=weight.device).scatter_add(
        1, labels.flatten(1), weight.flatten(1)
    )
    areas[:, 0] = 0
    top = areas.topk(min(count, h * w), dim=1)
    return top.values, top.indices


# --- drift ------------------------------------------------------------------------------------------------


def start_and_end(
    curve: Float[Tensor, "*n t"], share: float = 0.15
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """Means of a curve's first and of its last frames: `share` of them, at least one; NaN frames do not count.

    Source: FramePack (arXiv:2504.12626), whose drift is the absolute difference of the two at 15 %.

    >>> start_and_end(torch.tensor([1.0, 2.0, 4.0]))
    (tensor(1.), tensor(4.))
    """
    count = max(1, math.floor(share * curve.shape[-1] + 0.5))
    return curve[..., :count].nanmean(-1), curve[..., -count:].nanmean(-1)


def slope(curve: Float[Tensor, "*n t"], fps: float = 1.0) -> Float[Tensor, "*n"]:
    """Change a second of a curve of one number a frame, by least squares; NaN frames do not count.

    NaN where fewer than two frames are known.

    >>> slope(torch.tensor([1.0, torch.nan, 2.0]), fps=8.0).item()
    4.0
    """
    known = ~curve.isnan()
    time = (torch.arange(curve.shape[-1], dtype=curve.dtype, device=curve.device) / fps).expand_as(curve)
    away = time - time.masked_fill(~known, torch.nan).nanmean(-1, keepdim=True)
    rise = (away * (curve - curve.nanmean(-1, keepdim=True))).nansum(-1)
    return rise / (away.square() * known).sum(-1)  # 0/0 is NaN


def chunk_table(
    curve: Float[Tensor, "t"], frames_per_chunk: int, fps: float = 1.0, start: int = 0
) -> Float[Tensor, "chunks 3"]:
    """Mean, standard deviation and slope a second of each chunk of a curve; NaN frames do not count.

    start: frames of start context, which belong to no chunk. The last chunk may be shorter.

    >>> chunk_table(torch.tensor([1.0, 3.0, 5.0, 5.0]), 2).tolist()
    [[2.0, 1.0, 2.0], [5.0, 0.0, 0.0]]
    """
    rows = []
    for chunk in curve[start:].split(frames_per_chunk) if len(curve) > start else ():
        mean = chunk.nanmean()
        rows.append(torch.stack([mean, (chunk - mean).square().nanmean().sqrt(), slope(chunk, fps)]))
    return torch.stack(rows) if rows else curve.new_zeros(0, 3)


def lag_cosines(features: Float[Tensor, "t d"], lag: int) -> Float[Tensor, "k"]:
    """Cosines of features that stand `lag` frames apart, one for each later frame; empty where t is at most the lag.

    >>> lag_cosines(torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]]), 2).tolist()
    [1.0]
    """
    each = unit(features)
    return (each[lag:] * each[: max(0, len(each) - lag)]).sum(-1).clamp(-1, 1)


def mean_frequency(grey: Float[Tensor, "*n h w"], flat: float = 0.0) -> Float[Tensor, "*n"]:
    """Root mean square spatial frequency of pictures, about, in radians a pixel: √(gradient energy / variance), 0..4.

    What is added to a picture or multiplied with it leaves this as it is. NaN where the standard deviation is at most
    `flat`. Source: gradient energy as a measure of focus, Krotkov, "Focusing" (IJCV 1, 1988); its ratio to the variance
    is Hjorth's mobility (1970) in two dimensions, and by Parseval's theorem the mean square frequency.

    >>> fine, coarse = torch.tensor([0.0, 1.0]).repeat(8), torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(4)
    >>> [round(mean_frequency(row.expand(4, -1)).item(), 2) for row in (fine, coarse)]
    [2.0, 1.37]
    """
    steps = (grey.diff(dim=-1), grey.diff(dim=-2))
    energy = [x.square().sum((-2, -1)) / max(1, x.shape[-2] * x.shape[-1]) for x in steps]  # one pixel wide: none
    variance = grey.flatten(-2).var(-1, correction=0)
    return ((energy[0] + energy[1]) / variance).sqrt().masked_fill(variance.sqrt() <= flat, torch.nan)


# --- motion -------------------------------------------------------------------------------------------------


def fastest(motion: Float[Tensor, "*n 2 h w"], share: float = 0.05) -> Float[Tensor, "*n"]:
    """Mean length of the int(share·h·w) longest flow vectors (of one at least), in pixels.

    Source: VBench's dynamic degree (arXiv:2311.17982), in the form of its public tool.

    >>> motion = torch.zeros(2, 5, 8)
    >>> motion[:, 0, :2] = torch.tensor([[3.0, 6.0], [4.0, 8.0]])
    >>> fastest(motion).item()
    7.5
    """
    h, w = motion.shape[-2:]
    lengths = torch.hypot(*motion.unbind(-3)).flatten(-2)
    return lengths.topk(max(1, int(h * w * share)), dim=-1, sorted=False).values.mean(-1)


def moving_speed(side: int) -> float:
    """VBench's dynamic degree: pixels a pair must move by at least, in pictures of this shorter side.

    >>> moving_speed(256)
    6.0
    """
    return 6.0 * side / 256


def pairs_needed(frames: int) -> int:
    """VBench's dynamic degree: how many pairs of that many frames must move, round(4·frames/16); none for two.

    >>> [pairs_needed(frames) for frames in (2, 4, 10, 16)]
    [0, 1, 2, 4]
    """
    return round(4 * (frames / 16))


def moves(speeds: Sequence[float], threshold: float, needed: int) -> bool:
    """VBench's dynamic degree: do at least so many pairs move by more than `threshold`? Never without any pair.

    Source: VBench (arXiv:2311.17982), in the form of its public tool, where the answer is given pair by pair: if none
    is needed, the first pair decides for it, still or not.

    >>> moves([1.0, 3.0], 2.0, 1), moves([1.0, 2.0], 2.0, 1), moves([0.0], 2.0, 0), moves([], 2.0, 0)
    (True, False, True, False)
    """
    return len(speeds) > 0 and sum(speed > threshold for speed in speeds) >= needed


def unlike(
    earlier: Float[Tensor, "n 3 h w"], later: Float[Tensor, "n 3 h w"], noise: float = 0.02
) -> Bool[Tensor, "n h w"]:
    """Where a picture (RGB 0..1) changed at the same place, by more than noise and than a change of the light.

    The earlier one is brought to the later one's light first (a gain for each colour). What was over-exposed may have
    been any brighter, so there only darker than expected is a change.

    >>> earlier = torch.full((1, 3, 1, 4), 0.5)
    >>> later = 0.8 * earlier
    >>> later[..., 0] = 0.6
    >>> unlike(earlier, later).tolist()
    [[[True, False, False, False]]]
    """
    step = max(1, min(earlier.shape[-2:]) // 32)  # the light is known from fewer pixels
    before, after = (x[..., ::step, ::step].flatten(2) for x in (earlier, later))
    gain = log_gain(after, before, torch.ones_like(before, dtype=torch.bool)).exp()
    changed = torch.zeros_like(earlier[:, 0], dtype=torch.bool)
    for colour in range(3):  # one after the other stays in the cache: twice as fast as all at once
        was = earlier[:, colour]
        less = (was * gain[:, colour, None, None]).clamp_(0, 1).sub_(later[:, colour])
        changed |= (less > noise) | ((less < -noise) & (was < 0.98))
    return changed
