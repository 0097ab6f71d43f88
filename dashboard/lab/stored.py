"""Stored candidates of a run's searches under other weights: would another one have been kept?"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import blocks, figures, links, media, state
from dashboard.page import Page, plain
from dashboard.runs import OpenRun
from dashboard.tree.pictures import Sprite
from sn_eval.present.part_words import part_name
from sn_eval.present.report.model import Axis, Fact, Facts, Figure, Point, Series
from sn_eval.results.files import ResultsError
from sn_eval.results.reweighing import Candidates, Choice, Option, Outcome, Summary, choices_of, summarise
from sn_eval.results.thumbnails import PICTURE, Thumbnails, load_thumbnails
from sn_eval.results.trace import read_trace

ARM, CELL, WEIGHTS = "arm", "cell", "w"
SHEET = "contact_sheet.png"
SIDE = 72  # pixels of a tile on the page
LONG = 70  # letters of a prompt in a list


@dataclass(frozen=True)
class Stored:
    """The candidates of an arm. without: cells that have no trace; damaged: whose trace cannot be read, and why."""

    candidates: Candidates
    without: tuple[str, ...]
    damaged: Mapping[str, str]


def show(page: Page) -> None:
    """Arm, weights, what changes over the arm, and one search step by step."""
    arms = searched_arms(page.open)
    if not arms:
        st.info(page("lab.stored.no_search"), icon=":material/info:")
        return
    arm = state.pick(page("lab.arm"), {name: name for name in arms}, ARM)
    found = stored(page.open, arm)
    _missing(page, found)
    if not found.candidates.choices:
        st.info(page("lab.stored.nothing", arm=plain(arm)), icon=":material/info:")
        return
    if not found.candidates.recipe.parts:
        st.info(page("lab.stored.no_parts"), icon=":material/info:")
        return
    weights = _weights(page, found.candidates)
    outcomes = found.candidates.outcomes(weights)
    _over_the_arm(page, arm, outcomes)
    st.caption(page("lab.stored.honest"))
    _one_search(page, arm, outcomes, changed=weights is not None)


def searched_arms(run: OpenRun) -> list[str]:
    """Arms that chose by the reward, the arm of the URL's cell first, since its link was followed."""
    key = run.run.plan.searched or ""
    records = run.run.records()
    arms = {
        cell.arm: None
        for cell in run.run.plan.cells
        if cell.cell in records and records[cell.cell].scores.get(key) is not None
    }
    wanted = run.cell(state.asked(CELL))
    return sorted(arms, key=lambda arm: wanted is None or arm != wanted.arm)


def stored(run: OpenRun, arm: str) -> Stored:
    """All candidates of an arm's finished cells."""
    return _stored(run, run.id, run.version, arm)


@st.cache_resource(max_entries=8, show_spinner=False)
def _stored(_run: OpenRun, run_id: str, version: str, arm: str) -> Stored:
    records = _run.run.records()
    cells: dict[str, list[Choice]] = {}
    without, damaged = [], {}
    reward = None
    for planned in _run.run.plan.cells:
        if planned.arm != arm or planned.cell not in records:
            continue
        path = _run.run.store.folder(planned.cell) / "trace.jsonl"
        if not path.is_file():
            without.append(planned.cell)
            continue
        try:
            cells[planned.cell] = choices_of(read_trace(path))
        except (ResultsError, ValueError, TypeError, OverflowError) as error:  # rows that no search writes
            damaged[planned.cell] = str(error).replace(str(path.parent), planned.cell)
            continue
        rewards = records[planned.cell].rewards
        reward = reward or (rewards[0].model_dump() if rewards else None)
    return Stored(Candidates(cells, reward), tuple(without), damaged)


def _missing(page: Page, found: Stored) -> None:
    if found.without:
        st.caption(page("lab.stored.without", count=len(found.without)))
    for cell, why in list(found.damaged.items())[:1]:
        text = page("lab.stored.damaged", count=len(found.damaged), cell=plain(cell), why=plain(why))
        st.warning(text, icon=":material/broken_image:")


# --- weights ----------------------------------------------------------------------------------------------


