"""Clips scored with a reward, in a process of its own: ranking, parts, and curves frame by frame."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import figures, grids, media, scoring, state
from dashboard.page import Page, plain
from dashboard.scoring import Clip, Job, Request, Result
from dashboard.settings import settings
from sn_eval.present.charts import COLOURS, DASHES
from sn_eval.present.report.model import Column, Grid, Row
from sn_eval.results.files import ResultsError

SOURCE, REWARD, PROMPT, CELLS = "source", "reward", "prompt", "clips"
JOB = "lab-job"  # this visitor's own, in his session
FIRST = 4  # clips that are chosen to begin with
LONG = 48  # letters of a prompt in a name
OWN = "-own-"  # no reward's name


def show(page: Page) -> None:
    """Which clips, which reward, the scoring, and what came of it."""
    job: Job | None = st.session_state.get(JOB)
    running = job is not None and job.state == "running"
    request = _request(page, disabled=running)
    _start(page, request, disabled=running)
    if job is not None and job.state == "running":
        _watch(page, job)
    elif job is not None:
        _ended(page, job)


# --- what is asked ----------------------------------------------------------------------------------------


def _request(page: Page, *, disabled: bool) -> Request | None:
    """What the visitor has put together; None while something is missing, which is then said."""
    use, params = _reward(page, disabled=disabled)
    sources = {"run": page("lab.clips.run"), "own": page("lab.clips.own")}
    source = state.pick(page("lab.clips.source"), sources, SOURCE, draw=st.segmented_control, disabled=disabled)
    clips = _of_the_run(page, disabled=disabled) if source == "run" else _uploaded(page, disabled=disabled)
    return Request(use, tuple(clips), params) if use and clips else None


def _reward(page: Page, *, disabled: bool) -> tuple[str, tuple[str, ...]]:
    """A built-in reward by name, or, where the server allows it, code."""
    try:
        with st.spinner(page("lab.clips.listing")):
            known = scoring.built_in()
    except ResultsError as error:
        st.error(page("lab.problem", why=plain(str(error))), icon=":material/error:")
        return "", ()
    allowed = settings().allow_code
    options = {each.name: f"{each.name} — {_summary(page, each)}" for each in known}
    own = page.open.experiment.reward
    first = own.use if own is not None and own.use in options else next(iter(options))
    options = {first: options[first]} | options | ({OWN: page("lab.clips.code")} if allowed else {})
    chosen = state.pick(page("lab.reward"), options, REWARD, disabled=disabled)
    if not allowed:
        st.caption(page("lab.clips.no_code", command="`sn-eval dashboard --allow-code`"))
    if chosen != OWN:
        return chosen, ()
    use = st.text_input(page("lab.clips.use"), placeholder="my_reward.py:my_reward", key="lab-use", disabled=disabled)
    params = st.text_area(page("lab.clips.params"), key="lab-params", height=80, disabled=disabled)
    return use.strip(), tuple(line.strip() for line in params.splitlines() if line.strip())


def _summary(page: Page, each: scoring.BuiltIn) -> str:
    """What it measures, in the page's language where it is one of ours."""
    try:
        return page(f"lab.rewards.{each.name}")
    except KeyError:
        return each.summary


