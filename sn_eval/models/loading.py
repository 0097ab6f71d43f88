"""Gets a diffusers pipeline from a folder or hub id onto a device, in the way and at the price that the user chose."""

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open

from rewards.base import UserError
from sn_eval.models.pipeline_index import Located, class_in, locate
from sn_eval.sampling import out_of_memory

Offload = Literal["none", "model", "sequential", "group"]
"""What waits in the computer's memory until it is needed on the GPU: nothing, whole networks, single layers one after
another, or layers whose successors are fetched meanwhile (diffusers' model, sequential and group offload)."""
NETWORKS = ("unet", "transformer", "transformer_2")
EXTRAS = ("accelerate", "ftfy", "imageio", "kernels", "protobuf", "sentencepiece", "tiktoken")
"""Packages that only some pipelines need."""


def load_pipeline(
    path: str,
    device: torch.device | str = "cpu",
    dtype: str = "float32",
    offload: str = "none",
    compile: bool = False,
    attention: str | None = None,
    pipeline_class: str | None = None,
) -> Any:
    """The pipeline on a device; a folder is read without asking a hub.

    path: what `DiffusionPipeline.from_pretrained` takes. dtype: "float32", "bfloat16", … offload: see `Offload`; all
    but "none" need a GPU. compile: torch.compile, of the repeated blocks where the network names them; the first
    evaluation of each shape then takes long. attention: one of diffusers' attention backends. pipeline_class: use the
    weights with this class instead of the one that they were saved with. UserError, in one line, for whatever cannot be
    had.
    """
    place, kind = usable_device(device), torch_dtype(dtype)
    _check_offload(offload, place)
    _check_attention(attention)
    found = locate(path)
    if pipeline_class is not None:
        found = replace(found, index={**found.index, "_class_name": pipeline_class})
    _check_class(found)
    pipeline = _loaded(found, kind)
    try:
        _put(pipeline, place, offload)
    except (RuntimeError, MemoryError, ImportError) as error:
        raise _in_words(path, error) from error
    for network in networks(pipeline):
        if attention is not None:
            _attend(network, attention)
        if compile:
            _compile(network)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def networks(pipeline: Any) -> list[torch.nn.Module]:
    """The networks that denoise."""
    found = [getattr(pipeline, name, None) for name in NETWORKS]
    return [network for network in found if isinstance(network, torch.nn.Module)]


def torch_dtype(name: str) -> torch.dtype:
    """The dtype of that name."""
    found = getattr(torch, name, None)
    if not (isinstance(found, torch.dtype) and found.is_floating_point):
        raise UserError(f"dtype is {name!r}; it must be one of torch's, such as float32, bfloat16 or float16")
    return found


def usable_device(name: torch.device | str) -> torch.device:
    """The device, once something could be put on it."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UserError(f"device {str(name)!r} cannot be used here: `sn-eval doctor` lists what there is") from error
    return device


# --- what is refused before anything is read --------------------------------------------------------------------------


def _check_offload(offload: str, device: torch.device) -> None:
    if offload not in get_args(Offload):
        raise UserError(f"offload is {offload!r}; it must be one of {', '.join(get_args(Offload))}")
    if offload != "none" and device.type == "cpu":
        raise UserError(f"offload={offload} spares a GPU's memory, and the device is the CPU: leave offload out")
    if offload in ("model", "sequential") and find_spec("accelerate") is None:
        raise UserError(f"offload={offload} needs a package that is not installed: pip install accelerate")


def _check_attention(name: str | None) -> None:
    from diffusers.models.attention_dispatch import AttentionBackendName

    known = [backend.value for backend in AttentionBackendName]
    if name is not None and name not in known:
        shown = ", ".join(value for value in known if not value.startswith("_"))
        raise UserError(f"attention is {name!r}; it must be one of {shown}")


def _check_class(found: Located) -> None:
    import diffusers

    name = class_in(found)
    kind = getattr(diffusers, name, None)
    if kind is None:
        raise UserError(
            f"{found.path!r} is a {name}, which diffusers {diffusers.__version__} does not have: "
            "pip install --upgrade diffusers"
        )
    wanted = getattr(kind, "_backends", ())  # of the stand-in for a class whose packages are missing
    needed = [package for package in wanted if find_spec(package) is None]
    if hasattr(sys.modules[kind.__module__], "prompt_clean") and find_spec("ftfy") is None:
        needed.append("ftfy")  # asked for only when the first prompt is cleaned
    if needed:
        raise UserError(f"a {name} needs what is not installed: pip install {' '.join(needed)}")


# --- loading ----------------------------------------------------------------------------------------------------------


def _loaded(found: Located, dtype: torch.dtype) -> Any:
    import diffusers

    _check_parts(found)
    try:
        with _hushed():  # torch_dtype: the name that every supported diffusers knows; newer ones warn of a shorter one
            kind = getattr(diffusers, class_in(found))
            return kind.from_pretrained(found.path, torch_dtype=dtype, local_files_only=found.local)
    except (
        OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError, MemoryError,
        SafetensorError,
    ) as error:  # fmt: skip
        raise _in_words(found.path, error) from error


def _check_parts(found: Located) -> None:
    """Every part that a folder's index names is there, and its weights are whole."""
    folder = Path(found.path)
    if not folder.is_dir():
        return
    parts = [name for name, value in found.index.items() if isinstance(value, list) and value and value[0]]
    missing = [name for name in parts if not (folder / name).is_dir()]
    if missing:
        raise UserError(f"{found.path!r} has no {', '.join(missing)}, which its model_index.json names; {_AGAIN}")
    for file in sorted(file for part in parts for file in (folder / part).glob("*.safetensors")):
        try:
            safe_open(file, "pt")
        except (SafetensorError, OSError) as error:
            raise UserError(f"weights {file} are truncated or not safetensors ({_line(error)}); {_AGAIN}") from error


