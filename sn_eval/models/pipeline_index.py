"""What a folder or a hub id says it is, read from its model_index.json alone: no weights are loaded.

A folder is never looked for on a hub. A hub id is asked for once; a hub that does not answer is given up on after
TIMEOUT seconds, and what was downloaded before is used.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.base import UserError

INDEX = "model_index.json"
TIMEOUT = 10.0  # seconds for the hub's first answer
STEPWISE = ("SkyReelsV2DiffusionForcing", "WanPipeline", "WanImageToVideoPipeline")  # beginnings of class names
"""Pipelines whose network takes a noise level for every frame; of Wan's only those of the 2.2 TI2V class."""


@dataclass(frozen=True)
class Located:
    """A pipeline that was found: its index, and whether everything must come from this machine."""

    path: str
    index: Mapping[str, Any]
    local: bool


def pipeline_class(path: str) -> str:
    """The class that a folder or hub id names in its model_index.json; UserError where there is none."""
    return class_in(locate(path))


def adapter_for(path: str) -> str:
    """The component that drives what lies in a folder or behind a hub id.

    "tabletop", "diffusion_forcing" (a noise level for every frame: SkyReels-V2 diffusion forcing, Wan 2.2 TI2V), else
    "image_to_video" (any other pipeline, by its own call).
    """
    if (Path(path) / "denoiser").is_dir():
        return "tabletop"
    found = locate(path)
    name = class_in(found)
    per_frame = not name.startswith("Wan") or bool(found.index.get("expand_timesteps"))
    return "diffusion_forcing" if name.startswith(STEPWISE) and per_frame else "image_to_video"


def is_hub_id(text: str) -> bool:
    """Whether a text can be a hub id: owner/name.

    >>> is_hub_id("owner/some-model_1.5"), is_hub_id("a/b/c"), is_hub_id("./here"), is_hub_id("x/y.py:model")
    (True, False, False, False)
    """
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None


def class_in(found: Located) -> str:
    """The pipeline's class, once it is one of diffusers' own."""
    name = found.index.get("_class_name")
    if isinstance(name, list):
        raise UserError(f"{found.path!r} brings code of its own ({name}), which is not run; use one of diffusers' own")
    if not isinstance(name, str):
        raise UserError(f"{INDEX} of {found.path!r} names no pipeline (_class_name); save one with save_pretrained")
    return name


def locate(path: str) -> Located:
    """The index of a folder or, where there is no such folder, of a hub id; UserError says what is missing."""
    if Path(path).is_dir():
        return Located(path, _read(path, Path(path) / INDEX), local=True)
    if Path(path).is_file():
        raise UserError(f"{path!r} is a file: name the folder that save_pretrained wrote, which holds a {INDEX}")
    if not is_hub_id(path):
        raise UserError(f"no such folder: {path!r}; name one with a {INDEX}, or a hub id (owner/name)")
    return _on_hub(path)


def _on_hub(path: str) -> Located:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    hub, unreachable = HfApi(), _unreachable(path)
    try:
        file = hub.hf_hub_download(path, INDEX, local_files_only=unreachable is not None, etag_timeout=TIMEOUT)
    except GatedRepoError as error:
        raise UserError(
            f"the hub holds {path!r} behind a gate: accept its licence on its page there, then `hf auth login`"
        ) from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"no folder {path!r} here, and the hub cannot be reached ({unreachable or error}); name a folder, or "
            "download it once where there is a network (`hf download`)"
        ) from error
    except EntryNotFoundError as error:
        raise UserError(f"{path!r} on the hub has no {INDEX}: it is no diffusers pipeline; name one that is") from error
    return Located(path, _read(path, Path(file)), local=unreachable is not None)


def _unreachable(path: str) -> str | None:
    """Why the hub cannot be asked, None where it knows this id. One try: a download would go on trying for long."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        HfApi().model_info(path, timeout=TIMEOUT)
    except GatedRepoError:
        return None  # its files will say so
    except RepositoryNotFoundError as error:
        raise UserError(
            f"no folder {path!r} here, and the hub knows no such model, or it is private: check the spelling, or "
            "`hf auth login`"
        ) from error
    except OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set"
    except Exception as error:  # noqa: BLE001  each version of the hub's client has network errors of its own
        return " ".join(str(error).split())[:120] or type(error).__name__
    return None


def _read(path: str, file: Path) -> dict[str, Any]:
    """The index as it stands; UserError where there is none or it is broken."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path!r} has no {INDEX}: save a diffusers pipeline there with save_pretrained") from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}; restore or download it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds no JSON object; restore or download it again")
    return found
