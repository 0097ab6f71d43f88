"""A reward of one's own to begin with: the Python file, its YAML, and a test that passes as written.

Three files called after the reward, so that `NAME.py:NAME` names it wherever a reward is named.
"""

import keyword
import re
import sys
from pathlib import Path

from rewards.base import UserError
from rewards.registry import did_you_mean
from rewards.templates import load, names, path_of

BLANK = "blank"
BLANK_ABOUT = "A function of ten lines that measures something simple: how near every frame stays to the first one."
RESERVED = {"component", "reward", "rewards", "sn_eval", "torch", "pytest", "yaml", "numpy"}

BLANK_FILE = '''\
"""The reward `{name}`: how near does every frame stay to the first one? Change what it measures below."""

from rewards.base import anchor_or_first, reward


@reward(family="pixel-difference", range=(0.0, 1.0), needs=("anchor",))
def {name}(frames, prompts, *, fps, anchor=None, metadata=None, tolerance: float = 0.2):
    """1 for a video that stays as it began, falling to 0 once pixels differ by `tolerance` (of 0..1) on average."""
    first = anchor_or_first(frames, anchor)[:, :1]  # [b 1 c h w]
    difference = (frames - first).abs().mean(dim=(2, 3, 4))  # [b t]: one number a frame
    return (1 - difference / tolerance).clamp(0, 1)  # [b t]: the video's score is the mean over its frames
'''

COMPOSITE_FILE = '''\
"""The reward `{name}`, made of the parts in {name}.yaml: weights, floors and acceptance criteria."""

from pathlib import Path

from rewards.composite import Composite
from rewards.registry import component


@component("{name}")
def {name}() -> Composite:
    """{about}"""
    return Composite(file=str(Path(__file__).with_suffix(".yaml")))
'''

TEST_FILE = '''\
"""Does `{name}` do what it is for? Run `pytest test_{name}.py`. Put your own clips and faults here."""

from pathlib import Path

import torch

import rewards

REWARD = rewards.create(f"{{Path(__file__).with_name('{name}.py')}}:{name}")


def clip(frames=8):
    """A red square slides over a grey floor before a green wall: [1 t 3 64 64], RGB in 0..1."""
    video = torch.full((1, frames, 3, 64, 64), 0.7)
    video[:, :, :, :32] *= torch.tensor([0.8, 1.1, 0.9]).view(3, 1, 1)
    for t in range(frames):
        video[0, t, :, 40:52, 12 + 2 * t : 24 + 2 * t] = torch.tensor([0.85, 0.12, 0.10]).view(3, 1, 1)
    return video


def score(video):
    return REWARD(video, ["a red square slides to the right"] * len(video), fps=8.0, anchor=clip()[:, :1]).values


def test_a_video_that_falls_apart_scores_lower():
    good, bad = clip(), clip()
    bad[:, 4:] = 0.3 * bad[:, 4:].mean(dim=(3, 4), keepdim=True)  # from here on: dark, and nothing left in it
    assert score(bad) < score(good) - 0.05


def test_scores_lie_in_the_declared_range():
    low, high = REWARD.spec.range
    assert low <= score(clip()) <= high


def test_a_score_does_not_depend_on_its_company():
    good, dark = clip(), 0.5 * clip()
    together = score(torch.cat([good, dark]))
    assert torch.allclose(together, torch.cat([score(good), score(dark)]), atol=REWARD.spec.batch_tolerance)
'''


def choices() -> dict[str, str]:
    """What `write` can begin with: names, and what each is for."""
    return {BLANK: BLANK_ABOUT} | {name: load(name).about for name in names()}


def write(name: str, template: str = BLANK, folder: Path | str = ".") -> list[Path]:
    """Write NAME.py, NAME.yaml (unless `template` is "blank") and test_NAME.py; returns their paths.

    Raises UserError for a bad name, an unknown template, a file that is already there, or a folder that cannot
    be written. Nothing is overwritten, and nothing is written unless all can be.
    """
    _check_name(name)
    folder = Path(folder)
    texts = {folder / file: text for file, text in _texts(name, template).items()}
    present = [path for path in texts if path.exists()]
    if present:
        raise UserError(f"{present[0]} is already there: choose another name or folder, or move it away")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}. Choose a writable folder") from error
    return list(texts)


def _texts(name: str, template: str) -> dict[str, str]:
    """File names and what goes in."""
    test = {f"test_{name}.py": TEST_FILE.format(name=name)}
    if template == BLANK:
        return {f"{name}.py": BLANK_FILE.format(name=name), **test}
    if template not in names():
        known = list(choices())
        raise UserError(f"unknown template {template!r}.{did_you_mean(template, known)} Known: {', '.join(known)}")
    settings = path_of(template).read_text(encoding="utf-8")
    return {
        f"{name}.py": COMPOSITE_FILE.format(name=name, about=load(template).about),
        f"{name}.yaml": re.sub(r"(?m)^name: .*$", f"name: {name}", settings),
        **test,
    }


def _check_name(name: str) -> None:
    """Raise UserError unless NAME.py can be imported and called without hiding something else."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UserError(f"name {name!r}: use small letters, digits and _, with a letter first, such as my_shop")
    if name in RESERVED or name in sys.stdlib_module_names or name.startswith("test_"):
        raise UserError(f"name {name!r} would hide something that Python needs: choose another, such as my_{name}")
