"""比較/Compare: where an arm wins and where it loses, whether that is to be believed, and the videos behind it."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard import duels, figures, grids, pair_view, state
from dashboard.blind import panel
from dashboard.blocks import show
from dashboard.page import Page, begin, plain
from sn_eval.decision.paired_dots import Asked, Dot, Duel, cells_of
from sn_eval.decision.statistics import MIN_PROMPTS_FOR_BOOTSTRAP
from sn_eval.present.paired_dots import PLACE, SELECT, dots_grid, paired_dots
from sn_eval.present.report.model import Fact, Facts, Figure, Grid
from sn_eval.present.report.sections.quality import result
from sn_eval.present.scaling_words import scaling_words
from sn_eval.results.experiment import ACCEPTANCE

ROWS = 25  # prompts a page: a chart that still fits a screen, or a sheet of paper


def main() -> None:
    """Draw the page."""
    page = begin("compare")
    asked = duels.choose(page)
    if asked is not None:
        duels.close_where_changed(asked)
        found = duels.duel_of(page, asked)
        if st.toggle(page("compare_page.blind"), key="blind", bind="query-params"):
            _blind(page, found)  # and nothing else, since a rater must not see who wins
            return
        _warnings(page, asked)
        _result(page, found)
    _curves(page)
    page.end()


def _blind(page: Page, duel: Duel) -> None:
    """Ask a rater which of two videos is better, without names or scores."""
    pair = opened(duel)
    if pair is None:
        st.warning(page("compare_page.nothing"), icon=":material/filter_alt_off:")
    elif pair_view.known(page, *pair):
        panel(page, *pair, "compare")


def _warnings(page: Page, asked: Asked) -> None:
    """What takes weight from the figures below."""
    judges = page.open.findings.judges
    if asked.split == "dev":
        st.warning(page("compare_page.dev_note"), icon=":material/tune:")
    if any(judge.searched for judge in judges if judge.label == asked.outcome):
        st.warning(page("compare_page.searched"), icon=":material/warning:")
    if asked.narrowed:
        st.info(page("compare_page.exploration"), icon=":material/filter_alt:")
    elif asked.split == "confirm" and duels.declared(page.open.findings, asked) is None:
        st.info(page("compare_page.undeclared"), icon=":material/explore:")


def _result(page: Page, duel: Duel) -> None:
    """Headline, prompts and the pair that is open; a pair that the URL names is shown whatever the filters leave."""
    if not duel.dots:
        st.warning(page("compare_page.nothing"), icon=":material/filter_alt_off:")
    elif duel.compared.difference.mean is None:
        told = page.teller.outcome(duel.asked.outcome)
        st.warning(page("compare_page.no_values", prompts=len(duel.dots), outcome=plain(told)), icon=":material/help:")
        _prompts(page, duel)
    else:
        show(page, headline(page, duel))
        _remarks(page, duel)
        _prompts(page, duel)
    _pair(page, duel)


# --- the headline -----------------------------------------------------------------------------------------


def headline(page: Page, duel: Duel) -> Facts:
    """Difference, p, prompts, and how many of them are won."""
    t, difference, outcome = page.teller, duel.compared.difference, duel.asked.outcome
    dots = [dot for dot in duel.dots if dot.theirs is not None and dot.ours is not None]
    means = [sum(value or 0.0 for value in side) / len(dots)
             for side in ([dot.theirs for dot in dots], [dot.ours for dot in dots])]  # fmt: skip
    theirs, ours = (t.amount(outcome, value) for value in means)
    said = t(f"word.{result(duel.compared)}")
    lower = [] if duel.compared.higher_is_better else [t("word.lower_is_better")]
    return Facts((
        Fact(
            page("compare_page.difference", outcome=t.outcome(outcome)),
            t.amount(outcome, difference.mean, signed=True),
            t.interval(difference.low, difference.high, lambda value: t.amount(outcome, value, signed=True))
            or difference.method,
            note=" · ".join([said, page("compare_page.means", theirs=theirs, ours=ours), *lower]),
            number=difference.mean,
        ),
        _chance(page, duel),
        Fact(
            page("compare_page.prompts"), f"{difference.n_prompts:,}",
            page("compare_page.pairs", pairs=f"{difference.n_pairs:,}"),
            note=page("compare_page.small") if difference.n_prompts < MIN_PROMPTS_FOR_BOOTSTRAP else "",
            number=difference.n_prompts,
        ),
        Fact(
            page("compare_page.tally"),
            page("compare_page.tally_value", wins=duel.count("better"), ties=duel.count("same"),
                 losses=duel.count("worse")),
            page("compare_page.tally_note"), number=duel.count("better"),
        ),
    ))  # fmt: skip


def _chance(page: Page, duel: Duel) -> Fact:
    """p: corrected where the comparison is one of the report's."""
    found = duels.declared(page.open.findings, duel.asked)
    p = duel.compared.p if found is None else found.p
    label = page("compare_page.p_raw" if found is None else "compare_page.p_corrected")
    value = page("compare_page.p_least") if p is not None and p < 0.001 else None if p is None else f"{p:.3f}"
    primary = page("word.primary") if found is not None and found.primary else ""
    return Fact(label, value or page.teller.number(None), page("compare_page.p_note"), note=primary, number=p)


