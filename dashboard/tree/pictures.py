"""Pieces of a cell's one picture of all candidates, shown by their place in it: nothing is cut on the server."""

from dataclasses import dataclass
from html import escape

from sn_eval.results.search_tree import PLAIN_KEY, Node
from sn_eval.results.thumbnails import Kind, Thumbnails


@dataclass(frozen=True)
class Sprite:
    """Where the picture is, and which tile is whose."""

    url: str
    tiles: Thumbnails

    def of(self, node: Node, kind: Kind, size: int, about: str) -> str:
        """A candidate's tile as HTML, its longer side `size` pixels; "" where there is none."""
        return self.at(self.tiles.corner(kind, node.step, node.key, node.seed), size, about)

    def seen(self, node: Node, size: int, about: str) -> str:
        """What the search saw of a candidate: its preview, else the finished piece."""
        return self.of(node, "preview", size, about) or self.of(node, "final", size, about)

    def plain(self, step: int, size: int, about: str) -> str:
        """The end of a piece of the plain sampler's own video, in a cell that made one."""
        return self.at(self.tiles.corner("final", step, PLAIN_KEY), size, about)

    def at(self, corner: tuple[int, int] | None, size: int, about: str) -> str:
        """The tile with this corner, its longer side `size` pixels; "" for none."""
        if corner is None:
            return ""
        width, height = self.tiles.tile
        scale = size / max(width, height)
        lay = [round(scale * value, 2) for value in (*self.tiles.size, *corner, width, height)]
        look = (
            f"background-image:url('{self.url}');background-size:{lay[0]}px {lay[1]}px;"
            f"background-position:-{lay[2]}px -{lay[3]}px;width:{lay[4]}px;height:{lay[5]}px"
        )
        return f'<span class="sn-tile" role="img" aria-label="{escape(about)}" style="{escape(look)}"></span>'
