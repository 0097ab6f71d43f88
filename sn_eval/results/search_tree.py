"""What a search did, as a tree read from a cell's trace, and where it did better than the plain sampler's own noise.

A trace may be cut or damaged: what can be read is kept, and `Tree.lost` and `Tree.cut` say what is not there.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from scipy import stats

from sn_eval.results.files import ResultsError

FILE_NAME = "trace.jsonl"
PLAIN_KEY = "0" * 16  # lineage of the plain sampler's own path, at every step

Name: TypeAlias = tuple[int, int, str]
"""(step, seed, lineage): tells candidates apart, also those of whole videos that were made side by side."""


@dataclass(frozen=True)
class Look:
    """What a preview after `look` denoising steps scored, None for not scored, and whether the candidate went on."""

    look: int
    score: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    kept: bool = False


@dataclass(frozen=True)
class Final:
    """What the finished piece scored, and the mean of its video up to here."""

    score: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    mean: float | None = None


@dataclass(frozen=True)
class Node:
    """One candidate of one step (from 0). candidate: its index among its parent's, 0 is the plain sampler's noise.

    looks: previews in the order in which they were made. final: of the finished piece, None where it was dropped (or
    the run was). copy: of a candidate that went on more than once.
    """

    step: int
    seed: int
    key: str
    parent: str
    candidate: int
    proposal: str = ""
    arm: str | None = None
    looks: tuple[Look, ...] = ()
    final: Final | None = None
    copy: bool = False

    @property
    def name(self) -> Name:
        """What tells it apart."""
        return (self.step, self.seed, self.key)

    @property
    def parent_name(self) -> Name:
        """Of what it grew from."""
        return (self.step - 1, self.seed, self.parent)

    @property
    def plain(self) -> bool:
        """Whether it has the noise that the plain sampler would draw here."""
        return self.candidate == 0

    @property
    def kept(self) -> bool:
        """Whether it went on."""
        return self.final is not None or bool(self.looks and self.looks[-1].kept)

    @property
    def score(self) -> float | None:
        """By the last preview, which decided; of the finished piece where nothing was previewed."""
        if self.looks:
            return self.looks[-1].score
        return self.final.score if self.final else None

    @property
    def parts(self) -> Mapping[str, float]:
        """Of the same verdict as `score`."""
        if self.looks:
            return self.looks[-1].parts
        return self.final.parts if self.final else {}

    def at(self, look: int) -> Look | None:
        """The preview at a look."""
        return next((each for each in self.looks if each.look == look), None)


@dataclass(frozen=True)
class Tree:
    """All candidates by step, siblings side by side, and the path of the video that was shown.

    kind: "search" within a video, several whole "videos", or one "plain" one. lanes: seeds of whole videos, the plain
    one first; () in a search. path: by step; winner: whether it is the "recorded" one, the "best" by mean score so far,
    or "unknown". lost: lines that could not be read; cut: whether the last line broke off.
    """

    steps: Mapping[int, tuple[Node, ...]]
    path: Mapping[int, Node]
    kind: Literal["search", "videos", "plain"]
    lanes: tuple[int, ...] = ()
    winner: Literal["recorded", "best", "unknown"] = "unknown"
    lost: int = 0
    cut: bool = False

    @property
    def candidates(self) -> int:
        """How many there are in all."""
        return sum(map(len, self.steps.values()))

    def shown(self, node: Node) -> bool:
        """Whether a candidate is part of the video that was shown."""
        own = self.path.get(node.step)
        return own is not None and own.name == node.name

    @property
    def looks(self) -> tuple[int, ...]:
        """After how many denoising steps candidates were looked at."""
        return tuple(sorted({look.look for nodes in self.steps.values() for node in nodes for look in node.looks}))


# --- reading ----------------------------------------------------------------------------------------------


def load_tree(cell: Path, winner: str = "") -> Tree:
    """The tree of a cell's folder. winner: `parameters.winner` of its record, "" where that is not known.

    ResultsError, in one line, where there is no trace or nothing in it can be read.
    """
    try:
        text = (cell / FILE_NAME).read_bytes()
    except FileNotFoundError as error:
        raise ResultsError(f"cell {cell.name} has no {FILE_NAME}: its search was not recorded or not packed") from error
    except OSError as error:
        raise ResultsError(f"cell {cell.name}: cannot read {FILE_NAME}: {error.strerror}") from error
    lines = text.split(b"\n")
    cut = bool(lines.pop())  # every line that was written whole ends in a line feed
    sound = [row for row in map(_row, lines) if row is not None]
    rows = [row for row in sound if row["kind"] != "predicted"]  # what was dropped unseen has no place in the tree
    problem = f"cell {cell.name}: no line of {FILE_NAME} can be read; delete the cell's folder and run it again"
    if not rows:
        raise ResultsError(problem)
    try:
        return tree_of(rows, winner, lost=len(lines) - len(sound), cut=cut)
    except (OverflowError, ValueError) as error:  # numbers that no search writes
        raise ResultsError(problem) from error


def tree_of(rows: Iterable[Mapping[str, Any]], winner: str = "", *, lost: int = 0, cut: bool = False) -> Tree:
    """The tree of the rows of a trace, which must be sound (`load_tree` sees to that)."""
    nodes: dict[Name, Node] = {}
    first: dict[tuple[int, int, str, int], Name] = {}  # by (step, seed, parent, index), for copies
    for row in rows:
        node = _node(row)
        place = (node.step, node.seed, node.parent, node.candidate)
        known = nodes.get(node.name)
        if known is None and place in first:
            earlier = (each for each in nodes[first[place]].looks if each.look < row.get("look", math.inf))
            known = replace(node, looks=tuple(earlier), copy=True)
        if row["kind"] == "preview":
            nodes[node.name] = _looked(known or node, row)
            first.setdefault(place, node.name)
        else:
            nodes[node.name] = _finished(known or node, row)
    steps: dict[int, list[Node]] = {}
    for node in nodes.values():
        steps.setdefault(node.step, []).append(node)
    seeds = tuple(dict.fromkeys(node.seed for node in nodes.values()))
    kind, lanes = _kind(nodes.values(), seeds)
    leaf, how = _leaf(steps, winner, lanes)
    ordered = {step: tuple(_siblings(steps[step])) for step in sorted(steps)}
    return Tree(ordered, _path(nodes, leaf), kind, lanes, how, lost, cut)


def _row(line: bytes) -> dict[str, Any] | None:
    """A sound row; None for anything else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("kind") not in ("predicted", "preview", "final"):
        return None
    whole = all(isinstance(row.get(name), int) and row[name] >= 0 for name in ("step", "candidate"))
    named = all(isinstance(row.get(name), str) for name in ("key", "parent"))
    looked = row["kind"] == "final" or isinstance(row.get("look"), int)
    return row if whole and named and looked and isinstance(row.get("seed", 0), int) else None