def _of_the_run(page: Page, *, disabled: bool) -> list[Clip]:
    """Videos of one prompt's cells, and those that were chosen before."""
    cells = {cell.cell: cell for cell in page.open.run.plan.cells if cell.cell in page.open.run.records()}
    prompts = list(dict.fromkeys(cell.prompt for cell in cells.values()))
    if not cells:
        st.info(page("lab.clips.no_videos"), icon=":material/videocam_off:")
        return []
    chosen = [cell for cell in state.asked(CELLS).split(",") if cell in cells][: scoring.MOST]
    prompt = state.pick(
        page("lab.prompt"), {str(n): text for n, text in enumerate(prompts)}, PROMPT, disabled=disabled
    )
    here = [name for name, cell in cells.items() if cell.prompt == prompts[int(prompt)]]
    there = [name for name in dict.fromkeys((*chosen, *here)) if media.there(page.open, name)]
    if not there:
        st.info(page("lab.clips.no_videos"), icon=":material/videocam_off:")
        return []
    several = len({cells[name].prompt for name in there}) > 1
    names = {name: clip_name(cells[name].arm, cells[name].prompt * several, cells[name].repeat) for name in there}
    widget = f"lab-clips-{prompt}"
    if widget not in st.session_state:
        st.session_state[widget] = [name for name in chosen if name in names] or there[:FIRST]

    def changed() -> None:
        st.query_params[CELLS] = ",".join(st.session_state[widget])

    picked = st.multiselect(
        page("lab.clips.which"), there, format_func=names.__getitem__, key=widget, on_change=changed,
        max_selections=scoring.MOST, disabled=disabled,
    )  # fmt: skip
    folder = page.open.run.store.folder
    return [Clip(names[name], cells[name].prompt, folder(name) / "video.mp4") for name in picked]


def clip_name(arm: str, prompt: str, repeat: int) -> str:
    """What a video of the run is called. prompt: "" where all are of the same.

    >>> clip_name("plain", "a hill", 1), clip_name("plain", "", 1)
    ('plain · a hill · #1', 'plain · #1')
    """
    short = prompt if len(prompt) <= LONG else prompt[: LONG - 1] + "…"
    return " · ".join(part for part in (arm, short, f"#{repeat}") if part)


def _uploaded(page: Page, *, disabled: bool) -> list[Clip]:
    """Files that a visitor brings."""
    size = scoring.LARGEST // 2**20
    prompt = st.text_input(page("lab.clips.prompt"), key="lab-prompt", max_chars=500, disabled=disabled)
    files = st.file_uploader(
        page("lab.clips.upload", most=scoring.MOST, size=size), type="mp4", accept_multiple_files=True,
        max_upload_size=size, key="lab-files", disabled=disabled,
    )  # fmt: skip
    if len(files) > scoring.MOST:
        st.error(page("lab.clips.too_many", count=len(files), most=scoring.MOST), icon=":material/error:")
        return []
    st.caption(page("lab.clips.deleted"))
    names = [file.name for file in files]
    return [
        Clip(name if names.count(name) == 1 else f"{number}: {name}", prompt, file.getvalue())
        for number, (name, file) in enumerate(zip(names, files, strict=True), 1)
    ]


# --- the job ----------------------------------------------------------------------------------------------


def _start(page: Page, request: Request | None, *, disabled: bool) -> None:
    pressed = st.button(
        page("lab.clips.score"), type="primary", icon=":material/play_arrow:", disabled=disabled or request is None,
        key="lab-score",
    )  # fmt: skip
    st.caption(page("lab.clips.anchor"))
    if not pressed or request is None:
        return
    try:
        st.session_state[JOB] = scoring.start(request)
    except ResultsError as error:
        st.error(page("lab.problem", why=plain(str(error))), icon=":material/error:")
        return
    st.rerun()


@st.fragment(run_every=1.0)
def _watch(page: Page, job: Job) -> None:
    """How far it is, and a way to stop it."""
    if job.state != "running":
        st.rerun()
    words = page("lab.clips.running", seconds=f"{job.seconds:.0f}", limit=f"{job.limit:.0f}")
    st.progress(job.share, words)
    if st.button(page("lab.clips.cancel"), icon=":material/stop:", key="lab-cancel"):
        job.cancel()
        st.rerun()


def _ended(page: Page, job: Job) -> None:
    if job.state == "cancelled":
        st.info(page("lab.clips.cancelled"), icon=":material/stop:")
    elif job.state == "timed_out":
        st.error(page("lab.clips.timed_out", limit=f"{job.limit:.0f}"), icon=":material/timer_off:")
    elif job.state == "failed" or job.result is None:
        st.error(page("lab.clips.failed", why=plain(job.problem)), icon=":material/error:")
    else:
        _result(page, job.result)


