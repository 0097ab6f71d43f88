"""Labels whose truth is known: drawn numbers, drawn videos, and a head that was fitted on them."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from rewarding import BLUE, RED, exposed, still, video

from rewards.labelling.clip_features import ClipFeatures
from rewards.labelling.fitting import fit_head, task_of
from rewards.labelling.heads import save_head
from rewards.labelling.labels import Clip, Labels

SLOPES = np.array([2.0, -1.0, 0.0, 0.0])
TIE = 1.0
GRADES = np.array([-3.0, -1.0, 1.0, 3.0])
PIXELS = ("object_persistence", "lighting_consistency", "motion_floor")


def judged(kind="pass", prompts=20, per=5, seed=0, slopes=SLOPES):
    """Labels drawn from the very model that heads assume, the features `f0`…`f3`, and the true log-odds of clips."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(prompts * per, len(slopes)))
    true = x @ slopes
    group = np.repeat(np.arange(prompts), per)
    first, second = np.arange(len(x)), None
    if kind == "pass":
        values = (rng.logistic(size=len(x)) < true).astype(float)
    elif kind == "grade":
        values = 1.0 + ((true + rng.logistic(size=len(x)))[:, None] > GRADES).sum(1)
    else:
        first, second = np.nonzero(np.triu(group[:, None] == group, 1))
        gap = true[first] - true[second] + rng.logistic(size=len(first))
        values, group = np.where(gap > TIE, 1.0, np.where(gap > -TIE, 0.5, 0.0)), group[first]
    return labels_of(kind, values, group, first, second, len(x)), rows_of(x), true


def labels_of(kind, values, groups, first=None, second=None, clips=None):
    """Labels from arrays; by default judgement i is of clip i."""
    first = np.arange(len(values)) if first is None else first
    return Labels(
        kind=kind,
        clips=tuple(Clip(Path(f"{i}.mp4")) for i in range(clips or len(values))),
        first=tuple(first.tolist()),
        second=None if second is None else tuple(second.tolist()),
        values=tuple(float(value) for value in values),
        groups=tuple(np.asarray(groups).tolist()),
        raters=("",) * len(values),
    )


def rows_of(x):
    return [{f"f{i}": float(value) for i, value in enumerate(row)} for row in x]


def good_and_bad(prompts=5, frames=6):
    """Per prompt two videos to pass and two to fail (a thing vanishes, the light goes): prompt, passed, video."""
    found = []
    for prompt in range(prompts):
        look = {"start": 14 + 3 * prompt, "colour": (RED, BLUE)[prompt % 2], "kind": ("disc", "box")[prompt // 2 % 2]}
        whole, other = video(frames, seed=prompt, **look), video(frames, seed=prompt + 50, speed=2.5, **look)
        half = frames // 2
        gone = torch.cat([whole[:, :half], still(frames - half)], dim=1)
        dark = torch.cat([other[:, :half], exposed(other[:, half:], -1.0 - 0.1 * prompt)], dim=1)
        found += [(prompt, passed, clip) for passed, clip in [(1, whole), (1, other), (0, gone), (0, dark)]]
    return found


_FOLDER = tempfile.TemporaryDirectory(prefix="sn_eval_head_")


@cache
def drawn_head() -> Path:
    """A head that tells good drawn videos from bad ones, in a file that goes when Python ends."""
    prompts, passed, clips = zip(*good_and_bad(), strict=True)
    features = ClipFeatures(PIXELS)
    found = features(torch.cat(clips), [""] * len(clips), fps=8.0)
    rows = [{name: float(column[i]) for name, column in found.items()} for i in range(len(clips))]
    task = task_of(labels_of("pass", passed, prompts), rows)
    path = Path(_FOLDER.name) / "drawn.skops"
    save_head(fit_head(task, members=6, recipe=features.recipe), path)
    return path