def _node(row: Mapping[str, Any]) -> Node:
    arm = row.get("arm")
    return Node(
        row["step"], row.get("seed", 0), row["key"], row["parent"], row["candidate"], str(row.get("proposal") or ""),
        None if arm is None else str(arm),
    )  # fmt: skip


def _looked(node: Node, row: Mapping[str, Any]) -> Node:
    look = Look(row["look"], _number(row.get("score")), _parts(row.get("parts")), bool(row.get("kept")))
    return replace(node, looks=(*(each for each in node.looks if each.look != look.look), look))


def _finished(node: Node, row: Mapping[str, Any]) -> Node:
    """With its final score; looks whose own rows are lost come from the row itself."""
    told = row.get("previews")
    told = {int(look): _number(score) for look, score in told.items() if look.isdigit()} if type(told) is dict else {}
    looks = node.looks or tuple(Look(look, score, {}, kept=True) for look, score in sorted(told.items()))
    final = Final(_number(row.get("score")), _parts(row.get("parts")), _number(row.get("mean_score")))
    return replace(node, looks=looks, final=final)


def _number(value: Any) -> float | None:
    """A finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _parts(value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        return {}
    return {str(name): number for name, part in value.items() if (number := _number(part)) is not None}


def _kind(
    nodes: Iterable[Node], seeds: tuple[int, ...]
) -> tuple[Literal["search", "videos", "plain"], tuple[int, ...]]:
    if any(node.looks or node.candidate for node in nodes):
        return "search", ()
    return ("videos", seeds) if len(seeds) > 1 else ("plain", seeds)


def _leaf(
    steps: Mapping[int, Sequence[Node]], winner: str, lanes: tuple[int, ...]
) -> tuple[Node | None, Literal["recorded", "best", "unknown"]]:
    """Where the shown video ends, and how that is known. Whole videos all have the plain sampler's lineage."""
    done = [step for step in steps if any(node.final for node in steps[step])]
    if not done:
        return None, "unknown"
    ends = [node for node in steps[max(done)] if node.final]
    named = [node for node in ends if node.key == winner]
    if len(named) == 1:
        return named[0], "recorded"
    scored = [node for node in ends if node.final and node.final.mean is not None]
    if not scored:
        return (ends[0], "best") if len(ends) == 1 else (None, "unknown")
    order = {seed: place for place, seed in enumerate(lanes)}
    best = min(scored, key=lambda node: (-_mean(node), order.get(node.seed, 0), node.key))  # ties as the search does
    return best, "best"