def _remarks(page: Page, duel: Duel) -> None:
    """What the headline leaves out."""
    told = []
    if duel.asked.split == "confirm":
        prompts = {each.prompt for each in page.open.findings.attempts if each.split == "confirm"}
        if waiting := len(prompts - duels.counted(page)):
            told.append(page("compare_page.waiting", count=waiting))
    if duel.alone:
        told.append(page("compare_page.alone", count=duel.alone))
    if unscored := duel.count("unknown"):
        told.append(page("compare_page.unscored", count=unscored))
    if duel.asked.outcome == ACCEPTANCE and any(arm.corrected is not None for arm in page.open.findings.arms):
        told.append(page("compare_page.people"))
    if told:
        st.caption("  \n".join(told))


# --- prompts ----------------------------------------------------------------------------------------------


def _prompts(page: Page, duel: Duel) -> None:
    """A page of them as a chart and as a table; a row of either opens its pair."""
    st.subheader(page("compare_page.dots_title"))
    first = _first(page, len(duel.dots))
    shown = duel.dots[first : first + ROWS]
    at = opened_place(page, duel)
    if any(dot.difference is not None for dot in shown):
        spec = paired_dots(page.teller, duel, first, shown, opened=at)
        about = page("paired.about", arm=duel.asked.arm, against=duel.asked.against)
        table = dots_grid(page.teller, duel, first, shown)
        found = figures.chart(page, "paired_dots", spec, table, about, select=SELECT)
        if duels.clicked("chart", found):
            _open(duel, found.get(PLACE))
    with st.expander(page("compare_page.rows"), icon=":material/checklist:"):
        _table(page, duel, first, shown)


def _first(page: Page, count: int) -> int:
    """Place of the first prompt of the page that the URL names."""
    if count <= ROWS:
        return 0
    starts = range(0, count, ROWS)
    names = {
        str(number): page("compare_page.pages", first=start + 1, last=min(start + ROWS, count), all=count)
        for number, start in enumerate(starts, start=1)
    }
    with st.container(width=320):
        return (int(state.pick(page("compare_page.prompts"), names, "part", label_visibility="collapsed")) - 1) * ROWS


def _table(page: Page, duel: Duel, first: int, shown: Sequence[Dot]) -> None:
    """The same prompts as rows that can be chosen by keyboard, too."""
    grid = dots_grid(page.teller, duel, first, shown, "paired_rows")
    frame = grids.frame_of(grid)
    told = st.dataframe(
        frame.style.format(grids.writers(grid, page.report.currency, page.lang)), hide_index=True, height=248,
        column_config=grids.columns_of(grid, page.lang), on_select="rerun", selection_mode="single-row",
        key="paired-rows", alt=grid.title,
    )  # fmt: skip
    st.caption(page("compare_page.choose"))
    rows = told.selection.rows
    places = {PLACE: first + rows[0]} if rows and rows[0] < len(shown) else {}
    if duels.clicked("table", places):
        _open(duel, places.get(PLACE))


def _open(duel: Duel, place: object) -> None:
    """Let the URL name the pair of a prompt, the repeat with the greatest loss, and draw the page with it."""
    if isinstance(place, int | float) and 0 <= place < len(duel.dots):
        duels.open_pair(*cells_of(duel.dots[int(place)].meetings[0]))
        st.rerun()


def opened_place(page: Page, duel: Duel) -> int:
    """Place of the prompt whose pair is open, −1 for none."""
    pair = opened(duel)
    cell = page.open.cell(pair[0]) if pair else None
    return next((place for place, dot in enumerate(duel.dots) if cell and dot.prompt == cell.prompt), -1)


def opened(duel: Duel) -> tuple[str, str] | None:
    """The pair that the URL names, as it came; without one the first prompt's, where the loss is greatest."""
    left, right = (state.asked(name) for name in duels.PAIR)
    if left or right:
        return left, right
    return cells_of(duel.dots[0].meetings[0]) if duel.dots else None


def _pair(page: Page, duel: Duel) -> None:
    pair = opened(duel)
    if pair is not None:
        st.subheader(page("pair.title"), anchor="pair")
        place = opened_place(page, duel)
        pair_view.show(page, *pair, meetings=duel.dots[place].meetings if place >= 0 else ())


# --- budgets ----------------------------------------------------------------------------------------------


def _curves(page: Page) -> None:
    """Quality against compute with the fitted law; or why there is no curve."""
    st.subheader(page("compare_page.curves_title"))
    for fit in page.open.findings.scaling:
        if fit.points:
            st.markdown(f"- {plain(scaling_words(page.teller, fit))}")
    for block in page.report.section("scaling").blocks:
        if isinstance(block, Figure):
            figures.figure(page, block)
        elif isinstance(block, Grid):
            show(page, _without_remarks(block))
        else:
            show(page, block)


def _without_remarks(told: Grid) -> Grid:
    """The fitted numbers alone: what is to be said of each stands above in full, and would be cut off in a cell."""
    rows = tuple(replace(row, cells=row.cells[:-1]) for row in told.rows)
    return replace(told, columns=told.columns[:-1], rows=rows) if told.columns[-1].wide else told


if __name__ == "__main__":
    main()
