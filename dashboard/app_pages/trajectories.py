"""Trajectories: what did the search do, where did it leave the plain path, and where did that matter most?"""

from dataclasses import dataclass
from html import escape

import streamlit as st

from dashboard import figures, grids, links, media, state
from dashboard.page import Page, begin, plain
from dashboard.tree import drawing, frames, reading
from dashboard.tree.choose import PIECE, WINDOW, choose
from dashboard.tree.pictures import Sprite
from sn_eval.decision.findings import PreviewValue
from sn_eval.present.search_telling import Telling, figure, pairs_grid
from sn_eval.present.search_tree import gains_chart, names_of, pairs_chart, parts_chart
from sn_eval.results import thumbnails
from sn_eval.results.files import ResultsError
from sn_eval.results.plan import Planned
from sn_eval.results.record import Record
from sn_eval.results.search_tree import (
    Pair,
    Rescue,
    Tree,
    largest_rescue,
    pairs,
    rank_correlation,
    rescues,
    within_steps,
)

TABLED = 24  # steps that the table holds at once


@dataclass(frozen=True)
class Shown:
    """One cell of the page: its tree, what tells it, its pictures, and the plain cell of the same prompt and repeat."""

    cell: Planned
    record: Record | None
    tree: Tree
    told: Telling
    most: Rescue | None
    sprite: Sprite | None
    plain_cell: Planned | None


def main() -> None:
    """Draw the page."""
    page = begin("trajectories")
    if page.open.run.plan.kind == "imported":
        st.info(page("trajectory.imported"), icon=":material/route:")
    else:
        cell = choose(page)
        shown = _read(page, cell) if cell else None
        if shown is not None:
            _draw(page, shown)
    page.end()


def _read(page: Page, cell: Planned) -> Shown | None:
    """The cell as far as it can be read, with a message where it cannot."""
    st.markdown(f"**{plain(cell.prompt)}**")
    record = reading.record_of(page, cell.cell)
    if not reading.has_trace(page, cell.cell):
        st.info(page("trajectory.missing" if record else "trajectory.waiting"), icon=":material/route:")
        return None
    try:
        tree = reading.tree_of(page, cell.cell, record)
    except ResultsError as error:
        st.warning(page("trajectory.no_trace", why=plain(str(error))), icon=":material/route:")
        return None
    _notices(page, tree, record)
    told = Telling(page.lang, tree, page.open.experiment.rollout.use == "chunk")
    sprite = _sprite(page, cell.cell)
    return Shown(cell, record, tree, told, largest_rescue(tree), sprite, _plain_cell(page, cell))


def _draw(page: Page, shown: Shown) -> None:
    """From the answer to its evidence."""
    st.html(drawing.STYLE)
    st.html(_headline(page, shown))
    _tree(page, shown)
    if shown.tree.kind != "plain":
        _most(page, shown)
        _gains(page, shown)
        _videos(page, shown)
    if shown.tree.kind == "search":
        _pairs(page, shown)
    _table(page, shown)


# --- what is known ----------------------------------------------------------------------------------------


def _notices(page: Page, tree: Tree, record: Record | None) -> None:
    if record is None:
        st.info(page("trajectory.unfinished"), icon=":material/hourglass_top:")
    if tree.lost:
        st.warning(page("trajectory.damaged", lost=tree.lost), icon=":material/broken_image:")
    if tree.cut:
        st.warning(page("trajectory.cut"), icon=":material/content_cut:")
    if tree.kind == "search" and tree.winner != "recorded":
        st.caption(page("trajectory.best_so_far"))


def _sprite(page: Page, cell: str) -> Sprite | None:
    """Pictures of a cell's candidates; a damaged index is said and left out."""
    try:
        tiles = thumbnails.load_thumbnails(page.open.run.store.folder(cell))
    except ResultsError:
        st.caption(page("trajectory.tree.bad_pictures"))
        return None
    return Sprite(media.url(page.open.id, cell, thumbnails.PICTURE), tiles) if tiles else None


def _plain_cell(page: Page, cell: Planned) -> Planned | None:
    """The baseline's finished cell of the same prompt and repeat."""
    plan = page.open.run.plan
    same = (
        other
        for other in plan.cells
        if other.arm == plan.baseline and (other.prompt, other.repeat) == (cell.prompt, cell.repeat)
    )
    found = next(same, None)
    return found if found and found.cell != cell.cell and page.open.run.store.has(found.cell) else None


# --- the answer -------------------------------------------------------------------------------------------


def _headline(page: Page, shown: Shown) -> str:
    """A sentence, and in small print what its numbers are."""
    small = [] if shown.most is None else [shown.told.basis(shown.most)]
    if shown.tree.kind != "plain":
        small.append(_plain_words(page, shown))
    below = f"<small>{escape(('' if page.lang == 'ja' else ' ').join(small))}</small>" if small else ""
    return f'<div class="sn-call">{escape(shown.told.headline())}{below}</div>'


