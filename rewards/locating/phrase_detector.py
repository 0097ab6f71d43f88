"""Boxes for phrases and masks for boxes, by networks that transformers loads: OWL-ViT and OWLv2, Grounding DINO, SAM 2.

What lies on this disk is used first, then the hub's cache; the hub is asked only because the user named it. Pictures go
through each network's own preparation. All boxes are (left, top, right, bottom), 0..1 over the picture.
Sources: OWL-ViT (arXiv:2205.06230), OWLv2 (arXiv:2306.09683), Grounding DINO (arXiv:2303.05499), SAM 2
(arXiv:2408.00714).
"""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import in_one_line

PICTURES = {"cpu": 4, "other": 16}  # in one pass: the networks' inputs measure 800 pixels and more
EXAMPLES = {
    "owl": "google/owlv2-base-patch16-ensemble",
    "grounding_dino": "IDEA-Research/grounding-dino-tiny",
    "sam2": "facebook/sam2.1-hiera-tiny",
}
MODEL_TYPES = {
    "owl": ("owlvit", "owlv2"),
    "grounding_dino": ("grounding-dino", "mm-grounding-dino"),
    "sam2": ("sam2", "sam2_video"),  # the hub's SAM 2 calls itself a video model; its picture part is complete
}


@runtime_checkable
class PhraseDetector(Protocol):
    """Finds what phrases name. name: of its weights. threshold: score from which a box is taken for what was asked."""

    name: str
    threshold: float

    def __call__(
        self, pictures: Float[Tensor, "n 3 h w"], phrases: Sequence[str]
    ) -> tuple[Float[Tensor, "n q 4"], Float[Tensor, "n q k"]]:
        """q boxes in each RGB picture 0..1, and how well each fits each of the k phrases, 0..1."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """Finds the thing in a box."""

    def __call__(self, pictures: Float[Tensor, "n 3 h w"], boxes: Float[Tensor, "n m 4"]) -> Float[Tensor, "n m gh gw"]:
        """How surely each place of a grid over the picture belongs to the thing in each box, 0..1."""
        ...


@lru_cache(maxsize=4)
def create_detector(kind: str, weights: str) -> PhraseDetector:
    """The detector "owl" or "grounding_dino" with the weights of a folder or hub id; UserError where that fails."""
    return Owl(weights) if kind == "owl" else GroundingDino(weights)


@lru_cache(maxsize=2)
def create_segmenter(weights: str) -> Segmenter:
    """SAM 2 with the weights of a folder or hub id; UserError where that fails."""
    return Sam2(weights)


class Owl:
    """OWL-ViT or OWLv2: each patch of the picture offers a box, compared with each phrase on its own."""

    threshold = 0.1  # the networks' usual one; their scores are low

    def __init__(self, weights: str) -> None:
        self.name = weights
        self.network, self.processor = _load("owl", weights)
        self.pads = self.network.config.model_type == "owlv2"  # the other stretches the picture to a square

    @torch.no_grad()
    def __call__(
        self, pictures: Float[Tensor, "n 3 h w"], phrases: Sequence[str]
    ) -> tuple[Float[Tensor, "n q 4"], Float[Tensor, "n q k"]]:
        """Raises UserError when a phrase is too long for the network."""
        self.network.to(pictures.device)
        most = self.network.config.text_config.max_position_embeddings
        texts = self.processor.tokenizer(list(phrases), padding="max_length", max_length=most, return_tensors="pt")
        if texts["input_ids"].shape[1] > most:
            longest = max(phrases, key=len)
            raise _TooLongError(f"reads up to {most - 2} word pieces; given {longest!r}")
        found = [self._some(some, texts.to(pictures.device)) for some in _passes(pictures)]
        boxes, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        h, w = pictures.shape[-2:]
        if self.pads:  # to a square, at the right and at the bottom
            boxes = boxes * (boxes.new_tensor([1 / w, 1 / h, 1 / w, 1 / h]) * max(h, w))
        return boxes, scores

    def _some(self, pictures: Float[Tensor, "n 3 h w"], texts: Any) -> tuple[Tensor, Tensor]:
        n = len(pictures)
        repeated = {key: texts[key].repeat(n, 1) for key in ("input_ids", "attention_mask")}
        out = self.network(**_prepared(self.processor, pictures), **repeated)
        return _corners(out.pred_boxes), out.logits.sigmoid()


class GroundingDino:
    """Grounding DINO reads all phrases as one text; a box fits a phrase as well as the phrase's best word piece."""

    threshold = 0.3  # between the 0.25 and 0.35 of its public examples

    def __init__(self, weights: str) -> None:
        self.name = weights
        self.network, self.processor = _load("grounding_dino", weights)

    @torch.no_grad()
    def __call__(
        self, pictures: Float[Tensor, "n 3 h w"], phrases: Sequence[str]
    ) -> tuple[Float[Tensor, "n q 4"], Float[Tensor, "n q k"]]:
        """Raises UserError when the phrases together are too long for the network."""
        self.network.to(pictures.device)
        tokenizer, most = self.processor.tokenizer, self.network.config.max_text_len
        plain = [re.sub(r"[.?]", " ", phrase).lower().strip() for phrase in phrases]  # both would end a phrase
        texts = tokenizer([". ".join(plain) + "."], return_tensors="pt", return_token_type_ids=True)
        ids = texts["input_ids"][0]
        if len(ids) > most:
            raise _TooLongError(f"reads up to {most} word pieces in all; given {len(ids)}")
        ends = ids == tokenizer.convert_tokens_to_ids(".")
        words = ~ends & torch.tensor([each not in tokenizer.all_special_ids for each in ids.tolist()])
        pieces = [words & (ends.cumsum(0) == number) for number in range(len(phrases))]
        found = [self._some(some, texts.to(pictures.device)) for some in _passes(pictures)]
        boxes, of_pieces = (torch.cat(parts) for parts in zip(*found, strict=True))
        return boxes, torch.stack([of_pieces[..., of.to(pictures.device)].amax(-1) for of in pieces], dim=-1)

    def _some(self, pictures: Float[Tensor, "n 3 h w"], texts: Any) -> tuple[Tensor, Tensor]:
        repeated = {key: value.expand(len(pictures), -1) for key, value in texts.items()}
        out = self.network(**_prepared(self.processor, pictures), **repeated)
        return _corners(out.pred_boxes), out.logits[..., : texts["input_ids"].shape[1]].sigmoid()


