"""Find again the things that phrases name, by an open-vocabulary detector, and by SAM 2 within its boxes.

Every frame is searched on its own, so nothing is followed from frame to frame and a morph is not either. Two instances
that touch or overlap stay two: each has a region of its own. Without a segmenter a thing's box is its mask.

A look is half what the thing is (pooled features of an image encoder on its crop) and half its colour (where its pixels
lie in the tone plane): the features tell a ball from a box and hardly mind a new colour, colours the other way round.
Source: REWARDS.md, locators `owl` and `grounding_dino`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from rewards.base import Metadata, UserError
from rewards.encoders import create_encoder
from rewards.functional import component_areas, linear_to_lab, srgb_to_linear, tone, unit
from rewards.locating.phrase_detector import EXAMPLES, PhraseDetector, Segmenter, create_detector, create_segmenter
from rewards.locating.regions import COUNT, Located, Regions

GRID = 64  # places along the longer side
CANDIDATES = 64  # best boxes of a phrase that are compared with each other: a thing has several
OVERLAP = 0.6  # boxes that share more of the smaller one are one thing: a part of it, or a box around several
SECOND = 0.5  # a further instance must score this share of the frame's best: a copy looks as the thing does
SAME, OTHER = 0.85, 0.65  # look similarity from which a thing is itself, and below which it is another
TONES = torch.linspace(-80, 80, 9)  # the tone plane is read at these places in both axes, each WIDTH wide
WIDTH = 14.0
PIXELS = 16  # a crop's colours are read on PIXELS × PIXELS
CROPS = 256  # crops of one pass


class DetectorLocator:
    """Things by phrases: metadata {"objects": ["a red ball", …]} of a video, else `objects`, else its prompt.

    segmenter: None makes boxes the masks. encoder: whose features compare the crops.
    Raises UserError where a video has no phrase.
    """

    def __init__(
        self, detector: PhraseDetector, segmenter: Segmenter | None, encoder: str, objects: Sequence[str] | None = None
    ) -> None:
        self.detector, self.segmenter, self.objects = detector, segmenter, objects
        self.encoder = create_encoder(encoder)
        self.families: tuple[str, ...] = (f"detector:{detector.name}", f"encoder:{self.encoder.kind}")

    def __call__(self, video: Float[Tensor, "b t 3 h w"], prompts: list[str], metadata: Metadata) -> Located:
        """Videos with the same phrases go through the networks together; things are padded with ones not shown."""
        b, t, _, h, w = video.shape
        asked = phrases(prompts, metadata, self.objects)
        k = max(len(names) for names in asked)
        grid = [max(1, round(side * GRID / max(h, w))) for side in (h, w)]
        boxes, masks = video.new_zeros(b, t, k, COUNT, 4), video.new_zeros(b, t, k, COUNT, *grid)
        for names in dict.fromkeys(asked):
            rows = [i for i, each in enumerate(asked) if each == names]
            some_boxes, some_masks = self._instances(video[rows].flatten(0, 1), names, grid)
            boxes[rows, :, : len(names)] = some_boxes.unflatten(0, (len(rows), t))
            masks[rows, :, : len(names)] = some_masks.unflatten(0, (len(rows), t))
        found = regions(masks)
        return Located(found, self._look(video, boxes, masks), found.areas[:, 0, :, 0] > 0, SAME, OTHER)

    def _instances(
        self, pictures: Float[Tensor, "n 3 h w"], names: tuple[str, ...], grid: list[int]
    ) -> tuple[Float[Tensor, "n k i 4"], Float[Tensor, "n k i gh gw"]]:
        """Up to COUNT instances of each name, the surest first; both are 0 where there are fewer."""
        boxes, kept = best_boxes(*self.detector(pictures, names), self.detector.threshold)
        masks = box_masks(boxes, *grid)
        if self.segmenter is not None and bool(kept.any()):
            some = kept.any(-1).any(-1)
            inside = self.segmenter(pictures[some], boxes[some].flatten(1, 2))
            fitted = F.interpolate(inside, grid, mode="bilinear", antialias=True, align_corners=False)
            masks[some] = fitted.clamp(0, 1).view(masks[some].shape)
        return boxes, masks * kept[..., None, None]

    def _look(
        self,
        video: Float[Tensor, "b t 3 h w"],
        boxes: Float[Tensor, "b t k i 4"],
        masks: Float[Tensor, "b t k i gh gw"],
    ) -> Float[Tensor, "b t k d"]:
        """The look of each thing's instance that is most like the anchor's surest one; 0 where there is none."""
        where = (masks > 0.5).flatten(-2).any(-1)
        if not bool(where.any()):
            return video.new_zeros(*where.shape[:3], 1)
        picture = where.flatten(2).nonzero()
        of = picture[:, 0] * video.shape[1] + picture[:, 1]
        parts = zip(*(x.split(CROPS) for x in (of, boxes[where], masks[where])), strict=True)
        looks = torch.cat([self._looks(video.flatten(0, 1), *part) for part in parts])
        every = video.new_zeros(*where.shape, looks.shape[-1])
        every[where] = looks
        alike = (every * every[:, :1, :, :1]).sum(-1)
        return every.gather(3, alike.argmax(3)[..., None, None].expand(-1, -1, -1, -1, every.shape[-1])).squeeze(3)

    def _looks(
        self,
        pictures: Float[Tensor, "n 3 h w"],
        of: Tensor,
        boxes: Float[Tensor, "m 4"],
        masks: Float[Tensor, "m gh gw"],
    ) -> Float[Tensor, "m d"]:
        """Looks of the boxes, each in the picture that `of` says: features and colours, of length 1 each."""
        cut = crops(pictures, of, boxes, self.encoder.size)
        inside = crops(masks.unsqueeze(1), torch.arange(len(masks), device=of.device), boxes, PIXELS)
        return torch.cat([unit(self.encoder(cut).to(cut)), unit(tones(cut, inside.squeeze(1)))], dim=-1)


def detector_locator(
    kind: str, weights: str | None, segmenter: str | None, encoder: str, objects: Sequence[str] | None
) -> DetectorLocator:
    """The locator "owl" or "grounding_dino"; UserError without weights or where they cannot be loaded."""
    if weights is None:
        raise UserError(f"locator {kind!r} needs weights: a folder, or a hub id such as {EXAMPLES[kind]}")
    made = None if segmenter is None else create_segmenter(segmenter)
    return DetectorLocator(create_detector(kind, weights), made, encoder, objects)


def phrases(prompts: Sequence[str], metadata: Metadata, objects: Sequence[str] | None) -> list[tuple[str, ...]]:
    """What to look for in each video; UserError where that is nothing.

    >>> phrases(["a ball rolls", "a cup"], [{"objects": ["a red ball", "a glass"]}, {}], None)
    [('a red ball', 'a glass'), ('a cup',)]
    """
    found = []
    for prompt, row in zip(prompts, metadata or [{}] * len(prompts), strict=True):
        given = row.get("objects")
        names = given if given is not None else objects if objects is not None else [prompt]
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise UserError(f"objects must be a list of texts such as ['a red ball']; given {names!r}")
        if not names or not all(any(letter.isalnum() for letter in name) for name in names):
            raise UserError(
                f"there is nothing to look for: {list(names)!r}. Name what the anchor shows, in metadata "
                "{'objects': ['a red ball']}, in the parameter objects, or in the prompt"
            )
        found.append(tuple(names))
    return found


def best_boxes(
    boxes: Float[Tensor, "n q 4"], scores: Float[Tensor, "n q k"], threshold: float
) -> tuple[Float[Tensor, "n k i 4"], Bool[Tensor, "n k i"]]:
    """Up to COUNT boxes of each phrase that overlap little, the surest first, and which of them exist.

    >>> twice = torch.tensor([[[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.4], [0.6, 0.6, 1.0, 1.0]]])
    >>> best_boxes(twice, torch.tensor([[[0.9], [0.8], [0.7]]]), 0.1)[1].tolist()
    [[[True, True, False, False]]]
    """
    boxes = F.pad(boxes.clamp(0, 1), (0, 0, 0, max(0, COUNT - boxes.shape[1])))
    scores = F.pad(scores, (0, 0, 0, boxes.shape[1] - scores.shape[1]))
    order = scores.transpose(1, 2).sort(dim=-1, descending=True, stable=True)
    sure, index = (x[..., :CANDIDATES] for x in order)
    best = boxes[torch.arange(len(boxes), device=boxes.device)[:, None, None], index]
    least = (SECOND * sure[..., :1]).clamp(min=threshold)
    kept = (sure >= least) & (_area(best) > 0)
    overlap = _overlap(best) > OVERLAP
    for i in range(kept.shape[-1] - 1):
        kept[..., i + 1 :] &= ~(overlap[..., i, i + 1 :] & kept[..., i, None])
    first = kept.int().argsort(dim=-1, descending=True, stable=True)[..., :COUNT]
    return best.gather(-2, first[..., None].expand(-1, -1, -1, 4)), kept.gather(-1, first)


def _area(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    left, top, right, bottom = boxes.unbind(-1)
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def _overlap(boxes: Float[Tensor, "*n c 4"]) -> Float[Tensor, "*n c c"]:
    """What each two boxes share, as a share of the smaller one."""
    one, other = boxes.unsqueeze(-2), boxes.unsqueeze(-3)
    corners = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    smaller = torch.minimum(_area(one), _area(other))
    return _area(torch.cat(corners, dim=-1)) / smaller.clamp(min=1e-9)


def box_masks(boxes: Float[Tensor, "*n 4"], height: int, width: int) -> Float[Tensor, "*n gh gw"]:
    """The share of each place that lies in the box.

    >>> box_masks(torch.tensor([0.25, 0.0, 1.0, 0.5]), 1, 2).tolist()
    [[0.25, 0.5]]
    """
    left, top, right, bottom = (x.unsqueeze(-1) for x in boxes.unbind(-1))
    x, y = (torch.arange(n, device=boxes.device, dtype=boxes.dtype) for n in (width, height))
    across = torch.minimum(right * width, x + 1) - torch.maximum(left * width, x)
    down = torch.minimum(bottom * height, y + 1) - torch.maximum(top * height, y)
    return down.clamp(0, 1).unsqueeze(-1) * across.clamp(0, 1).unsqueeze(-2)


def regions(masks: Float[Tensor, "b t k i h w"]) -> Regions:
    """A region for each instance, though they touch; a place in several belongs to the surest, which comes first."""
    b, t, k, i, h, w = masks.shape
    rank = (masks > 0.5) * torch.arange(i, 0, -1, device=masks.device).view(i, 1, 1)
    first = rank.amax(3)
    labels = torch.where(first > 0, i + 1 - first, 0)
    membership = masks.amax(3)
    areas, order = component_areas(labels.view(-1, h, w), membership.view(-1, h, w), COUNT)
    return Regions(membership, labels, areas.view(b, t, k, -1) / (h * w), order.view(b, t, k, -1))


def crops(
    pictures: Float[Tensor, "n c h w"], of: Tensor, boxes: Float[Tensor, "m 4"], side: int
) -> Float[Tensor, "m c s s"]:
    """The square around each box, in the picture that `of` says, averaged to side × side.

    A square, since stretching would make a tall thing and a flat one alike; moved into the picture where it fits.
    """
    from torchvision.ops import roi_align

    h, w = pictures.shape[-2:]
    size = boxes.new_tensor([w, h])
    low, high = boxes[:, :2] * size, boxes[:, 2:] * size
    half = (high - low).amax(-1, keepdim=True) / 2
    middle = torch.minimum(torch.maximum((low + high) / 2, half), torch.maximum(size - half, size / 2))
    squares = torch.cat([of.unsqueeze(-1).to(boxes), middle - half, middle + half], dim=-1)
    cut: Tensor = roi_align(pictures, squares, side, aligned=True)
    return cut


def tones(cut: Float[Tensor, "m 3 s s"], inside: Float[Tensor, "m p p"]) -> Float[Tensor, "m d"]:
    """How much of a thing has each tone (see `functional.tone`): exposure and shading leave that as it is."""
    small = F.adaptive_avg_pool2d(cut, inside.shape[-1]).clamp(0, 1)
    places = tone(linear_to_lab(srgb_to_linear(small))).flatten(2)
    near = torch.exp(-((places.unsqueeze(-1) - TONES.to(places)) ** 2) / (2 * WIDTH**2))
    return torch.einsum("mp,mpx,mpy->mxy", inside.flatten(1), near[:, 0], near[:, 1]).flatten(1)