def _weights(page: Page, candidates: Candidates) -> list[float] | None:
    """Sliders, a preset for as it was and one for equal weights; None for as it was."""
    recipe = candidates.recipe
    asked = weights_of(state.asked(WEIGHTS), len(recipe.parts))
    if state.asked(WEIGHTS) and asked is None:
        st.warning(page("lab.stored.bad_weights", count=len(recipe.parts)), icon=":material/edit_off:")
    shown = asked or [round(weight, 2) for weight in recipe.weights]
    widgets = [f"lab-weight-{place}-{len(recipe.parts)}" for place in range(len(recipe.parts))]
    for widget, weight in zip(widgets, shown, strict=True):
        st.session_state[widget] = weight

    def moved() -> None:
        st.query_params[WEIGHTS] = ",".join(f"{st.session_state[widget]:g}" for widget in widgets)

    for begin in range(0, len(widgets), 4):
        for place, column in enumerate(st.columns(4)[: len(widgets) - begin], begin):
            name = plain(part_name(page.lang, recipe.parts[place]))
            column.slider(name, 0.0, 1.0, step=0.01, key=widgets[place], on_change=moved)
    _presets(page, len(recipe.parts), as_it_was=asked is None)
    if asked is None:
        st.markdown(page("lab.stored.try", part=plain(part_name(page.lang, recipe.parts[0]))))
    st.caption(_recipe_words(page, candidates))
    return asked


def weights_of(text: str, count: int) -> list[float] | None:
    """Weights of the URL; None where they are no `count` numbers in 0 … 1, one of them above 0.

    >>> weights_of("0.5,0.25", 2), weights_of("0.5", 2), weights_of("0,0", 2), weights_of("nan,1", 2)
    ([0.5, 0.25], None, None, None)
    """
    try:
        weights = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    right = len(weights) == count and all(math.isfinite(w) and 0 <= w <= 1 for w in weights) and sum(weights) > 0
    return weights if right else None


def _presets(page: Page, count: int, *, as_it_was: bool) -> None:
    def back() -> None:
        st.query_params.pop(WEIGHTS, None)

    def equal() -> None:
        st.query_params[WEIGHTS] = ",".join(["1"] * count)

    with st.container(horizontal=True):
        st.button(page("lab.stored.as_it_was"), on_click=back, icon=":material/undo:", disabled=as_it_was)
        st.button(page("lab.stored.equal"), on_click=equal, icon=":material/balance:")


def _recipe_words(page: Page, candidates: Candidates) -> str:
    """Where the weights come from, and what they cannot do."""
    recipe = candidates.recipe
    names = [part_name(page.lang, name) for name in recipe.parts]
    weights = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(names, recipe.weights, strict=True))
    words = [page(f"lab.stored.recipe.{recipe.how}", weights=plain(weights))]
    if not all(scale.plain for scale in recipe.scales):
        words.append(page("lab.stored.normalised"))
    if recipe.never:
        words.append(page("lab.stored.never", names=plain(", ".join(recipe.never))))
    return " ".join(words)


# --- over the arm -----------------------------------------------------------------------------------------


def _over_the_arm(page: Page, arm: str, outcomes: Sequence[tuple[str, Outcome]]) -> None:
    """How much changes over all searches of the arm."""
    by_kind = {of: [o for _, o in outcomes if o.choice.of == of] for of in ("look", "beam", "video")}
    cells = len({cell for cell, _ in outcomes})
    st.markdown(f"**{page('lab.stored.over', arm=plain(arm), cells=cells)}**")
    blocks.show(page, Facts(tuple(fact(page, of, summarise(found)) for of, found in by_kind.items() if found)))
    st.caption(page("lab.stored.tau"))
    if any(summarise(found).as_stored < len(found) for found in by_kind.values()):
        st.caption(page("lab.stored.by_lot"))
    if any(o.changed for of in ("beam", "video") for o in by_kind[of]):
        st.caption(page("lab.stored.not_judged"))
    if by_kind["look"]:
        figures.figure(page, by_step(page, by_kind["look"]))


