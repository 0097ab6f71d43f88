"""Does a model fit in memory? Told from the headers of its weights, before anything is loaded.

A safetensors file begins with the length of a JSON header that holds every tensor's type and shape
(https://huggingface.co/docs/safetensors, "Format"), so parameters are counted without reading one.
"""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from rewards.base import UserError
from sn_eval.results.record import Component

LONGEST_HEADER = 100 << 20  # bytes; the format's own limit
CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Need:
    """Memory for a model's weights. parameters: how many; bytes: in the type that it is loaded in."""

    parameters: int
    bytes: int
    dtype: str
    folder: Path


def check_fits(model: Component) -> Need | None:
    """What the weights of a model in a local folder need; None where that is not known before loading.

    UserError where they need more than is free on the model's device.
    """
    need = needed(model)
    if need is None:
        return None
    device = str(model.params.get("device", "cpu"))
    free = free_bytes(device)
    if free is not None and need.bytes > free:
        raise UserError(
            f"the model in {need.folder} does not fit: {need.parameters / 1e9:.2f} billion parameters in {need.dtype} "
            f"are {need.bytes / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free on {device}; use a smaller model, "
            "dtype: bfloat16, or a larger machine (sn-eval poc plan --calibration plans without loading)"
        )
    return need


def needed(model: Component) -> Need | None:
    """Parameters and bytes of all safetensors files below the model's `path`."""
    path = model.params.get("path")
    folder = Path(path) if isinstance(path, str) else None
    files = sorted(folder.rglob("*.safetensors")) if folder is not None and folder.is_dir() else []
    if not files or folder is None:
        return None
    counts = [count for file in files if (count := parameters(file)) is not None]
    if not counts:
        return None
    dtype = str(model.params.get("dtype", "float32"))
    size = getattr(getattr(torch, dtype, None), "itemsize", 4)
    return Need(sum(counts), sum(counts) * size, dtype, folder)


def parameters(file: Path) -> int | None:
    """How many numbers a safetensors file holds; None where its header cannot be read."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > LONGEST_HEADER:
                return None
            header = json.loads(opened.read(length))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        return sum(math.prod(shape) for shape in shapes)
    except (OSError, ValueError, struct.error, AttributeError, KeyError, TypeError):
        return None


def free_bytes(device: str) -> int | None:
    """Free memory of a CUDA device, or of this machine within its container's limit; None for an unknown device."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(torch.device(device))[0] if torch.cuda.is_available() else None
    if device != "cpu":
        return None
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used)) if limit.isdigit() else free
    except (OSError, ValueError):
        return free
