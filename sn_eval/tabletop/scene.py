"""What happens on the table: scenes, the captions that describe them, and the parser that reads a caption back.

Lengths are pixels of the 64x64 picture, times are frames. Everything a caption can leave open is `None` in a
`Description`; `complete` fills it in by chance, so one description names a whole family of scenes.
"""

import random
import re
from dataclasses import dataclass, field, replace

from rewards.base import UserError

SIZE = 64
FPS = 8

OBJECT_COLOURS = {
    "red": (0.85, 0.12, 0.10),
    "green": (0.12, 0.62, 0.22),
    "blue": (0.13, 0.28, 0.85),
    "yellow": (0.93, 0.80, 0.12),
    "purple": (0.55, 0.18, 0.70),
}
WINE = (0.42, 0.02, 0.10)
TABLES = ("wooden", "marble", "white", "black")
WALLS = {
    "grey": (0.72, 0.72, 0.72),
    "beige": (0.85, 0.78, 0.64),
    "sky": (0.60, 0.75, 0.88),
    "mint": (0.64, 0.83, 0.68),
    "pink": (0.91, 0.69, 0.72),
}
TINTS = {"warm": (1.06, 0.97, 0.80), "white": (1.0, 1.0, 1.0), "cool": (0.84, 0.95, 1.08)}
SIDES = ("left", "right")

# Half widths (for contact and room), and the base line of the two lanes objects stand on.
HALF_WIDTH = {"ball": 6.0, "cube": 7.3, "bottle": 4.0, "glass": 4.6}
LANES = {"front": 56.0, "back": 43.0}

SPEED = 1.25  # pixels a frame of everything that rolls or slides
BRAKE = 6.0  # frames in which it comes to rest
SWING_PERIOD = 40.0  # frames of one back-and-forth
TURN_RATE = 3.0  # degrees a frame of a turning cube
TIP_FRAMES = 6.0  # from upright to lying
SPILL_FRAMES = 8.0  # growth of the puddle after the glass has begun to lie
DIM_FRAMES, DIM_LEVEL = 10.0, 0.5
CHANCE_OF_TIP = 1 / 3  # a ball that reaches the glass

MOTIONS = {
    "ball": ("still", "right", "left", "back and forth"),
    "cube": ("still", "right", "left", "back and forth", "turns"),
    "bottle": ("still",),
    "glass": ("still", "tips"),
}
VERBS = {"ball": "rolls", "cube": "slides"}
REST = {"ball": "lies still", "cube": "lies still", "bottle": "stands still", "glass": "stands still"}


@dataclass(frozen=True)
class Thing:
    """One object: what it is, where its base centre starts, and how it moves.

    `x` start (px), `lane` "front" or "back", `travel` signed distance (px) of a one-way motion,
    `swing` amplitude (px) and `phase` (radians) of a back-and-forth.
    """

    kind: str
    colour: str | None = None
    motion: str = "still"
    x: float = 32.0
    lane: str = "front"
    travel: float = 0.0
    swing: float = 0.0
    phase: float = 0.0

    def words(self) -> str:
        """The caption of this object alone: 'a red ball rolls to the left'."""
        name = "a glass of red wine" if self.kind == "glass" else f"a {self.colour} {self.kind}".replace("None ", "")
        if self.motion == "tips":
            return f"{name} tips over and the wine spills"
        if self.motion == "still":
            return f"{name} {REST[self.kind]}"
        if self.motion == "turns":
            return f"{name} turns"
        if self.motion == "toward":
            return f"{name} rolls toward a glass of red wine"
        path = "back and forth" if self.motion == "back and forth" else f"to the {self.motion}"
        return f"{name} {VERBS[self.kind]} {path}"


@dataclass(frozen=True)
class Description:
    """What a caption says. `None` and an empty tuple mean: not said."""

    things: tuple[Thing, ...] = ()
    table: str | None = None
    wall: str | None = None
    tint: str | None = None
    light_from: str | None = None
    dims: bool = False

    def caption(self) -> str:
        """The canonical caption, in the words the model was trained on."""
        parts, toward = [], any(thing.motion == "toward" for thing in self.things)
        for thing in self.things:
            if not (toward and thing.kind == "glass"):  # the sentence of the ball names the glass
                parts.append(thing.words())
        if self.table:
            parts.append(f"on a {self.table} table")
        if self.wall:
            parts.append(f"{self.wall} wall")
        if self.tint or self.light_from:
            side = f" from the {self.light_from}" if self.light_from else ""
            parts.append(f"{self.tint + ' ' if self.tint else ''}light{side}")
        if self.dims:
            parts.append("the light dims")
        return ", ".join(parts)


@dataclass(frozen=True)
class Scene(Description):
    """A fully determined scene: a `Description` with nothing left open, plus the times of its events (frames).

    `tips_at` is None where the glass stays upright; `tips_to` is -1 (left) or 1 (right).
    """

    table: str = "wooden"
    wall: str = "grey"
    tint: str = "white"
    light_from: str = "left"
    dims_at: float | None = None
    tips_at: float | None = None
    tips_to: int = 1
    said: Description = field(default_factory=Description)