@contextmanager
def _hushed() -> Iterator[None]:
    """Within it the libraries that load keep their bars and advice to themselves: a command has its own progress."""
    from diffusers.utils import logging as diffusers_says
    from transformers.utils import logging as transformers_says

    both = (diffusers_says, transformers_says)
    before = [says.get_verbosity() for says in both]
    bars = [says.is_progress_bar_enabled() for says in both]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for says in both:
            says.set_verbosity_error()
            says.disable_progress_bar()
        try:
            yield
        finally:
            for says, level, shown in zip(both, before, bars, strict=True):
                says.set_verbosity(level)
                if shown:
                    says.enable_progress_bar()


def _put(pipeline: Any, device: torch.device, offload: str) -> None:
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    elif offload == "group":
        pipeline.enable_group_offload(onload_device=device, offload_type="leaf_level", use_stream=True)
    else:
        pipeline.to(device)


def _attend(network: Any, name: str) -> None:
    """Choose how attention is computed; UserError where the network has no say in it, or a package is missing."""
    processors = [getattr(module, "processor", None) for module in network.modules()]
    kind = type(network).__name__
    if not any(hasattr(processor, "_attention_backend") for processor in processors):
        raise UserError(f"attention={name}: the attention of a {kind} cannot be chosen; leave it out")
    try:
        network.set_attention_backend(name)
    except (RuntimeError, ValueError, ImportError, OSError) as error:
        raise UserError(f"attention={name} cannot be used here: {_line(error)}; choose another or none") from error


def _compile(network: Any) -> None:
    """The repeated blocks, where the network names them: that takes a fraction of the time."""
    if getattr(network, "_repeated_blocks", None):
        network.compile_repeated_blocks()
    else:
        network.compile()


# --- errors in a line -------------------------------------------------------------------------------------------------


def _in_words(path: str, error: Exception) -> UserError:
    """What went wrong while loading, and the next step."""
    if out_of_memory(error):
        return UserError(
            f"out of memory while loading {path!r}: use dtype=bfloat16, on a GPU also offload=model (or group, or "
            "sequential), or a smaller model"
        )
    text = str(error).lower()
    package = next((name for name in EXTRAS if name in text), None)
    if package is not None and (isinstance(error, ImportError) or "install" in text):
        return UserError(f"cannot load {path!r}: it needs a package that is not installed: pip install {package}")
    return UserError(f"cannot load {path!r}: it is no complete diffusers pipeline ({_line(error)}); {_AGAIN}")


def _line(error: Exception) -> str:
    """The error in one line of sensible length.

    >>> _line(ValueError("\\n  no such\\n file  "))
    'no such file'
    """
    return re.sub(r"\s+", " ", str(error)).strip()[:240] or type(error).__name__


_AGAIN = "restore it, download it again, or save one with save_pretrained"