def _mean(node: Node) -> float:
    return node.final.mean if node.final and node.final.mean is not None else -math.inf


def _path(nodes: Mapping[Name, Node], leaf: Node | None) -> dict[int, Node]:
    """From the first step that is there to the leaf."""
    found: dict[int, Node] = {}
    node = leaf
    while node is not None:
        found[node.step] = node
        node = nodes.get(node.parent_name)
    return dict(sorted(found.items()))


def _siblings(nodes: Sequence[Node]) -> list[Node]:
    """Children of one parent side by side, parents in the order in which they appear."""
    parents = {name: place for place, name in enumerate(dict.fromkeys(node.parent_name for node in nodes))}
    return sorted(nodes, key=lambda node: (parents[node.parent_name], node.candidate, node.copy))


# --- against the plain sampler ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a verdict: of the plain candidate, and of the one that was chosen."""

    name: str
    plain: float
    chosen: float

    @property
    def difference(self) -> float:
        """Chosen less plain."""
        return self.chosen - self.plain


@dataclass(frozen=True)
class Rescue:
    """One step of the shown video: what was chosen, and the plain sampler's noise for the same beginning.

    look: at which both were previewed, a forecast; None where finished pieces are compared. before, after: scores of
    the plain and of the chosen one. parts: those that both have, the most different first.
    """

    step: int
    chosen: Node
    plain: Node | None
    look: int | None
    before: float | None
    after: float | None
    parts: tuple[Part, ...] = ()

    @property
    def same(self) -> bool:
        """Whether the plain one was chosen."""
        return self.plain is not None and self.plain.name == self.chosen.name

    @property
    def difference(self) -> float | None:
        """Score of the chosen less that of the plain one; 0 where they are the same, None where it is not known."""
        if self.same:
            return 0.0
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def finished(self) -> tuple[float, float] | None:
        """Final scores of (plain, chosen), where the plain one was finished, too: then nothing is a forecast."""
        ends = [node.final.score if node and node.final else None for node in (self.plain, self.chosen)]
        return None if ends[0] is None or ends[1] is None else (ends[0], ends[1])

    @property
    def part(self) -> Part | None:
        """The one that differs most, in the direction of the score where one does; None where none differs.

        A reward's part of a part is named "part/detail": details are left to others where there are whole parts.
        """
        whole = [part for part in self.parts if "/" not in part.name] or list(self.parts)
        differing = [part for part in whole if part.difference]
        up = (self.difference or 0.0) >= 0
        along = [part for part in differing if (part.difference > 0) is up]
        return next(iter(along or differing), None)


def rescues(tree: Tree) -> tuple[Rescue, ...]:
    """Every step of the shown video against the plain sampler's own noise (of whole videos: the plain video)."""
    return tuple(_rescue(node, _plain_of(tree, node)) for node in tree.path.values())


def departure(tree: Tree) -> int | None:
    """The first step at which the shown video left the plain sampler's noise.

    None where it never did, or where the beginning cannot be read.
    """
    for step, node in tree.path.items():
        if not node.plain or (tree.lanes and node.seed != tree.lanes[0]):
            return step if step == 0 or node.parent == PLAIN_KEY else None
        if node.key != PLAIN_KEY:  # a plain noise that goes on from another one: it was left before
            return None
    return None