def fact(page: Page, of: str, told: Summary) -> Fact:
    """Share of the choices whose first changes, with the counts behind it."""
    share = told.share or 0.0
    return Fact(
        page(f"lab.stored.metric.{of}"), f"{share:.1%}",
        page("lab.stored.share", changed=told.top_changed, of=told.choices),
        note=page("lab.stored.kept", changed=told.changed, of=told.choices, tau=_two(told.tau)), number=share,
    )  # fmt: skip


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def by_step(page: Page, outcomes: Sequence[Outcome]) -> Figure:
    """Share of searches whose best candidate changes, by step."""
    steps = sorted({outcome.choice.step for outcome in outcomes})
    points = []
    for step in steps:
        told = summarise(outcome for outcome in outcomes if outcome.choice.step == step)
        points.append(Point(str(step + 1), told.share))
    return Figure(
        "changed_by_step", "bar", page("lab.stored.by_step"), page("lab.stored.by_step_about"),
        Axis(page("lab.stored.step_axis")), Axis(page("lab.stored.share_axis"), "percent", 0.0, 1.0),
        (Series(page("lab.stored.share_axis"), tuple(points), "bars"),),
    )  # fmt: skip


# --- one search -------------------------------------------------------------------------------------------


def _one_search(page: Page, arm: str, outcomes: Sequence[tuple[str, Outcome]], *, changed: bool) -> None:
    """A search of the arm, those where something changes first."""
    by_cell: dict[str, list[Outcome]] = {}
    for cell, outcome in outcomes:
        by_cell.setdefault(cell, []).append(outcome)
    count = {cell: sum(o.changed for o in found) for cell, found in by_cell.items()}
    cells = sorted(by_cell, key=lambda cell: -count[cell])  # stable: the plan's order among equals
    options = {cell: _cell_words(page, cell, count[cell]) for cell in cells}
    cell = state.pick(page("lab.stored.search"), options, CELL)
    found = by_cell[cell]
    planned = page.open.planned[cell]
    st.markdown(f"{page('lab.prompt')}: {plain(planned.prompt)}")
    _told_steps(page, found, changed=changed)
    tiles = _tiles(page, cell)
    st.html(_steps_html(page, cell, found, tiles))
    if tiles is None or any(_ambiguous(outcome.choice) for outcome in found):
        st.caption(page("lab.stored.no_tiles"))
    if any(outcome.choice.of == "video" for outcome in found) and media.there(page.open, cell, SHEET):
        st.html(_sheet_html(page, cell))
    looks = [outcome for outcome in found if outcome.choice.of == "look"]
    if looks:
        figures.figure(page, before_and_after(page, looks))
    links.to(page, "trajectories", page("lab.stored.to_tree"), cell=cell)


def _cell_words(page: Page, cell: str, changed: int) -> str:
    planned = page.open.planned[cell]
    prompt = planned.prompt if len(planned.prompt) <= LONG else planned.prompt[: LONG - 1] + "…"
    return page("lab.stored.cell", prompt=prompt, seed=planned.repeat, changed=changed)


def _told_steps(page: Page, found: Sequence[Outcome], *, changed: bool) -> None:
    """Which steps change, in a sentence."""
    if not changed:
        st.markdown(page("lab.stored.now_as_it_was"))
        return
    steps = [str(o.choice.step + 1) for o in found if o.choice.of == "look" and o.changed]
    last = [o for o in found if o.choice.of != "look"]
    words = []
    if any(o.choice.of == "look" for o in found):
        words.append(page("lab.stored.steps_changed", steps=", ".join(steps)) if steps else page("lab.stored.no_steps"))
    for outcome in last:
        words.append(page(f"lab.stored.end.{outcome.choice.of}_{'changed' if outcome.changed else 'same'}"))
        if outcome.changed:
            words.append(page("lab.stored.not_judged"))
    st.markdown(" ".join(words))


def _sheet_html(page: Page, cell: str) -> str:
    """The video that was kept, as a strip; of the others there is no picture."""
    address = html.escape(media.url(page.open.id, cell, SHEET), quote=True)
    words = html.escape(page("lab.stored.sheet"), quote=True)
    picture = f'<img src="{address}" alt="{words}" style="max-width:100%">'
    below = f'<figcaption style="font-size:.85rem;color:#444">{words}</figcaption>'
    return f'<figure style="margin:0">{picture}{below}</figure>'


