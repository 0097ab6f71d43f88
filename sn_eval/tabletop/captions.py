"""What a single frame shows, in words: facts of the frame, the phrases that state them, and which texts are true of it.

A video's caption tells what happens; an event is read frame by frame, so before the tip the glass stands upright and
after it there is spilled wine. Facts are exact (the renderer's own state) or unknown, as while the glass is falling;
of an event it is also known how far it has gone.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from sn_eval.tabletop import scene as world
from sn_eval.tabletop.render import render
from sn_eval.tabletop.scene import Scene

SOLID = ("ball", "cube", "bottle")
OBJECTS = tuple(f"{colour} {kind}" for kind in SOLID for colour in world.OBJECT_COLOURS)
GROUPS: dict[str, tuple[str, ...]] = {
    "kind": (*SOLID, "glass"),
    "object": (*OBJECTS, "glass"),
    "glass": ("upright", "spilled"),
    "spill": ("clean", "spilled"),
    "level": ("bright", "dim"),
    "tint": tuple(f"{tint} light" for tint in world.TINTS),
    "table": tuple(f"{table} table" for table in world.TABLES),
    "wall": tuple(f"{wall} wall" for wall in world.WALLS),
}
"""Questions that a frame answers: of the facts of a group, one is true (of kinds and objects, one for each thing)."""
FACTS = tuple(dict.fromkeys(fact for group in GROUPS.values() for fact in group))
INDEX = {fact: i for i, fact in enumerate(FACTS)}

LATEST = 44.0  # frames: the last moment of a scene that is looked at; by then every event is over
LEAST_SEEN = 35.0  # pixels: a thing of which less is seen is neither there nor not there
EVENTS = {"spilled": ("clean", "upright"), "dim": ("bright",)}
"""Facts that come about by degrees (from upright to a whole puddle, from full light to half), and their opposites."""
SURELY = 0.85  # degree from which an event has happened; 1 − this, up to which it has not

_TINT_WORDS = {"warm": "yellowish", "white": "neutral", "cool": "bluish"}
PHRASES: dict[str, tuple[str, ...]] = {
    **{kind: (f"a {kind}", f"a coloured {kind}", f"one {kind} on a table") for kind in SOLID},
    "glass": (
        "a glass", "a wine glass", "a glass of red wine", "a glass of wine", "a glass with red wine",
    ),
    **{
        f"{colour} {kind}": (
            f"a {colour} {kind}", f"a {colour} {kind} {world.REST[kind]}", f"a {kind} that is {colour}",
            f"a {colour} {kind} on a table", *motions,
        )
        for kind, verb in (("ball", "rolls"), ("cube", "slides"), ("bottle", ""))
        for colour in world.OBJECT_COLOURS
        for motions in [
            (f"a {colour} {kind} {verb} to the left", f"a {colour} {kind} {verb} to the right",
             f"a {colour} {kind} {verb} back and forth", f"a {colour} {kind} moves", f"a {colour} {kind} turns")
            if verb else ()
        ]
    },
    "upright": (
        "an upright glass of red wine", "an upright wine glass", "a glass of red wine stands upright",
        "a glass of red wine stands still", "a standing glass filled with red wine", "a full glass of red wine",
        "a full wine glass standing on the table", "red wine inside its glass", "the wine stays in the glass",
        "a glass of wine stands on the table", "an intact glass of red wine", "the glass is standing",
    ),
    "spilled": (
        "a tipped over glass and spilled red wine", "a glass of red wine tips over and the wine spills",
        "a glass lies on its side and the wine has spilled", "spilled red wine on the table", "spilled wine",
        "a puddle of red wine", "a puddle of red wine on the table", "a knocked over wine glass", "a wine stain",
        "a fallen glass and a wine stain", "a toppled glass with spilled wine", "an overturned glass of red wine",
        "an overturned wine glass", "the glass has fallen over", "the wine is spilled", "wine spills",
        "a tipped over wine glass", "the wine has been spilled on the table",
    ),
    "clean": (
        "a clean table", "a dry table", "a tidy table", "a clean and dry table", "the table is clean",
        "the table stays dry", "everything is in its place",
    ),
    "bright": (
        "bright light", "the light is bright", "a bright scene", "a brightly lit table", "full light",
        "a well lit scene", "the light stays bright", "a well lit table",
    ),
    "dim": (
        "dim light", "the light is dim", "a dark scene", "a dimly lit table", "low light", "a dimly lit scene",
        "the light dims", "the light has dimmed", "the lights are low", "the light gets darker",
    ),
    **{
        f"{tint} light": (
            f"{tint} light", f"{tint} lighting", f"the light is {tint}", f"a scene in {tint} light",
            f"{word} light", f"a table lit by {tint} light", f"{tint}, {word} light",
            f"{tint} light from the left", f"{tint} light from the right",
        )
        for tint, word in _TINT_WORDS.items()
    },
    **{
        f"{table} table": (f"a {table} table", f"on a {table} table", f"a table that is {table}",
                           f"things on a {table} table")
        for table in world.TABLES
    },
    **{
        f"{wall} wall": (f"a {wall} wall", f"{wall} wall", f"in front of a {wall} wall", f"the wall is {wall}")
        for wall in world.WALLS
    },
}  # fmt: skip
TEMPLATES = (
    "{}", "{}.", "a photo of {}", "a picture of {}", "a photo: {}", "a video frame of {}", "a frame of a video: {}",
    "a scene with {}", "the picture shows {}", "an image of {}",
)  # fmt: skip
EXTRA_WORDS = "this is there in and no of any without with under over at near beside by two cup drink liquid box object"


@dataclass(frozen=True)
class Statement:
    """A text and the facts that it states."""

    text: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Look:
    """What frames show: `facts` 1 true, 0 false, −1 not to be said, in the order of FACTS; `degree` 0..1 of EVENTS."""

    frames: Float[Tensor, "b t 3 h w"]
    facts: Int8[Tensor, "b t f"]
    degree: Float[Tensor, "b t e"]


def training_scene(rng: random.Random) -> Scene:
    """A random scene: all kinds of things equally often, mostly two, wine that often spills, light that often dims."""
    said = world.random_description(rng)
    if rng.random() < 0.8:
        kinds = rng.sample(list(world.MOTIONS), 2)[: rng.choice((1, 2, 2, 2))]
        said = replace(said, things=tuple(_thing(kind, rng) for kind in kinds))
    return world.complete(replace(said, dims=rng.random() < 0.4), rng)


def _thing(kind: str, rng: random.Random) -> world.Thing:
    motion = rng.choice(world.MOTIONS[kind])
    return world.Thing(kind, None if kind == "glass" else rng.choice(list(world.OBJECT_COLOURS)), motion)


def look(scenes: Sequence[Scene], times: Float[Tensor, "b t"]) -> Look:
    """Draw scenes at the given times (frames since each scene's own start) and say what there is to see."""
    rendered = render(scenes, times)
    facts = torch.zeros(*times.shape, len(FACTS), dtype=torch.int8)
    shown = torch.where(rendered.masks.sum((-1, -2)) >= LEAST_SEEN, 1, -1).to(torch.int8)
    for b, scene in enumerate(scenes):
        for fact in (f"{scene.tint} light", f"{scene.table} table", f"{scene.wall} wall"):
            facts[b, :, INDEX[fact]] = 1
        for slot, thing in enumerate(scene.things):
            names = ("glass",) if thing.kind == "glass" else (thing.kind, f"{thing.colour} {thing.kind}")
            for name in names:  # of two alike, one that is seen is enough
                known = facts[b, :, INDEX[name]]
                facts[b, :, INDEX[name]] = torch.where(known == 1, known, shown[b, :, slot])
    state = rendered.motion
    glass = torch.tensor([[any(thing.kind == "glass" for thing in scene.things)] for scene in scenes])
    fallen = state.tilt.abs() / math.radians(86)
    spilled = (fallen + state.spill) / 2 * glass
    dim = (1 - state.level) / (1 - world.DIM_LEVEL)
    for event, opposite, degree in (("spilled", "clean", spilled), ("dim", "bright", dim)):
        facts[..., INDEX[event]] = _graded(degree)
        facts[..., INDEX[opposite]] = _graded(1 - degree)
    facts[..., INDEX["upright"]] = torch.where(glass, facts[..., INDEX["clean"]], 0)
    return Look(rendered.frames, facts, torch.stack([spilled, dim], -1))


def _graded(degree: Float[Tensor, "*n"]) -> Int8[Tensor, "*n"]:
    """1 for what is surely so, 0 for what surely is not, −1 between."""
    return torch.where(degree >= SURELY, 1, torch.where(degree <= 1 - SURELY, 0, -1)).to(torch.int8)


def question(group: str, rng: random.Random) -> list[Statement]:
    """One statement for each fact of a group, all in the same frame of words."""
    template = rng.choice(TEMPLATES)
    return [Statement(template.format(rng.choice(PHRASES[fact])), (fact,)) for fact in GROUPS[group]]


def caption(facts: Int8[Tensor, "f"], rng: random.Random) -> Statement:
    """A few of the frame's true facts in one sentence, from different groups."""
    true = [fact for fact, value in zip(FACTS, facts.tolist(), strict=True) if value == 1]
    by_group = {group: [fact for fact in GROUPS[group] if fact in true] for group in GROUPS}
    groups = [group for group, found in by_group.items() if found and group != "kind"]
    chosen = sorted(rng.sample(groups, min(len(groups), rng.choice((1, 2, 2, 3, 4)))), key=list(GROUPS).index)
    stated = tuple(dict.fromkeys(rng.choice(by_group[group]) for group in chosen))
    text = rng.choice((", ", ", ", " and ")).join(rng.choice(PHRASES[fact]) for fact in stated)
    return Statement(rng.choice(TEMPLATES).format(text), stated)


def truth(facts: Int8[Tensor, "n f"], statements: Sequence[Statement]) -> Int8[Tensor, "n s"]:
    """Which statements are true of which frames: 1 where all their facts are, 0 where any is false, else −1."""
    columns = []
    for statement in statements:
        values = facts[:, [INDEX[fact] for fact in statement.facts]]
        columns.append(torch.where((values == 0).any(1), 0, torch.where((values == 1).all(1), 1, -1)))
    return torch.stack(columns, 1).to(torch.int8)


def words() -> list[str]:
    """Every word of the phrases, the templates, and the world's own captions, sorted."""
    texts = [*TEMPLATES, *world.VOCABULARY[2:], EXTRA_WORDS, *(text for each in PHRASES.values() for text in each)]
    return sorted({word for text in texts for word in re.findall("[a-z]+", text)})
