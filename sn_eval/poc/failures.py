"""What kind of failure an error is: of the machine, of the method's video, or of what the user brought."""

from collections.abc import Iterator

import torch

from sn_eval.interfaces import NoVideo
from sn_eval.results.error_log import Category

MACHINE = ("can't allocate memory", "out of memory", "CUDA error", "cuDNN error", "NCCL")
"""Words of a RuntimeError that torch raises where the machine failed."""

NOT_THERE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""OSErrors of a wrong path: trying again does not help."""


def category(error: BaseException) -> Category:
    """Quality: no video that can be shown. Infrastructure: memory, disk, connection, device. Input: all else.

    An error that was put into words counts as what caused it.

    >>> category(NoVideo("NaN")), category(OSError(28, "No space left")), category(ValueError("gain"))
    ('quality', 'infrastructure', 'input')
    """
    chain = list(_causes(error))
    if any(isinstance(each, NoVideo) for each in chain):
        return "quality"
    return "infrastructure" if any(map(_of_the_machine, chain)) else "input"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it says that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _of_the_machine(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return not isinstance(error, NOT_THERE)
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in MACHINE)