def largest_rescue(tree: Tree) -> Rescue | None:
    """Where the chosen candidate stood furthest above the plain one; None where it never did."""
    above = [each for each in rescues(tree) if each.difference is not None and each.difference > 0]
    return max(above, key=lambda each: each.difference or 0.0, default=None)


def _plain_of(tree: Tree, node: Node) -> Node | None:
    """The plain sampler's noise for the same beginning; of whole videos, the plain video's piece."""
    if tree.lanes:
        return next((each for each in tree.steps[node.step] if each.seed == tree.lanes[0]), None)
    same = (each for each in tree.steps[node.step] if each.parent_name == node.parent_name and not each.copy)
    return next((each for each in same if each.plain), None)


def _rescue(chosen: Node, plain: Node | None) -> Rescue:
    if plain is None:
        return Rescue(chosen.step, chosen, None, None, None, chosen.score)
    looks = [(a, b) for a in plain.looks if (b := chosen.at(a.look)) and a.score is not None and b.score is not None]
    if looks:
        before, after = max(looks, key=lambda pair: pair[0].look)
        found = _compared(before.parts, after.parts)
        return Rescue(chosen.step, chosen, plain, before.look, before.score, after.score, found)
    ends = plain.final, chosen.final
    if ends[0] is None or ends[1] is None:
        return Rescue(chosen.step, chosen, plain, None, None, None)
    parts = _compared(ends[0].parts, ends[1].parts)
    return Rescue(chosen.step, chosen, plain, None, ends[0].score, ends[1].score, parts)


def _compared(plain: Mapping[str, float], chosen: Mapping[str, float]) -> tuple[Part, ...]:
    parts = [Part(name, plain[name], chosen[name]) for name in plain if name in chosen]
    return tuple(sorted(parts, key=lambda part: -abs(part.difference)))


# --- what a preview is worth ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A finished candidate: what its preview at a look forecast, and what its piece then scored."""

    step: int
    look: int
    preview: float
    final: float


def pairs(tree: Tree) -> tuple[Pair, ...]:
    """Of every finished candidate and look; none where pieces were not scored by themselves but by their preview."""
    ends = [node for nodes in tree.steps.values() for node in nodes if node.looks and node.final and not node.copy]
    found = [
        Pair(node.step, look.look, look.score, node.final.score)
        for node in ends
        for look in node.looks
        if look.score is not None and node.final is not None and node.final.score is not None
    ]
    last = max((pair.look for pair in found), default=0)
    echoed = all(pair.preview == pair.final for pair in found if pair.look == last)
    return () if echoed else tuple(found)


def rank_correlation(found: Sequence[Pair]) -> float | None:
    """Spearman's rho of preview and final score; None below three pairs, or where either side does not vary.

    >>> rank_correlation([Pair(0, 3, 0.1, 0.2), Pair(0, 3, 0.3, 0.9), Pair(0, 3, 0.2, 0.5)])
    1.0
    """
    values = np.array([(pair.preview, pair.final) for pair in found]).reshape(-1, 2)
    if len(values) < 3 or bool((values == values[0]).all(0).any()):
        return None
    ranks = [stats.rankdata(side) for side in values.T]
    return round(float(np.corrcoef(ranks)[0, 1]), 12)


def within_steps(found: Sequence[Pair]) -> tuple[Pair, ...]:
    """The pairs less the mean of their step and look: what is left is what tells candidates of one step apart.

    Steps with one finished candidate say nothing of that and are left out. `preview_correlation` of a record is the
    rank correlation of these.
    """
    groups: dict[tuple[int, int], list[Pair]] = {}
    for pair in found:
        groups.setdefault((pair.step, pair.look), []).append(pair)
    centred = []
    for group in groups.values():
        if len(group) > 1:
            preview = sum(pair.preview for pair in group) / len(group)
            final = sum(pair.final for pair in group) / len(group)
            centred += [replace(pair, preview=pair.preview - preview, final=pair.final - final) for pair in group]
    return tuple(centred)
