"""The candidate tree as HTML that needs no script: a column a step, a box a candidate, lines from parent to child.

The lines are one SVG picture below the boxes (as a data URI: Streamlit lets no inline SVG through).
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dashboard.tree.pictures import Sprite
from sn_eval.present.search_telling import Telling, figure, signed
from sn_eval.results.search_tree import Name, Node, Rescue, Tree, rescues

STEPS = 12  # columns that are drawn at once
SHOWN = 14  # boxes of a column; the others stand in the table
BOX, GAP = (138, 68), (24, 10)  # pixels: width and height of a box, and of the space between boxes
TILE = 54  # pixels of a picture's longer side
LEFT, TOP = 8, 68  # where the first box begins
LANE = 112  # width of the names of whole videos

STYLE = """
<style>
.sn-scroll{overflow-x:auto;border:1px solid #d9dee3;border-radius:10px;background:#fbfcfd;padding:10px 6px 6px}
.sn-scroll:focus-visible{outline:3px solid #0072B2}
.sn-tree{position:relative;font-size:12px;line-height:1.3;color:#1f2933}
.sn-tree>img{position:absolute;left:0;top:0;max-width:none}
.sn-head{position:absolute;top:0;text-align:center;border-radius:8px;padding:4px 0;box-sizing:border-box;
 font-size:11.5px;line-height:1.35;font-variant-numeric:tabular-nums;white-space:nowrap}
.sn-head b{font-size:14px;display:block}
.sn-head.most{background:#0b3d62;color:#fff}
.sn-node{position:absolute;box-sizing:border-box;border-radius:8px;background:#fff;display:flex;gap:7px;
 align-items:center;padding:4px 6px}
.sn-node b{font-size:15px;font-variant-numeric:tabular-nums}
.sn-node small{font-size:11px;color:#4a5560;white-space:nowrap}
.sn-node:focus-visible{outline:3px solid #D55E00;outline-offset:2px;z-index:2}
.sn-kept{border:3px solid #0072B2}
.sn-path{border:4px solid #0072B2;background:#e6f1f9;box-shadow:0 1px 5px rgba(0,60,110,.28)}
.sn-dropped{border:1.5px dashed #8a949e;background:#fbfcfd;color:#4a5560}
.sn-dropped b{font-weight:500}
.sn-dropped .sn-tile{opacity:.5;filter:grayscale(.5)}
.sn-tag{position:absolute;left:-5px;top:-8px;border:1.5px solid #1f2933;border-radius:4px;padding:0 4px;
 font-size:10.5px;line-height:1.35;font-weight:600;background:#fff;color:#1f2933;white-space:nowrap}
.sn-more,.sn-lane{position:absolute;color:#4a5560;box-sizing:border-box}
.sn-lane{font-weight:600;color:#1f2933}
.sn-legend{display:flex;flex-wrap:wrap;gap:6px 18px;font-size:13px;color:#1f2933;margin:0 0 8px;align-items:center}
.sn-legend i{display:inline-block;width:22px;height:14px;border-radius:4px;margin-right:6px;vertical-align:-2px}
.sn-call{border-left:6px solid #0072B2;background:#eef5fa;border-radius:0 10px 10px 0;padding:14px 20px;
 font-size:1.22rem;line-height:1.55;font-weight:600;color:#12263a}
.sn-call small{display:block;font-weight:400;font-size:.9rem;color:#36454f;margin-top:6px;line-height:1.6}
.sn-frames{display:flex;flex-wrap:wrap;gap:18px;align-items:flex-start}
.sn-frame{margin:0;text-align:center;font-size:13px;color:#1f2933;max-width:190px}
.sn-frame .sn-tile{border-radius:8px;border:2px dashed #8a949e;background-origin:border-box}
.sn-frame.kept .sn-tile{border:4px solid #0072B2}
.sn-frame.own .sn-tile{border:2px solid #1f2933}
.sn-frame b{display:block;font-size:1.25rem;font-variant-numeric:tabular-nums}
@media print{.sn-scroll{overflow:visible;border:0}}
</style>
"""


@dataclass(frozen=True)
class Placed:
    """Where each box stands, and what is left out: (step, number of candidates, y)."""

    corners: dict[Name, tuple[int, int]]
    more: tuple[tuple[int, int, int], ...]
    size: tuple[int, int]


def windows(tree: Tree) -> list[tuple[int, ...]]:
    """The steps in groups that are drawn at once."""
    steps = sorted(tree.steps)
    return [tuple(steps[begin : begin + STEPS]) for begin in range(0, len(steps), STEPS)]


def tree_html(told: Telling, steps: Sequence[int], most: Rescue | None, sprite: Sprite | None) -> str:
    """The candidates of these steps; the step of the largest rescue stands out."""
    tree = told.tree
    placed = _placed(tree, steps)
    compared = {each.step: each for each in rescues(tree)}
    heads = "".join(
        _head(told, step, _x(tree, column), compared.get(step), most is not None and most.step == step)
        for column, step in enumerate(steps)
    )
    boxes = "".join(
        _box(told, node, placed.corners[node.name], sprite)
        for step in steps
        for node in tree.steps[step]
        if node.name in placed.corners
    )
    more = "".join(
        f'<div class="sn-more" style="left:{_x(tree, steps.index(step)) + 6}px;top:{y}px">'
        f"{escape(told('trajectory.node.more', count=count))}</div>"
        for step, count, y in placed.more
    )
    width, height = placed.size
    inside = f"{_lines(tree, placed)}{heads}{_lane_names(told, placed, steps)}{boxes}{more}"
    about = escape(told("trajectory.tree.about"))
    return (
        f'<div class="sn-scroll" tabindex="0" role="region" aria-label="{about}">'
        f'<div class="sn-tree" role="list" style="width:{width}px;height:{height}px">{inside}</div></div>'
    )


def legend_html(told: Telling) -> str:
    """What frames and signs mean, in words."""
    frames = (
        ("border:4px solid #0072B2;background:#e6f1f9", "shown"), ("border:3px solid #0072B2", "kept"),
        ("border:1.5px dashed #8a949e", "dropped"),
    )  # fmt: skip
    told_of = [
        f'<span><i style="{look};box-sizing:border-box"></i>{escape(told(f"trajectory.legend.{name}"))}</span>'
        for look, name in frames
        if told.tree.kind == "search" or name == "shown"
    ]
    told_of += [f"<span>{escape(told(f'trajectory.legend.{name}'))}</span>" for name in ("plain", "most")]
    return f'<div class="sn-legend">{"".join(told_of)}</div>'


# --- places -----------------------------------------------------------------------------------------------


def _x(tree: Tree, column: int) -> int:
    return LEFT + (LANE if len(tree.lanes) > 1 else 0) + column * (BOX[0] + GAP[0])


def _placed(tree: Tree, steps: Sequence[int]) -> Placed:
    """Boxes in columns: below their parents' order, or each whole video in a row of its own."""
    corners: dict[Name, tuple[int, int]] = {}
    more, lowest = [], 0
    for column, step in enumerate(steps):
        nodes = _worth_showing(tree, step)
        ordered = sorted(nodes, key=lambda node: (corners.get(node.parent_name, (0, 0))[1], node.candidate, node.copy))
        for row, node in enumerate(nodes if tree.lanes or not column else ordered):
            corners[node.name] = _x(tree, column), TOP + row * (BOX[1] + GAP[1])
        end = TOP + len(nodes) * (BOX[1] + GAP[1])
        left_out = len(tree.steps[step]) - len(nodes)
        if left_out:
            more.append((step, left_out, end))
        lowest = max(lowest, end + (24 if left_out else 0))
    return Placed(corners, tuple(more), (_x(tree, len(steps)) - GAP[0] + 8, lowest))


def _worth_showing(tree: Tree, step: int) -> list[Node]:
    """At most `SHOWN` candidates of a step: the shown video's, the plain noises, the kept, then the best scored."""
    nodes = tree.steps[step]
    if len(nodes) <= SHOWN:
        return list(nodes)
    parents = {tree.path[step].parent_name} if step in tree.path else set()
    beside = {node.name for node in nodes if node.plain and node.parent_name in parents}

    def rank(node: Node) -> tuple[bool, bool, bool, float]:
        score = node.score
        return (not tree.shown(node), node.name not in beside, not node.kept, 0.0 if score is None else -score)

    wanted = {node.name for node in sorted(nodes, key=rank)[:SHOWN]}
    return [node for node in nodes if node.name in wanted]


# --- parts ------------------------------------------------------------------------------------------------


def _head(told: Telling, step: int, x: int, rescue: Rescue | None, most: bool) -> str:
    """A step's name, and the scores of the plain and of the chosen candidate."""
    scores = ""
    if rescue is not None and told.tree.kind != "plain" and rescue.same:
        scores = escape(told("trajectory.tree.same"))
    elif rescue is not None and told.tree.kind != "plain" and rescue.before is not None:
        scores = f"{escape(told('trajectory.plain'))} {figure(rescue.before)} → ★ {figure(rescue.after)}"
        scores += f"<br>{'◆ ' if most else ''}{signed(rescue.difference)}"
    name, wider = escape(told.piece(step)), 8
    look = f"left:{x - wider}px;width:{BOX[0] + 2 * wider}px;height:{TOP - 10}px"
    return f'<div class="sn-head{" most" if most else ""}" style="{look}"><b>{name}</b>{scores}</div>'


def _box(told: Telling, node: Node, corner: tuple[int, int], sprite: Sprite | None) -> str:
    """A candidate: picture, score, what became of it."""
    on_path = told.tree.shown(node)
    chosen = node.kept if told.tree.kind == "search" else on_path or told.tree.kind == "plain"
    kind = "path" if on_path else "kept" if chosen else "dropped"
    about = told.about(node)
    picture = sprite.seen(node, TILE, about) if sprite else ""
    sign = "★ ✓ " if on_path else "✓ " if chosen else ""
    tag = f'<span class="sn-tag">{escape(told("trajectory.plain"))}</span>' if told.is_plain(node) else ""
    final = ""
    if node.looks and node.final:
        final = f"<br><small>{escape(told('trajectory.node.done', score=figure(node.final.score)))}</small>"
    elif told.tree.kind == "videos" and node.final and node.step == max(told.tree.steps):
        final = f"<br><small>{escape(told('trajectory.node.mean', score=figure(node.final.mean)))}</small>"
    words = f"<span><b>{figure(node.score)}</b>{tag}<br>{sign}{escape(told.status(node))}{final}</span>"
    place = f"left:{corner[0]}px;top:{corner[1]}px;width:{BOX[0]}px;height:{BOX[1]}px"
    return (
        f'<div class="sn-node sn-{kind}" role="listitem" tabindex="0" style="{place}" title="{escape(about)}" '
        f'aria-label="{escape(about)}">{picture}{words}</div>'
    )


def _lane_names(told: Telling, placed: Placed, steps: Sequence[int]) -> str:
    """Names of whole videos, left of their rows."""
    if len(told.tree.lanes) < 2:
        return ""
    names = []
    for node in told.tree.steps[steps[0]]:
        if node.name in placed.corners:
            top = placed.corners[node.name][1] + BOX[1] // 2 - 16
            shown = "★ " if told.tree.shown(node) else ""
            tag = f"<br>{escape(told('trajectory.plain'))}" if told.is_plain(node) else ""
            name = f"{shown}{escape(told.video(node.seed))}{tag}"
            names.append(f'<div class="sn-lane" style="left:{LEFT}px;top:{top}px;width:{LANE - 8}px">{name}</div>')
    return "".join(names)


def _lines(tree: Tree, placed: Placed) -> str:
    """From parents to children: thick on the shown video's path, thin where kept, dashed where dropped."""
    named = {node.name: node for step in {name[0] for name in placed.corners} for node in tree.steps[step]}
    drawn: list[tuple[int, str]] = []
    for name, (x, y) in placed.corners.items():
        node = named[name]
        parent = placed.corners.get(node.parent_name)
        if parent is None:
            continue
        begin = parent[0] + BOX[0], parent[1] + BOX[1] // 2
        middle, end = (begin[0] + x) // 2, y + BOX[1] // 2
        curve = f"M{begin[0]} {begin[1]}C{middle} {begin[1]} {middle} {end} {x} {end}"
        on_path = tree.shown(node) and tree.shown(named[node.parent_name])
        lane = tree.kind != "search"
        look = ('stroke="#0072B2" stroke-width="5"' if on_path else
                'stroke="#5c97c4" stroke-width="2.5"' if node.kept and not lane else
                'stroke="#a9b2ba" stroke-width="1.3" stroke-dasharray="4 4"')  # fmt: skip
        drawn.append((2 if on_path else 1 if node.kept else 0, f'<path d="{curve}" fill="none" {look}/>'))
    width, height = placed.size
    inside = "".join(line for _, line in sorted(drawn))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{inside}</svg>'
    address = b64encode(svg.encode()).decode()
    return f'<img alt="" width="{width}" height="{height}" src="data:image/svg+xml;base64,{address}">'