def _word(text: str, words) -> str | None:
    return next((w for w in words if re.search(rf"\b{w}\b", text)), None)


def _thing(clause: str, kind: str) -> Thing:
    colour = None if kind == "glass" else _word(clause, OBJECT_COLOURS)
    if kind == "glass":
        motion = "tips" if re.search(r"\b(tip|tips|tipping|spill|spills|falls?)\b", clause) else "still"
    elif re.search(r"\bback and forth\b", clause):
        motion = "back and forth"
    elif re.search(r"\b(turns?|turning|rotates?|spins?)\b", clause):
        motion = "turns"
    elif re.search(r"\b(rolls?|rolling|slides?|sliding|moves?|moving)\b", clause):
        motion = "left" if re.search(r"\bto(wards?)? the left\b", clause) else "right"
    else:
        motion = "still"
    if motion not in MOTIONS[kind]:
        raise UserError(
            f"{clause.strip()!r}: a {kind} of the tabletop world can be {', '.join(MOTIONS[kind])}, not {motion!r}."
        )
    return Thing(kind, colour, motion)


def parse(prompt: str) -> Description:
    """Read a prompt. Words the world does not know are passed over; a prompt without any object is refused.

    >>> parse("a red ball rolls to the left, on a marble table, warm light").caption()
    'a red ball rolls to the left, on a marble table, warm light'
    """
    text = " ".join(prompt.lower().split())
    if not text:
        raise UserError("empty prompt: describe a scene, for example 'a red ball rolls to the left'.")
    things: list[Thing] = []
    for clause in re.split(r"[,.;]| and (?=an? )| while ", text):
        kinds = sorted((clause.find(kind), kind) for kind in MOTIONS if re.search(rf"\b{kind}\b", clause))
        if len(kinds) == 2 and re.search(r"\b(towards?|into|at)\b an?", clause) and kinds[1][1] == "glass":
            if kinds[0][1] != "ball":
                raise UserError(f"{clause.strip()!r}: only a ball can roll toward the glass in the tabletop world.")
            ball = _word(clause.split("glass")[0], OBJECT_COLOURS)
            things += [Thing("ball", ball, "toward"), Thing("glass")]
        elif kinds:
            things.append(_thing(clause, kinds[0][1]))
    if not things:
        raise UserError(
            f"prompt {prompt!r} names none of the objects the tabletop model knows: {', '.join(MOTIONS)}. "
            "Try 'a red ball rolls to the left, on a wooden table'."
        )
    if len(things) > 2:
        raise UserError(f"prompt {prompt!r} names {len(things)} objects; the tabletop world holds at most 2.")
    light = re.search(r"\blight from the (left|right)\b", text)
    return Description(
        things=tuple(things),
        table=next((t for t in TABLES if re.search(rf"\b{t} table\b", text)), None),
        wall=next((w for w in WALLS if re.search(rf"\b{w} wall\b", text)), None),
        tint=next((t for t in TINTS if re.search(rf"\b{t} light\b", text)), None),
        light_from=light.group(1) if light else None,
        dims=bool(re.search(r"\b(lights?) dims?\b", text)),
    )


def _placed(thing: Thing, lane: str, rng: random.Random) -> Thing:
    """Give an object its start and path, inside the picture for its whole life."""
    thing = replace(thing, lane=lane, colour=thing.colour or rng.choice(list(OBJECT_COLOURS)))
    if thing.motion in ("right", "left"):
        start, end = rng.uniform(9, 16), rng.uniform(46, 55)
        sign = 1 if thing.motion == "right" else -1
        return replace(thing, x=start if sign > 0 else SIZE - start, travel=sign * (end - start))
    if thing.motion == "back and forth":
        return replace(thing, x=rng.uniform(24, 40), swing=rng.uniform(9, 12), phase=rng.uniform(0, 6.283))
    return replace(thing, x=rng.uniform(14, 50))


def _approach(things: tuple[Thing, ...], rng: random.Random) -> tuple[Thing, ...]:
    """A ball rolls up to the glass in the same lane, from either side, and stops where they touch."""
    sign = rng.choice((-1, 1))
    glass_x = 32 + sign * rng.uniform(2, 6)
    start = 32 - sign * rng.uniform(18, 23)
    stop = glass_x - sign * (HALF_WIDTH["ball"] + HALF_WIDTH["glass"] + 0.5)
    placed = []
    for thing in things:
        if thing.kind == "glass":
            placed.append(replace(thing, x=glass_x, lane="front", colour="red"))
        else:
            placed.append(
                replace(
                    thing,
                    x=start,
                    lane="front",
                    travel=stop - start,
                    colour=thing.colour or rng.choice(list(OBJECT_COLOURS)),
                )
            )
    return tuple(placed)


