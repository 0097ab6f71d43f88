"""Floating-point operations, counted with torch's FlopCounterMode while a shape is new, then multiplied.

Counting slows a call down, and equal shapes cost equal work; so each input shape is counted on its first two
calls (the first may also fill caches, e.g. embed a prompt) and multiplied from then on.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

T = TypeVar("T")
HOW = "FlopCounterMode on the first two calls of every input shape, then multiplied (matmul, conv, attention)"


def signature(value: Any) -> Hashable:
    """What two inputs must share to cost the same: shapes of tensors, lengths of texts, plain numbers.

    >>> import torch
    >>> signature((torch.zeros(2, 3), {"a": torch.zeros(4)}, 5, None))
    ((2, 3), (('a', (4,)),), 5, None)
    """
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return tuple((key, signature(item)) for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(signature(item) for item in value)
    if is_dataclass(value):
        members = [getattr(value, f.name) for f in fields(value)]
        # numbers in a state (chunks so far) are bookkeeping: they would make every call look new
        return tuple(signature(item) for item in members if not isinstance(item, int | float))
    return str(type(value))


@dataclass
class FlopCount:
    """Sums operations over calls; `total` grows with every call that goes through `call`."""

    total: float = 0.0
    _seen: dict[Hashable, list[float]] = field(default_factory=dict)

    def call(self, name: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """The function's own result; its operations are added under (name, shapes)."""
        counts = self._seen.setdefault((name, signature(args), signature(kwargs)), [])
        if len(counts) == 2:
            result = function(*args, **kwargs)
        else:
            with FlopCounterMode(display=False) as mode:
                result = function(*args, **kwargs)
            counts.append(mode.get_total_flops())
        self.total += counts[-1]
        return result
