"""Cheaper, rougher evaluations: every second one runs the first block only and repeats what the others added.

First-block caching as in ParaAttention and diffusers (`FirstBlockCacheConfig`), whose hooks are used here. There a
threshold on the change since the last evaluation, taken over the whole batch, decides what is left out: a sample's
estimate would depend on who shares its batch, and a search would rank candidates by their neighbours. Here the order of
the evaluations decides, so a draft of a sample is the same in every batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from rewards.base import UserError

EVERY = 2  # evaluations for one of all blocks


class Drafts:
    """Tells the cache which samples a call is for.

    A run evaluates all its samples at one step before it goes to the next, in the same order, in slices that fit. So
    the place of a slice among those of its step names its samples, and other times begin a new step.
    """

    def __init__(self) -> None:
        self._times: Tensor | None = None
        self._step, self._place = -1, 0

    @contextmanager
    def call(self, transformer: Any, times: Tensor) -> Iterator[None]:
        """Around one call of the network for samples at these times [b t]."""
        if self._times is None or not times[0].equal(self._times):
            self._times, self._step, self._place = times[0].clone(), self._step + 1, 0
            if self._step % EVERY == 0:
                transformer._reset_stateful_cache()
        with transformer.cache_context(f"{self._place}+{len(times)}"):
            yield
        self._place += len(times)  # only after a call that did not run out of memory


@contextmanager
def drafting(transformer: Any) -> Iterator[Drafts]:
    """The transformer with its blocks cached; as it was afterwards."""
    from diffusers import FirstBlockCacheConfig

    if len(transformer.blocks) < 2:
        raise UserError("the transformer has one block, so a draft can leave out none; use --preview coarse")
    _known(type(transformer.blocks[0]))
    transformer.enable_cache(FirstBlockCacheConfig(threshold=float("inf")))
    try:
        yield Drafts()
    finally:
        transformer.disable_cache()


def _known(block: type) -> None:
    """Tells diffusers what a block returns, where it does not know: of SkyReels-V2's it does not."""
    from diffusers.hooks._helpers import TransformerBlockMetadata, TransformerBlockRegistry

    try:
        TransformerBlockRegistry.get(block)
    except ValueError:
        TransformerBlockRegistry.register(block, TransformerBlockMetadata(return_hidden_states_index=0))
