"""The gates of the embedded model: what it must do on scenes it never saw, measured against the renderer's truth.

Every gate is a share or a mean over scenes with a 95 % interval (Wilson for shares, t for means). Masks of
generated and of true frames are taken with the same meter, so its own error does not count against the model.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sn_eval.interfaces import Progress, State
from sn_eval.models.tabletop import TabletopModel
from sn_eval.rollouts.chunk import ChunkRollout
from sn_eval.search.candidates import plain
from sn_eval.tabletop import scene as world
from sn_eval.tabletop import truth
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import Description, Scene, Thing

STEPS, CHUNKS, BATCH = 8, 8, 16
SHAPE = 0.6  # shape overlap from which an object counts as itself, as in metrics.tabletop_truth
OFFSET = 1_000_000  # seeds of held-out scenes: training draws from other generators


@dataclass(frozen=True)
class Gate:
    """One line of the table: the figure with its interval, what it must be, and whether it is."""

    what: str
    value: float | None
    low: float | None
    high: float | None
    must: str
    passed: bool
    n: int
    note: str = ""


@dataclass(frozen=True)
class Case:
    """A held-out scene, what the model made of it, and what really happens."""

    prompt: str
    scene: Scene
    made: Float[Tensor, "t 3 h w"]
    real: Float[Tensor, "t 3 h w"]


def share(hits: Sequence[bool]) -> tuple[float | None, float | None, float | None]:
    """A share with its Wilson interval.

    >>> [round(x, 3) for x in share([True] * 9 + [False])]
    [0.9, 0.596, 0.982]
    """
    n = len(hits)
    if n == 0:
        return None, None, None
    p, z = sum(hits) / n, 1.959964
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return p, (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def mean(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """A mean with its t-interval; NaN values are left out."""
    from scipy import stats

    known = torch.tensor([v for v in values if not math.isnan(v)], dtype=torch.float64)
    if len(known) < 2:
        return (float(known[0]) if len(known) else None), None, None
    middle, half = float(known.mean()), float(stats.t.ppf(0.975, len(known) - 1) * known.std() / len(known) ** 0.5)
    return middle, middle - half, middle + half


def _gate(what: str, figure: Any, n: int, low: float, high: float = math.inf, note: str = "") -> Gate:
    value = figure[0]
    must = f">= {low:g}" if high == math.inf else f"{low:g} … {high:g}" if low > -math.inf else f"<= {high:g}"
    passed = value is not None and low <= value <= high
    return Gate(what, value, figure[1], figure[2], must, passed, n, note)


# --- making the cases -------------------------------------------------------------------------------------


def generate(
    model: TabletopModel, prompts: Sequence[str], chunks: int, on_progress: Progress | None = None
) -> list[Case]:
    """Plain videos of prompts, in batches; prompt i has seed OFFSET + i."""
    rollout, cases = ChunkRollout(model, steps=STEPS, chunks=chunks), []
    for begin in range(0, len(prompts), BATCH):
        batch = list(enumerate(prompts))[begin : begin + BATCH]
        states: list[State] = [rollout.start([prompt], None, OFFSET + i) for i, prompt in batch]
        made = [[] if state.fixed is None else [state.fixed] for state in states]
        for _ in range(chunks):
            done = rollout.commit(rollout.expand([plain(state, rollout.noise_shape()) for state in states]))
            states = [each.state for each in done]
            for video, each in zip(made, done, strict=True):
                if each.frames is not None:
                    video.append(each.frames)
        scenes = [model.scene(prompt, OFFSET + i) for i, prompt in batch]
        frames = len(torch.cat(made[0]))
        real = render(scenes, torch.arange(float(frames)).expand(len(scenes), -1))
        for j, (_, prompt) in enumerate(batch):
            cases.append(Case(prompt, scenes[j], torch.cat(made[j]), real.frames[j]))
        if on_progress:
            on_progress(min(begin + BATCH, len(prompts)), len(prompts))
    return cases


def held_out(count: int, wanted: Callable[[Description], bool], draw: int) -> list[str]:
    """Captions of random scenes of the wanted sort, with everything said."""
    rng = random.Random(f"held-out:{draw}")
    found: list[str] = []
    while len(found) < count:
        said = world.random_description(rng)
        if wanted(said):
            found.append(said.caption())
    return found


def _tips(said: Description) -> bool:
    return any(thing.motion in ("tips", "toward") for thing in said.things)


# --- the gates --------------------------------------------------------------------------------------------


def check(model: TabletopModel, scenes: int = 64, draw: int = 0, on_progress: Progress | None = None) -> list[Gate]:
    """All gates on `scenes` held-out scenes (half of them for each event and for text-to-video).

    draw: which scenes; settings are chosen on other draws than the one that is reported (0).
    """
    few = max(8, scenes // 2)
    plans = [
        held_out(scenes, lambda said: not _tips(said), draw),
        held_out(few, lambda said: any(thing.motion == "tips" for thing in said.things), draw),
        held_out(few, lambda said: any(thing.motion == "toward" for thing in said.things), draw),
        held_out(few, lambda said: said.dims and not _tips(said), draw),
    ]
    done, total = 0, sum(map(len, plans)) + few
    cases = []
    for plan in plans:
        offset = done
        step = (lambda now, _all, offset=offset: on_progress(offset + now, total)) if on_progress else None
        cases.append(generate(model, plan, CHUNKS, step))
        done += len(plan)
    ordinary, tipping, rolling, dimming = cases
    gates = [*codec_gates(model, ordinary), *motion_gates(model, ordinary), *event_gates(tipping, rolling)]
    gates += light_gates(ordinary, dimming)
    gates += text_gates(model, few, draw)
    if on_progress:
        on_progress(total, total)
    return [*gates, speed_gate(model, ordinary[0].prompt)]


def codec_gates(model: TabletopModel, cases: Sequence[Case]) -> list[Gate]:
    """Peak signal-to-noise ratio of rendered frames that went through the codec, and the meters' own error there."""
    levels, overlaps = [], []
    for case in cases:
        frames = case.real[::8]
        back = model.codec.decode(model.codec.encode(frames))
        levels += truth.psnr(back, frames).tolist()
        before, after = truth.measure(frames, case.scene), truth.measure(back, case.scene)
        slots = [i for i, thing in enumerate(case.scene.things) if thing.kind != "glass"]
        overlaps += [v for i in slots for v in truth.overlap(before.masks[:, i], after.masks[:, i]).tolist()]
    worst = sorted(levels)[len(levels) // 100]
    meters, *_ = mean(overlaps)
    note = f"meters on decoded against rendered frames: IoU {meters:.2f}" if meters else ""
    return [
        _gate("codec PSNR, mean (dB)", mean(levels), len(levels), 36, note=note),
        _gate("codec PSNR, worst 1 % (dB)", (worst, None, None), len(levels), 30),
    ]


def motion_gates(model: TabletopModel, cases: Sequence[Case]) -> list[Gate]:
    """One chunk against the truth, eight chunks against the start, and the captioned direction."""
    chunk: dict[bool, list[float]] = {False: [], True: []}
    lasting: dict[bool, list[float]] = {False: [], True: []}
    direction = []
    first = slice(model.context_frames, model.context_frames + model.frames_per_chunk)
    for case in cases:
        made, real = truth.measure(case.made, case.scene), truth.measure(case.real, case.scene)
        for moving, slots in ((False, truth.still_things(case.scene)), (True, truth.moving_things(case.scene))):
            for i in slots:
                chunk[moving] += [truth.overlap(made.masks[first, i], real.masks[first, i]).nan_to_num(0).mean().item()]
                ratio = made.area[-6:, i] / real.area[0, i].clamp(min=1)
                shape = truth.keeps_shape(made.masks[-6:, i], real.masks[0, i])
                lasting[moving] += [float(((ratio > 0.5) & (ratio < 2) & (shape >= SHAPE)).float().mean() >= 0.5)]
                way = case.scene.things[i].motion
                if way in ("left", "right"):
                    moved = made.centre[9 : 9 + 16, i]
                    moved = moved[~moved.isnan()]
                    gone = float(moved[-1] - made.centre[0, i]) if len(moved) else 0.0
                    direction.append(gone > 2 if way == "right" else gone < -2)
    ends = [[bool(v) for v in lasting[moving]] for moving in (False, True)]
    return [
        _gate("one chunk on: IoU, still", mean(chunk[False]), len(chunk[False]), 0.8),
        _gate("one chunk on: IoU, moving", mean(chunk[True]), len(chunk[True]), 0.6),
        _gate("8 chunks: there and of its shape, still", share(ends[0]), len(ends[0]), 0.85),
        _gate("8 chunks: there and of its shape, moving", share(ends[1]), len(ends[1]), 0.5, 0.9),
        _gate("moves in the captioned direction", share(direction), len(direction), 0.9),
    ]


def event_gates(tipping: Sequence[Case], rolling: Sequence[Case]) -> list[Gate]:
    """Wine is spilled where the caption says so, and sometimes where only chance decides."""
    spills = [[truth.spilled(truth.measure(case.made, case.scene)) for case in cases] for cases in (tipping, rolling)]
    really = sum(case.scene.tips_at is not None for case in rolling) / max(len(rolling), 1)
    return [
        _gate("a captioned tip spills", share(spills[0]), len(spills[0]), 0.6),
        _gate(
            "a ball rolling toward the glass spills",
            share(spills[1]),
            len(spills[1]),
            0.15,
            0.6,
            note=f"in the rendered truth of these scenes: {really:.0%}",
        ),
    ]


def light_gates(ordinary: Sequence[Case], dimming: Sequence[Case]) -> list[Gate]:
    """The light keeps its colour to the end, and dims where and only where the caption says so."""
    tint, dims = [], []
    for case in (*ordinary, *dimming):
        seen = truth.measure(case.made[-6:], case.scene)
        tint += [max(set(names := truth.nearest_tint(seen.tint)), key=names.count) == case.scene.tint]
        dims += [(float(seen.level.mean()) < (1 + world.DIM_LEVEL) / 2) == case.scene.dims]
    return [
        _gate("light colour kept over 8 chunks", share(tint), len(tint), 0.95),
        _gate("light dims as captioned", share(dims), len(dims), 0.95),
    ]


def text_gates(model: TabletopModel, count: int, draw: int) -> list[Gate]:
    """Text-to-video: nothing but the caption; is the object's colour there, and is there a glass?"""
    was, model.from_text = model.from_text, True
    try:
        still = lambda said: all(thing.motion == "still" for thing in said.things)  # noqa: E731
        coloured = held_out(count, lambda said: still(said) and any(t.kind != "glass" for t in said.things), draw)
        setting = world.random_description(random.Random("text"))
        glasses = [
            Description((Thing("glass"),), table, wall, setting.tint, setting.light_from).caption()
            for table in world.TABLES for wall in world.WALLS
        ][:count]  # fmt: skip
        seen = _text_areas(model, coloured, lambda thing: thing.kind != "glass")
        wine = _text_areas(model, glasses, lambda thing: thing.kind == "glass")
    finally:
        model.from_text = was
    return [
        _gate("text-to-video: object's colour there", share([a >= 25 for a in seen]), len(seen), 0.9),
        _gate("text-to-video: wine there", share([a >= 15 for a in wine]), len(wine), 0.8),
    ]


def _text_areas(model: TabletopModel, prompts: Sequence[str], counts: Callable[[Thing], bool]) -> list[float]:
    """Median pixels of the first object that counts, over two chunks from text alone."""
    areas = []
    for case in generate(model, prompts, 2):
        seen = truth.measure(case.made, case.scene)
        slot = next(i for i, thing in enumerate(case.scene.things) if counts(thing))
        areas.append(float(seen.area[:, slot].median()))
    return areas


def speed_gate(model: TabletopModel, prompt: str) -> Gate:
    """Seconds of one chunk of plain sampling on this machine; the fastest of three."""
    rollout = ChunkRollout(model, steps=STEPS, chunks=1)
    took = []
    for _ in range(3):
        began = time.perf_counter()
        rollout.commit(rollout.expand([plain(rollout.start([prompt], None, 0), rollout.noise_shape())]))
        took.append(time.perf_counter() - began)
    note = f"{STEPS} steps, guidance {model.guidance:g}, {torch.get_num_threads()} threads"
    return _gate("one chunk, plain sampling (s)", (min(took), None, None), 3, -math.inf, 0.5, note=note)
