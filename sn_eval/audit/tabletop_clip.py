"""How often tabletop-clip is right: zero-shot questions on frames of scenes that it never saw.

Asked of rendered frames, of the same frames after the codec, and of frames that the embedded video model made. Of the
latter, the pixel meters say what they show (is there wine on the table, how bright is it); what the model lost is not
asked. Every figure is a share with its Wilson interval.
"""

import random

import torch
from jaxtyping import Float, Int8
from torch import Tensor

from rewards.encoders import Encoder
from rewards.functional import unit
from sn_eval.audit import gates
from sn_eval.audit.gates import Case, Gate, share
from sn_eval.interfaces import Progress
from sn_eval.models.tabletop import TabletopModel
from sn_eval.tabletop import captions, truth
from sn_eval.tabletop.captions import FACTS, GROUPS, INDEX, LATEST, PHRASES, TEMPLATES

GOAL = 0.95
CHUNKS = 3  # of a generated video, whose last frame is asked about
LEAST_AREA = 25  # pixels of a thing that is there
PUDDLE, DRY = 20, 4  # pixels of wine on the table more than at the start: spilled from, upright up to
QUESTIONS = {
    "object kind": "kind",
    "object colour": "object",
    "glass spilled or upright": "glass",
    "light warm, white or cool": "tint",
    "light dim or bright": "level",
}


def check_clip(
    encoder: Encoder,
    model: TabletopModel,
    scenes: int = 400,
    made: int = 64,
    draw: int = 0,
    on_progress: Progress | None = None,
) -> list[Gate]:
    """All questions on all three sorts of frames; the goal holds for rendered and decoded ones.

    scenes: rendered ones, one frame of each. made: videos generated. draw: which held-out scenes.
    """  # fmt: skip
    rng = random.Random(f"held-out-clip:{draw}")
    drawn = [captions.training_scene(rng) for _ in range(scenes)]
    seen = captions.look(drawn, torch.tensor([[rng.uniform(0, LATEST)] for _ in drawn]))
    frames, facts = seen.frames[:, 0], seen.facts[:, 0]
    found = answers(encoder, frames, facts, "rendered")
    found += answers(encoder, model.codec.decode(model.codec.encode(frames)), facts, "decoded")
    if made:
        prompts = [captions.training_scene(rng).caption() for _ in range(made)]
        cases = gates.generate(model, prompts, CHUNKS, on_progress)
        shown = torch.stack([facts_of(case) for case in cases])
        found += answers(encoder, torch.stack([case.made[-1] for case in cases]), shown, "generated")
    return found


def answers(encoder: Encoder, frames: Float[Tensor, "n 3 h w"], facts: Int8[Tensor, "n f"], sort: str) -> list[Gate]:
    """One line a question."""
    images = unit(encoder(frames))
    found = []
    for what, group in QUESTIONS.items():
        hits = right(images @ texts(encoder, group).T, facts, group)
        figure, must = share(hits), f">= {GOAL:g}" if sort != "generated" else "reported"
        passed = sort == "generated" or (figure[0] is not None and figure[0] >= GOAL)
        found.append(Gate(f"{what}, {sort}", *figure, must, passed, len(hits)))
    return found


def texts(encoder: Encoder, group: str) -> Float[Tensor, "k d"]:
    """One feature a fact: its first phrase in every template, averaged."""
    asked = [template.format(PHRASES[fact][0]) for fact in GROUPS[group] for template in TEMPLATES]
    return unit(unit(encoder.text(asked)).unflatten(0, (-1, len(TEMPLATES))).mean(1))


def right(cosines: Float[Tensor, "n k"], facts: Int8[Tensor, "n f"], group: str) -> list[bool]:
    """For each true fact of each frame: does it beat all false ones? Colours compete among things of one kind."""
    hits = []
    known = facts[:, [INDEX[fact] for fact in GROUPS[group]]]
    kinds = [fact.split()[-1] for fact in GROUPS[group]] if group == "object" else [""] * len(GROUPS[group])
    for row, true in zip(cosines.tolist(), known.tolist(), strict=True):
        for i, value in enumerate(true):
            rivals = [row[j] for j in range(len(row)) if true[j] == 0 and kinds[j] == kinds[i]]
            if value == 1 and rivals:
                hits.append(row[i] > max(rivals))
    return hits


def facts_of(case: Case) -> Int8[Tensor, "f"]:
    """What a generated video's last frame shows, by the pixel meters."""
    measured = truth.measure(case.made, case.scene)
    facts = torch.zeros(len(FACTS), dtype=torch.int8)
    facts[INDEX[f"{case.scene.tint} light"]] = 1
    for slot, thing in enumerate(case.scene.things):
        there = 1 if measured.area[-1, slot] >= LEAST_AREA else -1
        for name in ("glass",) if thing.kind == "glass" else (thing.kind, f"{thing.colour} {thing.kind}"):
            facts[INDEX[name]] = max(there, int(facts[INDEX[name]]))
    level = float(measured.level[-1])
    facts[INDEX["bright"]], facts[INDEX["dim"]] = _either(level > 0.9, level < 0.6)
    if facts[INDEX["glass"]] == 1:
        more = float(measured.spill[-1] - measured.spill[:3].median())
        stands = more <= DRY and case.scene.tips_at is None
        facts[INDEX["upright"]], facts[INDEX["spilled"]] = _either(stands, more >= PUDDLE)
    return facts


def _either(one: bool, other: bool) -> tuple[int, int]:
    """Which of two holds; −1 for both where neither surely does."""
    return (1, 0) if one else (0, 1) if other else (-1, -1)
