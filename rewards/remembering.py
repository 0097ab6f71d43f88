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
import xxhash
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
        if not len(images):
            return encode(images)
        kept = self._kept.setdefault((of, images.device), OrderedDict())
        digests = self._digest(images)
        known = {digest: kept[digest] for digest in digests if digest in kept}
        fresh = {digest: i for i, digest in enumerate(digests) if digest not in known}
        if fresh:
            some = images if len(fresh) == len(digests) else images[list(fresh.values())]
            known |= zip(fresh, encode(some), strict=True)
        for digest in known:
            kept[digest] = known[digest].clone() if digest in fresh else known[digest]  # a row alone, not its batch
            kept.move_to_end(digest)
        while len(kept) > self.pictures:
            kept.popitem(last=False)
        return torch.stack([known[digest] for digest in digests])

    def forget(self) -> None:
        """Keep nothing any more."""
        self._kept.clear()
        self._digests.clear()

    def _digest(self, images: Float[Tensor, "n 3 h w"]) -> list[int]:
        """A number for each picture. The same tensor is read once, where a change to it would be noticed."""
        key, version = id(images), _version(images)
        held = self._digests.get(key)
        if held is not None and held[0]() is images and held[1] == version:
            return held[2]
        found = [_number(picture) for picture in images.detach().cpu()]
        if version is not None:
            digests = self._digests
            self._digests[key] = (weakref.ref(images, lambda _: digests.pop(key, None)), version, found)
        return found


def _version(images: Tensor) -> int | None:
    """Counts in-place changes; None where torch does not see all of them: memory of numpy's, inference mode."""
    if images.is_inference() or (images.device.type == "cpu" and not images.untyped_storage().resizable()):
        return None
    return images._version


def _number(picture: Float[Tensor, "3 h w"]) -> int:
    """The picture's own number, by size, type and every bit."""
    bits = picture.contiguous().view(-1).view(torch.uint8).numpy()
    return hash((tuple(picture.shape), picture.dtype, xxhash.xxh3_64_intdigest(bits.data)))


_memory: ContextVar[Memory | None] = ContextVar("memory", default=None)


@contextmanager
def remembering(pictures: int = PICTURES) -> Iterator[Memory]:
    """Inside, encoders share features: of the last `pictures` pictures each. An outer block's memory is used on."""
    outer = _memory.get()
    if outer is not None:
        yield outer
        return
    memory = Memory(pictures)
    token = _memory.set(memory)
    try:
        yield memory
    finally:
        _memory.reset(token)
        memory.forget()


def remembered() -> Memory | None:
    """The memory in force, None outside of `remembering()`."""
    return _memory.get()
