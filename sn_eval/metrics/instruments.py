"""What optical flow is measured with: OpenCV's DIS on small grey pictures, or RAFT with weights from a file.

Sources: DIS, see `rewards.flow`; RAFT, Teed and Deng (ECCV 2020, arXiv:2003.12039), in torchvision's implementation.
"""

import pickle
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from rewards.base import UserError
from rewards.encoders import file_digest, in_one_line
from rewards.flow import flow
from rewards.functional import luminance
from sn_eval.metrics.base import Block

UPDATES = 20  # of RAFT's estimate, as in its paper's tests and in VBench
MULTIPLE = 8  # RAFT takes sides that are multiples of this
FAMILY = "optical-flow"
Cost = Literal["pixels", "small network", "large network"]


@runtime_checkable
class FlowInstrument(Protocol):
    """Something that measures where each pixel went.

    name, sha256: what a metric is named after, and the digest of its weights (None without any). least_side: pictures
    with a shorter side cannot be measured.
    """

    name: str
    sha256: str | None
    cost: Cost
    least_side: int

    def pictures(self, block: Block) -> Float[Tensor, "t1 3 h2 w2"]:
        """The block's `seen` frames in the size that flow is measured on."""
        ...

    def between(self, earlier: Float[Tensor, "n 3 h w"], later: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
        """Flow of pairs of such pictures: for each pixel of `earlier`, (x, y) in pixels to its place in `later`."""
        ...

    def neighbours(self, block: Block) -> Float[Tensor, "n 2 h2 w2"]:
        """Flow of every new pair of neighbours in the block."""
        ...


class Dis:
    """OpenCV's DIS on the block's small pictures in grey; flow of neighbours is shared by all metrics."""

    name: str = "dis"
    sha256: str | None = None
    cost: Cost = "pixels"
    least_side: int = 12  # `rewards.flow` gives none below

    def pictures(self, block: Block) -> Float[Tensor, "t1 3 h2 w2"]:
        """The small ones."""
        return block.small

    def between(self, earlier: Float[Tensor, "n 3 h w"], later: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
        """By `rewards.flow`."""
        return flow(luminance(earlier), luminance(later))

    def neighbours(self, block: Block) -> Float[Tensor, "n 2 h2 w2"]:
        """The block's own."""
        return block.motion.there


class Raft:
    """torchvision's RAFT (large) on whole frames; sides are filled up to multiples of 8 by repeating the border.

    path: weights of torchvision's layout; raft_large_C_T_V1-22a6c225.pth holds the published ones ("things").
    """

    cost: Cost = "large network"
    least_side: int = 121  # from here on filled up to 128, the least that the pyramid of correlations allows

    def __init__(self, path: Path) -> None:
        self.network = _load(path)
        self.name: str = f"raft:{path.name}"
        self.sha256: str | None = file_digest(path)

    def pictures(self, block: Block) -> Float[Tensor, "t1 3 h2 w2"]:
        """The frames as they are."""
        return block.seen

    def between(self, earlier: Float[Tensor, "n 3 h w"], later: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
        """One pair after the other: the correlations of a pair take much memory."""
        found = [self._pair(a[None], b[None]) for a, b in zip(earlier, later, strict=True)]
        return torch.cat(found) if found else earlier[:, :2]

    def neighbours(self, block: Block) -> Float[Tensor, "n 2 h2 w2"]:
        """Measured anew."""
        return self.between(block.seen[:-1], block.seen[1:])

    def _pair(self, earlier: Float[Tensor, "1 3 h w"], later: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 2 h w"]:
        h, w = earlier.shape[-2:]
        down, right = -h % MULTIPLE, -w % MULTIPLE
        top, left = down // 2, right // 2
        border = (left, right - left, top, down - top)
        one, two = (F.pad(2 * x - 1, border, mode="replicate") for x in (earlier, later))
        found: Tensor = self.network.to(one.device)(one, two, num_flow_updates=UPDATES)[-1]
        return found[..., top : top + h, left : left + w]


def create_flow(use: str) -> FlowInstrument:
    """The instrument of that name, "dis" or "raft:FILE"; UserError where there is none or its weights do not fit."""
    if use == "dis":
        return Dis()
    kind, _, path = use.partition(":")
    if kind == "raft" and path:
        return Raft(Path(path))
    raise UserError(f"flow must be dis or raft:FILE (weights of torchvision's raft_large); given {use!r}")


def too_small(instrument: FlowInstrument, side: int) -> str:
    """What to say of pictures that cannot be measured.

    >>> too_small(Dis(), 8)
    'pictures of 8 pixels are too small for dis, which needs 12'
    """
    return f"pictures of {side} pixels are too small for {instrument.name}, which needs {instrument.least_side}"


def _load(path: Path) -> Any:
    """RAFT with these weights."""
    from torchvision.models.optical_flow import raft_large  # heavy: only when RAFT is asked for

    if not path.is_file():
        raise UserError(f"flow raft:{path}: there is no such file. Name the weights of torchvision's raft_large")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network = raft_large(weights=None, progress=False)
        network.load_state_dict(state)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"flow raft:{path}: these are no weights of torchvision's raft_large ({in_one_line(error)}). "
            "Name a file such as raft_large_C_T_V1-22a6c225.pth, which holds the published ones"
        ) from error
    return network.eval().requires_grad_(False)
