"""What was encoded a moment ago is not encoded again: inside of `remembering()`, encoders know pictures they have seen.

Pictures are known by their content, so rewards and metrics that put the same frames together differently share one pass
through the network.
"""

import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from jaxtyping import Float
from torch import Tensor

PICTURES = 256  # whose features are kept for each encoder


class Memory:
    """Features of the last pictures of each encoder (`of`); the oldest are forgotten first."""

    def __init__(self, pictures: int = PICTURES) -> None:
        self.pictures = pictures
        self._kept: dict[Hashable, OrderedDict[int, Tensor]] = {}
        self._digests: dict[int, tuple[weakref.ref[Tensor], int, list[int]]] = {}

    def features(
        self,
        of: Hashable,
        images: Float[Tensor, "n 3 h w"],
        encode: Callable[[Float[Tensor, "k 3 h w"]], Float[Tensor, "k d"]],
    ) -> Float[Tensor, "n d"]:
        """The features of all pictures; only those not seen before are encoded, each once."""
        kept = self._kept.setdefault(of, OrderedDict())
        digests = self._digest(images)
        known = {digest: kept[digest] for digest in digests if digest in kept}
        fresh = {digest: i for i, digest in enumerate(digests) if digest not in known}
        if len(fresh) == len(digests):
            known = dict(zip(digests, encode(images), strict=True))
        elif fresh:
            known |= zip(fresh, encode(images[list(fresh.values())]), strict=True)
        for digest, features in known.items():
            kept[digest] = features
            kept.move_to_end(digest)
        while len(kept) > self.pictures:
            kept.popitem(last=False)
        return torch.stack([known[digest] for digest in digests])

    def _digest(self, images: Float[Tensor, "n 3 h w"]) -> list[int]:
        """A number for each picture; the same tensor is read once."""
        held = self._digests.get(id(images))
        if held is not None and held[0]() is images and held[1] == images._version:
            return held[2]
        shape = tuple(images.shape[1:])
        found = [hash((shape, picture.tobytes())) for picture in images.detach().cpu().numpy()]
        forget = id(images)
        self._digests[forget] = (weakref.ref(images, lambda _: self._digests.pop(forget, None)), images._version, found)
        return found


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(pictures: int = PICTURES) -> Iterator[Memory]:
    """Inside, encoders share features: of the last `pictures` pictures each. An outer block's memory is used on."""
    outer = _memory.get()
    token = _memory.set(outer or Memory(pictures))
    try:
        yield _memory.get() or Memory(pictures)
    finally:
        _memory.reset(token)


def remembered() -> Memory | None:
    """The memory in force, None outside of `remembering()`."""
    return _memory.get()