class Sam2:
    """SAM 2 on single pictures: one mask a box."""

    def __init__(self, weights: str) -> None:
        self.network, self.processor = _load("sam2", weights)

    @torch.no_grad()
    def __call__(self, pictures: Float[Tensor, "n 3 h w"], boxes: Float[Tensor, "n m 4"]) -> Float[Tensor, "n m gh gw"]:
        """A picture is encoded once, however many boxes it has."""
        self.network.to(pictures.device)
        size = PICTURES["cpu" if pictures.device.type == "cpu" else "other"]
        pairs = zip(pictures.split(size), boxes.split(size), strict=True)
        return torch.cat([self._some(*pair) for pair in pairs])

    def _some(self, pictures: Float[Tensor, "n 3 h w"], boxes: Float[Tensor, "n m 4"]) -> Tensor:
        pixels = _prepared(self.processor, pictures)["pixel_values"]
        h, w = pixels.shape[-2:]
        asked = boxes * boxes.new_tensor([w, h, w, h])
        masks: Tensor = self.network(pixel_values=pixels, input_boxes=asked, multimask_output=False).pred_masks
        return masks[:, :, 0].sigmoid()


class _TooLongError(UserError):
    """Phrases that a detector cannot read whole: cutting them would silently look for something else."""

    def __init__(self, rule: str) -> None:
        super().__init__(
            f"the detector {rule}. Name the things shortly, in metadata {{'objects': ['a red ball']}} "
            "or in the parameter objects"
        )


def _passes(pictures: Float[Tensor, "n 3 h w"]) -> Sequence[Tensor]:
    return pictures.split(PICTURES["cpu" if pictures.device.type == "cpu" else "other"])


def _prepared(processor: Any, pictures: Float[Tensor, "n 3 h w"]) -> dict[str, Tensor]:
    """What the network's own preparation makes of pictures 0..1; on their device."""
    made = processor.image_processor(list(pictures.clamp(0, 1).float()), do_rescale=False, return_tensors="pt")
    return {key: made[key].to(pictures.device) for key in ("pixel_values", "pixel_mask") if key in made}


def _corners(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n 4"]:
    """Corners of boxes that are given as centre, width and height.

    >>> _corners(torch.tensor([0.5, 0.5, 0.5, 1.0])).tolist()
    [0.25, 0.0, 0.75, 1.0]
    """
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def _load(kind: str, weights: str) -> tuple[Any, Any]:
    """Network and processor: from a folder, else from the hub's cache, else from the hub."""
    from safetensors import SafetensorError

    read = partial(_read, kind, weights)
    try:
        if Path(weights).is_dir():
            return read(local_files_only=True)
        try:
            return read(local_files_only=True)
        except OSError:
            return read()
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise UserError(
            f"cannot load {kind} from {weights!r}: {in_one_line(error)}. Name a folder with config.json, "
            f"model.safetensors and the processor's files, or a hub id such as {EXAMPLES[kind]}"
        ) from error


def _read(kind: str, weights: str, **where: bool) -> tuple[Any, Any]:
    """Load, once it is clear that these are weights of that kind and complete."""
    import transformers as hf

    found = hf.AutoConfig.from_pretrained(weights, **where).model_type
    if found not in MODEL_TYPES[kind]:
        raise UserError(
            f"{weights!r} holds a model of type {found!r}; {kind} needs {' or '.join(MODEL_TYPES[kind])}, "
            f"such as {EXAMPLES[kind]}"
        )
    model, processor = (
        (hf.Sam2Model, hf.Sam2Processor)
        if kind == "sam2"
        else (hf.AutoModelForZeroShotObjectDetection, hf.AutoProcessor)
    )
    network, report = model.from_pretrained(weights, output_loading_info=True, **where)
    if report["missing_keys"]:  # transformers would fill them with random numbers
        missing = sorted(report["missing_keys"])
        raise UserError(
            f"{weights!r} lacks {len(missing)} weights of {kind}, {missing[0]} among them: save the whole "
            f"{type(network).__name__}, or name a hub id such as {EXAMPLES[kind]}"
        )
    return network.float().eval().requires_grad_(False), processor.from_pretrained(weights, **where)
