"""Loads a diffusers pipeline from a folder or, where no such folder exists, a hub id."""

from pathlib import Path
from typing import Any

import torch

from rewards.base import UserError


def load_pipeline(path: str, device: torch.device | str = "cpu", dtype: str = "float32") -> Any:
    """The pipeline on a device; a folder is read without asking a hub. UserError where there is none, or no such dtype.

    path: what `DiffusionPipeline.from_pretrained` takes. dtype: "float32", "bfloat16", …
    """
    from diffusers import DiffusionPipeline

    local = Path(path).exists()
    try:
        pipeline = DiffusionPipeline.from_pretrained(path, local_files_only=local)
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        where = "the folder is no complete diffusers pipeline" if local else "no such folder, and no hub gave it"
        raise UserError(f"cannot load {path!r}: {where} ({first}); save one with save_pretrained") from error
    pipeline = pipeline.to(torch.device(device), torch_dtype(dtype))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def torch_dtype(name: str) -> torch.dtype:
    """The dtype of that name."""
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise UserError(f"dtype is {name!r}; it must be one of torch's, such as float32 or bfloat16")
    return found
