"""Every page of the dashboard, in both languages, over runs of every state: it says what is wrong and stays up."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from findings import folder
from small_run import NAME as HILLS
from streamlit.testing.v1 import AppTest

from dashboard.app import FOLDER, PAGES
from dashboard.settings import VARIABLE, Settings
from sn_eval.present.words import LANGUAGES, say

NONSENSE = ("../../etc/passwd", "<script>alert(1)</script>", "-1", "9" * 400)
BESIDE = ("video.mp4", "trace.jsonl", "candidates.jpg", "candidates.json", "per_frame.json", "contact_sheet.png",
          "search.png")  # fmt: skip


@dataclass(frozen=True)
class State:
    """How a run is made worse, and the notice that it must bring. ends: no page shows anything of the run."""

    of: str
    harm: Callable[[Path], None]
    notice: str = ""
    ends: bool = False


def _nothing(run: Path) -> None:
    return


def _each(run: Path, name: str, change: Callable[[Path], object], every: int = 1) -> None:
    for path in sorted(run.glob(f"cells/*/{name}"))[::every]:
        change(path)


def _garbage(name: str, every: int = 1) -> Callable[[Path], None]:
    return lambda run: _each(run, name, lambda path: path.write_bytes(b'\x93garbage{"a": nan'), every)


def _without(*names: str) -> Callable[[Path], None]:
    """Files that a packed run leaves out: they are neither there nor noted in the record."""

    def harm(run: Path) -> None:
        for name in names:
            _each(run, name, Path.unlink)
        _each(run, "record.json", lambda path: _note(path, names))

    return harm


def _note(path: Path, gone: tuple[str, ...]) -> None:
    record = json.loads(path.read_text("utf-8"))
    record["files"] = {name: size for name, size in record["files"].items() if name not in gone}
    path.write_text(json.dumps(record), "utf-8")


def _unnoted(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    """A file that was damaged and of which no record knows the size: only reading it shows it."""

    def harm(run: Path) -> None:
        _each(run, name, change)
        _each(run, "record.json", lambda path: _note(path, (name,)))

    return harm


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _file(name: str, content: bytes | None, *, add: bool = False) -> Callable[[Path], None]:
    """Its content is replaced, or added to; None: it goes."""

    def harm(run: Path) -> None:
        path = run / name
        if content is None:
            path.unlink()
        else:
            path.write_bytes((path.read_bytes() if add else b"") + content)

    return harm


def _both(*harms: Callable[[Path], None]) -> Callable[[Path], None]:
    def harm(run: Path) -> None:
        for each in harms:
            each(run)

    return harm


MAIN = {
    "full": State("illustrative", _nothing, "example.watermark"),
    "empty": State("empty", _nothing, "app.empty"),
    "partial": State("provisional", _nothing, "app.partial"),
    "corrupt": State("minimal", _garbage("record.json", 3), "app.damaged"),
    "unreadable": State("minimal", _file("spec.yaml", b"name: ["), "app.unreadable", ends=True),
}
OTHER = {
    "made": State(HILLS, _nothing),
    "imported": State("imported_unpriced", _nothing),
    "minimal": State("minimal", _nothing),
    "failed cells": State("failing", _file("errors.jsonl", b'\xff\xfe{\n[]\n"x"\n', add=True)),
    "script in a prompt": State("awkward", _file("snapshot.parquet", b"PAR1garbage")),
    "nothing but garbage": State("minimal", _garbage("record.json"), "app.damaged"),
    "prices of garbage": State("minimal", _file("prices.yaml", b"a: [\x00")),
    "cut and missing": State(
        HILLS, _both(_garbage("trace.jsonl", 2), lambda run: _each(run, "video.mp4", Path.unlink)), "app.damaged"
    ),
    "traces cut, unnoted": State(HILLS, _unnoted("trace.jsonl", _cut)),
    "pictures cut, unnoted": State(
        HILLS, _both(_unnoted("candidates.jpg", _cut), _unnoted("per_frame.json", _cut), _unnoted("video.mp4", _cut))
    ),
    "tile lists cut, unnoted": State(HILLS, _unnoted("candidates.json", _cut)),
    "records only": State(HILLS, _without(*BESIDE)),
}
UNREADABLE = {
    "spec of nonsense": State("minimal", _file("spec.yaml", b"- 1\n- \xff"), "app.unreadable", ends=True),
    "plan missing": State("minimal", _file("plan.json", None), "app.unreadable", ends=True),
    "plan of garbage": State("minimal", _file("plan.json", b"[1, 2"), "app.unreadable", ends=True),
    "store of a newer version": State("minimal", _file("store.json", b'{"schema": 99}'), "app.unreadable", ends=True),
}
STATES = MAIN | OTHER | UNREADABLE


@pytest.fixture(scope="module")
def state(tmp_path_factory, hills) -> Callable[[str], Path]:
    """The folder of a state; made once."""
    root = tmp_path_factory.mktemp("states")

    @cache
    def harmed(name: str) -> Path:
        place = root / re.sub(r"\W+", "-", name)
        shutil.copytree(hills if STATES[name].of == HILLS else folder(STATES[name].of), place)
        STATES[name].harm(place)
        return place

    return harmed


@pytest.fixture(scope="module", autouse=True)
def fresh() -> Iterator[None]:
    """What other tests left in Streamlit's caches is gone; runs of this file have folders of their own."""
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()
    st.cache_data.clear()