def travel_time(distance: float) -> float:
    """Frames until something that covers `distance` px at SPEED, braking evenly over BRAKE frames, rests."""
    return (abs(distance) - SPEED * BRAKE / 2) / SPEED + BRAKE


def complete(said: Description, rng: random.Random) -> Scene:
    """Fill in by chance everything a description leaves open (places, unsaid colours, times of events)."""
    toward = any(thing.motion == "toward" for thing in said.things)
    if toward:
        things = _approach(said.things, rng)
    else:
        # what moves or tips stands in front, so that nothing hides it
        order = sorted(said.things, key=lambda thing: thing.motion == "still")
        lanes = ["front", "back"] if order[0].motion != "still" or rng.random() < 0.5 else ["back", "front"]
        things = tuple(_placed(thing, lane, rng) for thing, lane in zip(order, lanes, strict=False))
    tips_at, tips_to = None, 1
    glass = next((thing for thing in things if thing.kind == "glass"), None)
    if glass and glass.motion == "tips":
        glass_x = rng.uniform(26, 38)
        things = tuple(replace(thing, x=glass_x) if thing is glass else thing for thing in things)
        tips_at, tips_to = rng.uniform(5, 14), 1 if glass_x < 32 else -1
    elif toward and rng.random() < CHANCE_OF_TIP:
        ball = next(thing for thing in things if thing.kind == "ball")
        tips_at, tips_to = travel_time(ball.travel) - BRAKE / 2, 1 if ball.travel > 0 else -1
    return Scene(
        things=tuple(sorted(things, key=lambda thing: thing.lane)),  # the back lane is drawn first
        table=said.table or rng.choice(TABLES),
        wall=said.wall or rng.choice(list(WALLS)),
        tint=said.tint or rng.choice(list(TINTS)),
        light_from=said.light_from or rng.choice(SIDES),
        dims=said.dims,
        dims_at=rng.uniform(5, 16) if said.dims else None,
        tips_at=tips_at,
        tips_to=tips_to,
        said=said,
    )


def random_description(rng: random.Random) -> Description:
    """Draw what happens, as the training data does: about 85 % of the scenes move or tip."""
    colour = lambda: rng.choice(list(OBJECT_COLOURS))  # noqa: E731
    draw = rng.random()
    movers = [
        ("ball", "right"),
        ("ball", "left"),
        ("ball", "back and forth"),
        ("cube", "right"),
        ("cube", "left"),
        ("cube", "back and forth"),
        ("cube", "turns"),
    ]
    still = lambda: Thing(kind := rng.choice(list(MOTIONS)), None if kind == "glass" else colour())  # noqa: E731
    kind, motion = rng.choices(movers, weights=(4, 4, 3, 2, 2, 1, 1))[0]
    if draw < 0.28:
        things = [Thing(kind, colour(), motion)]
    elif draw < 0.56:
        things = [Thing(kind, colour(), motion), still()]
    elif draw < 0.74:
        things = [Thing("ball", colour(), "toward"), Thing("glass")]
    elif draw < 0.85:
        things = [Thing("glass", None, "tips")] + ([still()] if rng.random() < 0.4 else [])
        things = things[:1] if things[-1].kind == "glass" else things
    else:
        things = [still() for _ in range(rng.choice((1, 2)))]
        things = things[:1] if len(things) == 2 and things[0].kind == things[1].kind else things
    return Description(
        things=tuple(things),
        table=rng.choice(TABLES),
        wall=rng.choice(list(WALLS)),
        tint=rng.choice(list(TINTS)),
        light_from=rng.choice(SIDES),
        dims=rng.random() < 0.12,
    )


def random_scene(rng: random.Random, silence: float = 0.15) -> Scene:
    """A random scene; `silence` is the chance that each attribute of the setting goes unsaid in its caption."""
    full = random_description(rng)
    hush = lambda value: None if rng.random() < silence else value  # noqa: E731
    said = replace(
        full, table=hush(full.table), wall=hush(full.wall), tint=hush(full.tint), light_from=hush(full.light_from)
    )
    return replace(complete(full, rng), said=said)


# Closed vocabulary: every word a caption can hold. Index 0 pads, index 1 stands for any other word.
VOCABULARY = (
    "<pad>",
    "<unknown>",
    *sorted(
        {
            word
            for words in (
                "a glass of red wine tips over and the wine spills stands still lies turns rolls slides toward to",
                "left right back forth on table wall light from dims",
                *MOTIONS,
                *OBJECT_COLOURS,
                *TABLES,
                *WALLS,
                *TINTS,
            )
            for word in words.split()
        }
    ),
)
MAX_WORDS = 48


def tokens(caption: str) -> list[int]:
    """Word indices of a caption, padded with 0 to MAX_WORDS."""
    index = {word: i for i, word in enumerate(VOCABULARY)}
    ids = [index.get(word, 1) for word in re.findall(r"[a-z]+", caption.lower())][:MAX_WORDS]
    return ids + [0] * (MAX_WORDS - len(ids))