# --- the result -------------------------------------------------------------------------------------------


def _result(page: Page, found: Result) -> None:
    for name, why in found.failed.items():
        st.warning(page("lab.clips.unread", name=plain(name), why=plain(why)), icon=":material/broken_image:")
    if not found.scores:
        return
    best = ranked(found)[0]
    if best.value is not None:
        words = page("lab.clips.best", name=best.name, reward=found.reward, value=f"{best.value:.3f}")
        st.markdown(f"**{plain(words)}**")
    grids.grid(page, ranking(page, found))
    if any(score.per_frame for score in found.scores):
        about = page("lab.clips.curves_about", reward=found.reward)
        figures.chart(page, "score_curves", curves(page, found), curve_table(page, found), about)
    else:
        st.caption(page("lab.clips.no_curves"))


def ranked(found: Result) -> list[scoring.Score]:
    """The best first; not scored is last."""
    return sorted(found.scores, key=lambda score: (score.value is None, -(score.value or 0.0)))


def ranking(page: Page, found: Result) -> Grid:
    """A row a clip: rank, value and own parts."""
    parts = list(dict.fromkeys(name for score in found.scores for name in score.parts if "/" not in name))
    columns = (
        Column(page("lab.clips.rank"), "integer", digits=0), Column(page("lab.clips.clip"), wide=True),
        Column(page("lab.clips.value"), "number", digits=4), *(Column(name, "number", digits=4) for name in parts),
    )  # fmt: skip
    rows = tuple(
        Row((rank if score.value is not None else None, score.name, score.value, *map(score.parts.get, parts)))
        for rank, score in enumerate(ranked(found), 1)
    )
    return Grid("clip_scores", page("lab.clips.title", reward=found.reward), columns, rows, page("lab.clips.unscored"))


def _points(found: Result) -> list[dict[str, Any]]:
    return [
        {"clip": score.name, "time": frame / (score.fps or 1.0), "frame": frame, "value": value}
        for score in found.scores
        for frame, value in enumerate(score.per_frame or ())
        if value is not None
    ]


def curves(page: Page, found: Result) -> dict[str, Any]:
    """A line a clip, with a colour and a dash of its own."""
    names = [score.name for score in found.scores if score.per_frame]
    colours, dashes = (*COLOURS, "#767676"), (*DASHES, [2, 6])
    legend = {"orient": "bottom", "title": None, "columns": 2, "labelLimit": 340, "symbolSize": 300,
              "symbolStrokeWidth": 2}  # fmt: skip

    def look(values: Sequence[Any]) -> dict[str, Any]:
        scale = {"domain": names, "range": list(values[: len(names)])}
        return {"field": "clip", "type": "nominal", "scale": scale, "legend": legend}

    line = {
        "data": {"values": _points(found)}, "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {"field": "time", "type": "quantitative", "title": page("lab.clips.seconds")},
            "y": {"field": "value", "type": "quantitative", "title": found.reward, "scale": {"zero": False}},
            "color": look(colours), "strokeDash": look(dashes),
        },
    }  # fmt: skip
    return {"width": 700, "height": 300, "layer": [line]}


def curve_table(page: Page, found: Result) -> Grid:
    """A row a clip and frame."""
    columns = (
        Column(page("lab.clips.clip"), wide=True), Column(page("lab.clips.frame"), "integer", digits=0),
        Column(page("lab.clips.seconds"), "number", digits=2), Column(found.reward, "number", digits=4),
    )  # fmt: skip
    rows = tuple(Row((p["clip"], p["frame"], p["time"], p["value"])) for p in _points(found))
    return Grid("clip_curves", page("lab.clips.title", reward=found.reward), columns, rows)
