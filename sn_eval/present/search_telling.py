"""What a search did, in sentences and tables: the plain sampler's noise against what was kept, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sn_eval.present import words
from sn_eval.present.part_words import part_name
from sn_eval.present.report.model import Column, Grid, Lang, Row
from sn_eval.results.search_tree import Node, Pair, Part, Rescue, Tree, departure, largest_rescue


@dataclass(frozen=True)
class Telling:
    """Tells a tree in one language. chunks: whether a step of the search is a chunk of the video."""

    lang: Lang
    tree: Tree
    chunks: bool = True

    def __call__(self, key: str, **values: Any) -> str:
        """The sentence of a key."""
        return words.say(self.lang, key, **values) if values else _fixed(self.lang, key)

    def piece(self, step: int) -> str:
        """A step by its number, as people count.

        >>> from sn_eval.results.search_tree import Tree
        >>> Telling("en", Tree({}, {}, "plain")).piece(3), Telling("ja", Tree({}, {}, "plain"), chunks=False).piece(0)
        ('chunk 4', 'ステップ1')
        """
        return self("trajectory.chunk" if self.chunks else "trajectory.step", number=step + 1)

    def video(self, seed: int) -> str:
        """One of several whole videos, by its number."""
        return self("trajectory.video", number=self.tree.lanes.index(seed) + 1)

    def part(self, key: str) -> str:
        """A part of the reward in words."""
        return part_name(self.lang, key)

    # --- sentences ----------------------------------------------------------------------------------------

    def headline(self) -> str:
        """What the search did and where that mattered most, in a sentence or two."""
        tree = self.tree
        if tree.kind == "plain":
            return self("trajectory.headline.plain")
        if not tree.path:
            return self("trajectory.headline.unknown", count=len(tree.lanes) or tree.candidates)
        return self._of_videos() if tree.kind == "videos" else self._of_search()

    def _of_videos(self) -> str:
        tree, best = self.tree, largest_rescue(self.tree)
        chosen = list(tree.path.values())[-1].seed
        if chosen == tree.lanes[0]:
            return self("trajectory.headline.plain_video", count=len(tree.lanes))
        begin = self("trajectory.headline.other_video", count=len(tree.lanes), video=self.video(chosen))
        if best is None:
            return begin
        return begin + self("trajectory.headline.widest", piece=self.piece(best.step), **self._scores(best))

    def _of_search(self) -> str:
        left, best = departure(self.tree), largest_rescue(self.tree)
        if left is None and all(node.plain for node in self.tree.path.values()):
            return self("trajectory.headline.stayed")
        values: dict[str, Any] = {"left": None if left is None else self.piece(left)}
        if best is None:
            return self("trajectory.headline.no_rescue", **values)
        values |= {"piece": self.piece(best.step), **self._scores(best)}
        if left is None:
            return self("trajectory.headline.only_most", **values)
        return self("trajectory.headline.at_once" if left == best.step else "trajectory.headline.left", **values)

    def _scores(self, rescue: Rescue) -> dict[str, str]:
        part = rescue.part
        told = ""
        if part is not None:
            values = {"plain": figure(part.plain), "chosen": figure(part.chosen)}
            told = self("trajectory.headline.part", part=self.part(part.name), **values)
        return {"before": figure(rescue.before), "after": figure(rescue.after), "part": told}

    def basis(self, rescue: Rescue) -> str:
        """What the scores of a step are: forecasts or facts."""
        if rescue.look is None:
            return self("trajectory.basis.videos" if self.tree.kind == "videos" else "trajectory.basis.pieces")
        told = self("trajectory.basis.preview", look=rescue.look)
        if rescue.finished and not rescue.same:
            before, after = map(figure, rescue.finished)
            told += self("trajectory.basis.finished", before=before, after=after)
        left = departure(self.tree)
        if left is not None and rescue.step > left:
            told += self("trajectory.basis.later", left=self.piece(left))
        return told

    def status(self, node: Node) -> str:
        """In a word, what became of a candidate."""
        if self.tree.kind == "videos":
            if not self.tree.path:
                return self("trajectory.status.finished")
            return self("trajectory.status.chosen" if self.tree.shown(node) else "trajectory.status.not_chosen")
        return self("trajectory.status.kept" if node.kept else "trajectory.status.dropped")

    def about(self, node: Node) -> str:
        """A candidate in full, for a tooltip and for those who cannot see the picture."""
        told = [self.piece(node.step), self("trajectory.node.candidate", number=node.candidate)]
        if node.seed in self.tree.lanes and len(self.tree.lanes) > 1:
            told[1] = self.video(node.seed)
        if self.is_plain(node):
            told.append(self("trajectory.node.plain"))
        told.append(self.status(node))
        if self.tree.shown(node):
            told.append(self("trajectory.node.shown"))
        told += [self("trajectory.node.look", look=each.look, score=figure(each.score)) for each in node.looks]
        if node.final:
            told.append(self("trajectory.node.final", score=figure(node.final.score)))
        parts = [f"{self.part(name)} {figure(value)}" for name, value in node.parts.items() if "/" not in name]
        return " · ".join([*told, *parts])

    def is_plain(self, node: Node) -> bool:
        """Whether it is the plain sampler's noise for the same beginning (of whole videos: the plain one)."""
        return node.seed == self.tree.lanes[0] if self.tree.lanes else node.plain

    # --- tables -------------------------------------------------------------------------------------------

    def tree_grid(self, steps: Sequence[int]) -> Grid:
        """Every candidate of these steps."""
        looks = self.tree.looks
        head = ("piece", "parent", "candidate", "noise", "score", "outcome", "shown")
        titles = [self(f"trajectory.column.{name}") for name in head]
        forms: dict[int, Any] = {4: "number"}
        columns = [Column(title, forms.get(place, "text"), digits=4) for place, title in enumerate(titles)]
        columns += [Column(self("trajectory.column.look", look=look), "number", digits=4) for look in looks]
        columns += [Column(self("trajectory.column.final"), "number", digits=4)]
        names = list(dict.fromkeys(part for step in steps for node in self.tree.steps[step] for part in node.parts))
        columns += [Column(self.part(name), "number", digits=4) for name in names]
        yes, rows = self("trajectory.yes"), []
        pieces = {step: self.piece(step) for step in steps}
        for node in (node for step in steps for node in self.tree.steps[step]):
            many = len(self.tree.lanes) > 1
            who = self.video(node.seed) if many else f"{node.candidate}{' (×2)' if node.copy else ''}"
            noise = self("trajectory.plain") if self.is_plain(node) else node.proposal + (f" {node.arm or ''}".rstrip())
            cells = (
                pieces[node.step], node.parent[:6], who, noise, node.score, self.status(node),
                yes if self.tree.shown(node) else "",
                *(each.score if (each := node.at(look)) else None for look in looks),
                node.final.score if node.final else None, *(node.parts.get(name) for name in names),
            )  # fmt: skip
            rows.append(Row(cells))
        return Grid("search_tree", self("trajectory.tree_table"), tuple(columns), tuple(rows))

    def gains_grid(self, found: Sequence[Rescue]) -> Grid:
        """Plain and kept, step by step."""
        names = ("piece", "plain_score", "chosen_score", "difference", "part")
        forms: dict[str, Any] = {"piece": "text", "part": "text"}
        columns = [Column(self(f"trajectory.column.{name}"), forms.get(name, "number"), digits=4) for name in names]
        rows = [
            Row((self.piece(each.step), each.before, each.after, each.difference, self._difference(each.part)))
            for each in found
        ]
        return Grid("plain_and_kept", self("trajectory.gains.title"), tuple(columns), tuple(rows))

    def _difference(self, part: Part | None) -> str:
        return "" if part is None else f"{self.part(part.name)} {signed(part.difference)}"

    def parts_grid(self, rescue: Rescue) -> Grid:
        """The parts of one step."""
        columns = (
            Column(self("trajectory.column.part")),
            *(Column(self(f"trajectory.column.{name}"), "number", digits=4)
              for name in ("plain_score", "chosen_score", "difference")),
        )  # fmt: skip
        rows = tuple(Row((self.part(part.name), part.plain, part.chosen, part.difference)) for part in rescue.parts)
        return Grid("parts", self("trajectory.parts.title", piece=self.piece(rescue.step)), columns, rows)