def _tiles(page: Page, cell: str) -> Thumbnails | None:
    try:
        return load_thumbnails(page.open.run.store.folder(cell))
    except ResultsError:
        return None


def _ambiguous(choice: Choice) -> bool:
    """Whether options share a tile: whole videos all have the plain sampler's lineage."""
    keys = [option.key for option in choice.options]
    return len(set(keys)) < len(keys)


def _steps_html(page: Page, cell: str, found: Sequence[Outcome], tiles: Thumbnails | None) -> str:
    """A row a choice: what was kept, what would be kept, and whether that is another."""
    heads = "".join(
        f'<th style="text-align:left;padding:.3rem .6rem">{html.escape(page(key))}</th>'
        for key in ("lab.stored.choice", "lab.stored.was_kept", "lab.stored.would_keep", "lab.stored.outcome")
    )
    rows = "".join(_row_html(page, cell, outcome, tiles) for outcome in found)
    return (
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;color:#1a1a1a">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row_html(page: Page, cell: str, outcome: Outcome, tiles: Thumbnails | None) -> str:
    choice = outcome.choice
    where = page(f"lab.stored.at.{choice.of}", step=choice.step + 1, look=choice.look, options=len(choice.options))
    was, now = (
        "".join(_option_html(page, cell, choice, place, scores[place], tiles) for place in kept)
        for scores, kept in ((outcome.before, outcome.kept_before), (outcome.after, outcome.kept_after))
    )
    key = "another" if outcome.changed else "order" if outcome.top_changed else "same"
    ground = "#fdf1d8" if outcome.changed else "#ffffff"
    cells = (html.escape(where), was, now, f"<b>{html.escape(page(f'lab.stored.{key}'))}</b>")
    return f'<tr style="background:{ground};border-top:1px solid #d0d0d0">' + "".join(
        f'<td style="padding:.3rem .6rem;vertical-align:top">{text}</td>' for text in cells
    ) + "</tr>"  # fmt: skip


def _option_html(
    page: Page, cell: str, choice: Choice, place: int, score: float, tiles: Thumbnails | None
) -> str:
    """An option's tile, number and score."""
    option = choice.options[place]
    name = page(f"lab.stored.option.{choice.of}", number=place + 1)  # those of several beams are numbered through
    words = f"{name}: {'–' if score != score else f'{score:.4f}'}"
    picture = "" if _ambiguous(choice) else _tile_html(page, cell, choice, option, tiles, words)
    return (
        f'<div style="display:inline-block;margin-right:.5rem;font-size:.8rem;vertical-align:top">{picture}'
        f"{html.escape(words)}</div>"
    )


def _tile_html(
    page: Page, cell: str, choice: Choice, option: Option, tiles: Thumbnails | None, words: str
) -> str:  # fmt: skip
    corner = tiles.corner(option.kind, choice.step, option.key) if tiles is not None else None
    if tiles is None:
        return ""
    return Sprite(media.url(page.open.id, cell, PICTURE), tiles).at(corner, SIDE, words)


def before_and_after(page: Page, outcomes: Sequence[Outcome]) -> Figure:
    """Every option's stored and new score, by what became of it and would become."""
    names = ("both", "before", "after", "neither")
    points: dict[str, list[Point]] = {name: [] for name in names}
    for outcome in outcomes:
        for place, (was, now) in enumerate(zip(outcome.before, outcome.after, strict=True)):
            kept, keeps = place in outcome.kept_before, place in outcome.kept_after
            name = "both" if kept and keeps else "before" if kept else "after" if keeps else "neither"
            if was == was and now == now:
                points[name].append(Point(was, now))
    roles = {"both": "baseline", "before": "plain", "after": "chosen", "neither": "muted"}
    series = tuple(
        Series(page(f"lab.stored.dot.{name}"), tuple(points[name]), "marks", roles[name])  # type: ignore[arg-type]
        for name in names
        if points[name]
    )
    return Figure(
        "before_and_after", "scatter", page("lab.stored.dots"), page("lab.stored.dots_about"),
        Axis(page("lab.stored.stored_score")), Axis(page("lab.stored.new_score")), series,
    )  # fmt: skip