def _plain_words(page: Page, shown: Shown) -> str:
    """What plain sampling really made of the prompt, by the reward that was searched on."""
    key = page.open.run.plan.rewarded
    other = reading.record_of(page, shown.plain_cell.cell) if shown.plain_cell else None
    if other is None or shown.record is None:
        return page("trajectory.basis.no_plain_cell")
    before, after = other.scores.get(key or ""), shown.record.scores.get(key or "")
    if before is None or after is None:
        return ""
    part, words = (shown.most.part.name if shown.most and shown.most.part else ""), ""
    ends = other.scores.get(f"{key}/{part}"), shown.record.scores.get(f"{key}/{part}")
    if ends[0] is not None and ends[1] is not None:
        values = {"plain": figure(ends[0]), "chosen": figure(ends[1])}
        words = page("trajectory.headline.part", part=shown.told.part(part), **values)
    return page("trajectory.basis.plain_cell", before=figure(before), after=figure(after), part=words)


# --- the tree ---------------------------------------------------------------------------------------------


def _tree(page: Page, shown: Shown) -> None:
    tree, told = shown.tree, shown.told
    titles = {"videos": page("trajectory.tree.title_videos"), "plain": page("trajectory.tree.title_plain")}
    st.subheader(titles.get(tree.kind, page("trajectory.tree.title")))
    done = sum(node.final is not None for nodes in tree.steps.values() for node in nodes)
    if tree.kind == "search":
        looks = ", ".join(map(str, tree.looks))
        st.caption(page("trajectory.tree.facts", candidates=f"{tree.candidates:,}", finished=f"{done:,}", looks=looks))
    elif tree.kind == "videos":
        st.caption(page("trajectory.tree.facts_videos", count=len(tree.lanes), steps=len(tree.steps)))
    if shown.sprite is None:
        st.caption(page("trajectory.tree.no_pictures"))
    st.html(drawing.legend_html(told))
    st.html(drawing.tree_html(told, _window(page, shown), shown.most, shown.sprite))


def _window(page: Page, shown: Shown) -> tuple[int, ...]:
    """The steps that are drawn at once: where the search mattered most, unless the URL says otherwise."""
    groups = drawing.windows(shown.tree)
    if len(groups) == 1:
        return groups[0]
    names = {str(group[0] + 1): f"{shown.told.piece(group[0])} – {group[-1] + 1}" for group in groups}
    at = shown.most.step if shown.most else groups[0][0]
    first = next(str(group[0] + 1) for group in groups if at <= group[-1])
    ordered = {first: names[first]} | names  # the first is what is shown unless the URL names another
    chosen = state.pick(page("trajectory.choose.window"), ordered, WINDOW)
    return next(group for group in groups if str(group[0] + 1) == chosen)


# --- where it mattered ------------------------------------------------------------------------------------


def _most(page: Page, shown: Shown) -> None:
    """One step in full: its frames and the parts of its scores; the largest rescue unless another is asked for."""
    found = {each.step: each for each in rescues(shown.tree)}
    if not found:
        return
    first = shown.most.step if shown.most else next(iter(found))
    names = {str(step + 1): shown.told.piece(step) for step in (first, *sorted(found))}
    if shown.most is not None:
        names[str(first + 1)] = page("trajectory.choose.most", piece=shown.told.piece(first))
    heading, choice = st.columns([3, 1])
    with choice:
        rescue = found[int(state.pick(page("trajectory.choose.piece"), names, PIECE)) - 1]
    with heading:
        piece = shown.told.piece(rescue.step)
        title = "trajectory.most.title_videos" if shown.tree.kind == "videos" else "trajectory.most.title"
        st.subheader(page(title, piece=piece[:1].upper() + piece[1:]))
        st.caption(shown.told.basis(rescue))
    if rescue.plain is None:
        st.info(page("trajectory.most.no_plain"), icon=":material/info:")
        return
    if rescue.same:
        st.info(page("trajectory.most.same"), icon=":material/info:")
    pictures = frames.frames_html(page, rescue, shown.sprite, _plain_sprite(page, shown), _still(page, shown, rescue))
    if pictures:
        st.html(pictures)
        st.caption(page("trajectory.most.last_frame"))
    _parts(page, shown, rescue)


def _plain_sprite(page: Page, shown: Shown) -> Sprite | None:
    return _sprite(page, shown.plain_cell.cell) if shown.plain_cell else None


def _still(page: Page, shown: Shown, rescue: Rescue) -> str:
    """Of several whole videos: where the end of this step is in the file of the chosen one."""
    if shown.tree.kind != "videos" or shown.record is None or not media.there(page.open, shown.cell.cell):
        return ""
    span = _span(shown.record, rescue.step)
    return (
        ""
        if span is None
        else f"{media.url(page.open.id, shown.cell.cell)}#t={max(0.0, span[1] - 0.5 / shown.record.fps):.3f}"
    )