@cache
def _fixed(lang: Lang, key: str) -> str:
    """A sentence without names to fill: tables of long searches ask for the same words a thousand times."""
    return words.say(lang, key)


def pairs_grid(lang: Lang, found: Sequence[Pair], key: str, *, chunks: bool = True) -> Grid:
    """Preview and final scores. key: of the table."""
    told = Telling(lang, Tree({}, {}, "plain"), chunks)
    heads = [Column(told(f"trajectory.column.{name}")) for name in ("piece", "at_look")]
    heads += [Column(told(f"trajectory.column.{name}"), "number", digits=4) for name in ("preview", "final")]
    rows = tuple(Row((told.piece(pair.step), pair.look, pair.preview, pair.final)) for pair in found)
    return Grid(key, told("trajectory.pairs.table"), tuple(heads), rows, long=True)


def figure(value: float | None) -> str:
    """A score: three digits behind the point, none where it is large.

    >>> figure(0.61), figure(-0.2), figure(1234.5), figure(None)
    ('0.610', '−0.200', '1,234', '–')
    """
    if value is None:
        return words.UNKNOWN
    return (f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}").replace("-", "−")


def signed(value: float | None) -> str:
    """A difference of scores.

    >>> signed(0.2), signed(-0.0004), signed(-0.1), signed(None)
    ('+0.200', '±0.000', '−0.100', '–')
    """
    if value is None:
        return words.UNKNOWN
    text = figure(value)
    if not text.strip("−0."):
        return f"±{text.lstrip('−')}"
    return text if text.startswith("−") else f"+{text}"