def shown(monkeypatch: pytest.MonkeyPatch, place: Path, key: str, /, **query: str) -> AppTest:
    """A page by itself, drawn once."""
    monkeypatch.setenv(VARIABLE, json.dumps(asdict(Settings(str(place)))))
    test = AppTest.from_file(str(FOLDER / f"{key}.py"), default_timeout=120)
    for name, value in query.items():
        test.query_params[name] = value
    return test.run()


def said(test: AppTest) -> str:
    """All text of the page, in its order, with Markdown's signs."""
    kinds = ("title", "header", "subheader", "markdown", "caption", "error", "warning", "info", "success", "text")
    return "\n".join(each.value for kind in kinds for each in getattr(test, kind)).replace("\\", "")


def opening(lang: str, key: str) -> str:
    """What a sentence begins with, up to its first blank: enough to find it by."""
    words = say(lang, key, **{name: f"{{{name}}}" for name in ("why", "count", "first", "planned", "done", "command")})
    return max(re.split(r"\{\w+\}", words), key=len).strip()


def check(test: AppTest, lang: str, key: str, state: State) -> None:
    """It is drawn, with its title and the notice of the state, to its end; nothing was raised."""
    assert not test.exception, [(each.message, each.stack_trace) for each in test.exception]
    assert [each.value for each in test.title] == [say(lang, f"pages.{key}.title")]
    text = said(test)
    assert "Traceback" not in text
    if state.notice:
        assert opening(lang, state.notice) in text
    if state.ends:
        assert [each.value.count("\n") for each in test.error] == [0]


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("key", PAGES)
def test_a_page_says_what_is_wrong_and_stays_up(monkeypatch, state, key, lang, name):
    check(shown(monkeypatch, state(name), key, lang=lang), lang, key, STATES[name])


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("key", PAGES)
def test_whatever_is_damaged_a_page_stays_up(monkeypatch, state, key, name):
    lang = LANGUAGES[(list(PAGES).index(key) + list(OTHER).index(name)) % 2]
    check(shown(monkeypatch, state(name), key, lang=lang), lang, key, STATES[name])


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_run_that_cannot_be_read_is_said_on_every_page(monkeypatch, state, name):
    for lang, key in zip(LANGUAGES, PAGES, strict=False):
        check(shown(monkeypatch, state(name), key, lang=lang), lang, key, STATES[name])


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("key", PAGES)
def test_nonsense_in_the_address_is_no_fault(monkeypatch, state, key, value):
    """All names that any page reads are set to it, those of the language and the run apart."""
    test = shown(monkeypatch, state("made"), key, lang="en", **dict.fromkeys(_names(), value))
    check(test, "en", key, STATES["made"])


def test_a_run_that_is_not_there_is_said(monkeypatch, state):
    test = shown(monkeypatch, state("made"), "decision", lang="en", run="../../etc")
    check(test, "en", "decision", UNREADABLE["plan missing"])


@cache
def _names() -> frozenset[str]:
    """Every short word in the code: whatever a page asks the address for is among them."""
    text = "\n".join(path.read_text("utf-8") for path in FOLDER.parent.rglob("*.py"))
    found = set(re.findall(r'"([a-z][a-z0-9_-]{0,11})"', text)) - {"lang", "run"}
    assert {"cell", "part", "outcome", "tab"} <= found
    return frozenset(found)