def _parts(page: Page, shown: Shown, rescue: Rescue) -> None:
    if rescue.same:
        return
    if not rescue.parts:
        st.caption(page("trajectory.most.no_parts"))
        return
    names = names_of(shown.told)
    about = page("trajectory.parts.about", piece=shown.told.piece(rescue.step), plain=names[0], kept=names[1])
    spec = parts_chart(shown.told, rescue.parts)
    figures.chart(page, "trajectory-parts", spec, shown.told.parts_grid(rescue), about)


def _gains(page: Page, shown: Shown) -> None:
    """Plain and kept over all steps."""
    st.subheader(page("trajectory.gains.title"))
    found = rescues(shown.tree)
    if not any(each.before is not None or each.after is not None for each in found):
        st.info(page("trajectory.gains.none"), icon=":material/bar_chart_off:")
        return
    names = names_of(shown.told)
    about = page("trajectory.gains.about", plain=names[0], kept=names[1])
    spec = gains_chart(shown.told, found, shown.most)
    figures.chart(page, "trajectory-gains", spec, shown.told.gains_grid(found), about)


def _videos(page: Page, shown: Shown) -> None:
    """The plain cell's video and this one, side by side."""
    from dashboard import player

    st.subheader(page("trajectory.videos.title"))
    other = shown.plain_cell
    if other is None or not all(media.there(page.open, cell.cell) for cell in (other, shown.cell)):
        st.info(page("trajectory.videos.missing"), icon=":material/videocam_off:")
        return
    if shown.most is not None and shown.record is not None and (span := _span(shown.record, shown.most.step)):
        start, end = (f"{second:.1f}" for second in span)
        piece = shown.told.piece(shown.most.step)
        st.caption(page("trajectory.videos.note", piece=piece, start=start, end=end))
    player.pair(page, other.cell, shown.cell.cell, key="trajectory-pair")
    links.to(page, "compare", page("trajectory.compare_link"), a=other.arm, b=shown.cell.arm, left=other.cell,
             right=shown.cell.cell)  # fmt: skip


def _span(record: Record, step: int) -> tuple[float, float] | None:
    """Seconds at which a chunk begins and ends in the video; None where the record does not say."""
    start, each = (record.parameters.get(name) for name in ("start_frames", "frames_per_chunk"))
    if not isinstance(start, int) or not isinstance(each, int):
        return None
    begin = start + step * each
    return begin / record.fps, (begin + each) / record.fps


# --- what a preview is worth ------------------------------------------------------------------------------


def _pairs(page: Page, shown: Shown) -> None:
    st.subheader(page("trajectory.pairs.title"))
    arm = reading.arm_pairs(page, shown.cell.arm)
    here, whole = st.columns(2)
    with here:
        st.markdown(f"**{page('trajectory.pairs.here')}**")
        own = pairs(shown.tree)
        _scatter(page, shown, "here", own, within_steps(own))
    with whole:
        st.markdown(f"**{page('trajectory.pairs.arm', count=arm.cells)}**")
        _scatter(page, shown, "arm", arm.pairs, arm.centred)
        for value in _recorded(page, shown.cell.arm):
            rho = figure(value.rho.value)
            st.caption(page("trajectory.pairs.mean", look=value.look.rpartition("@")[2], rho=rho, n=value.videos))
    st.caption(page("trajectory.pairs.bias"))


def _recorded(page: Page, arm: str) -> list[PreviewValue]:
    """What the records of the arm say on average."""
    return [value for value in page.open.findings.previews if value.arm == arm]


def _scatter(page: Page, shown: Shown, name: str, found: tuple[Pair, ...], centred: tuple[Pair, ...]) -> None:
    if not found:
        st.info(page("trajectory.pairs.none"), icon=":material/scatter_plot:")
        return
    st.markdown(page("trajectory.pairs.rho", rho=figure(rank_correlation(found)), n=f"{len(found):,}"))
    if centred:
        rho = figure(rank_correlation(centred))
        st.markdown(page("trajectory.pairs.within", rho=rho, n=f"{len(centred):,}"))
    about = page("trajectory.pairs.about", n=f"{len(found):,}")
    table = pairs_grid(page.lang, found, f"preview_and_final_{name}", chunks=shown.told.chunks)
    figures.chart(page, f"trajectory-pairs-{name}", pairs_chart(page.lang, found), table, about)


# --- all of it --------------------------------------------------------------------------------------------


def _table(page: Page, shown: Shown) -> None:
    """The tree as a table, and as a file."""
    steps = sorted(shown.tree.steps)
    at = shown.most.step if shown.most and len(steps) > TABLED else 0
    near = [step for step in steps if step >= at // TABLED * TABLED][:TABLED]
    with st.expander(page("trajectory.tree_table"), icon=":material/table_chart:"):
        grids.table(page, shown.told.tree_grid(near))
    st.download_button(
        page("trajectory.save"), lambda: grids.csv_of(shown.told.tree_grid(steps)), f"{shown.cell.cell}.csv",
        "text/csv", key="trajectory-csv", on_click="ignore", icon=":material/table:",
    )  # fmt: skip


if __name__ == "__main__":
    main()
