"""The dashboard as a visitor has it: a real Chromium, a real server, runs of every kind."""

import re
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from browsing import FIRST, PAGES, address
from playwright.sync_api import expect

from sn_eval.present.words import LANGUAGES, say

# --- every page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PAGES)
def test_a_page_can_be_read_and_its_charts_have_tables(visit, lang, key):
    """Of a run that has everything. The fixture fails for console errors, dialogs and other hosts."""
    visit.open(address(key), lang=lang, run="complete").whole()
    assert visit.tab.get_by_role("heading", level=1).inner_text() == say(lang, f"pages.{key}.title")
    assert visit.tab.title()
    assert visit.faint(4.5) == []
    assert visit.charts_without(say(lang, "blocks.table_of")) == []
    assert visit.nameless() == []
    if lang == "en":
        assert not re.findall(r"[ぁ-んァ-ヶ一-龠]{2,}", visit.text), "Japanese on an English page"


@pytest.mark.parametrize(
    "run", ["provisional", "failing", "awkward", "empty", "imported", "corrupt", "hills", "no-run"]
)
def test_whatever_the_run_every_page_stays_up(visit, run):
    """Reached through the navigation, as a visitor does."""
    visit.open(lang="en", run=run)
    for key in PAGES:
        visit.go(say("en", f"pages.{key}.title"))
        assert visit.tab.get_by_role("heading", level=1).inner_text() == say("en", f"pages.{key}.title")
        assert visit.tab.get_by_test_id("stException").count() == 0
        assert visit.query["lang"] == "en"
        assert visit.query.get("run", run) == run


# --- language and address ---------------------------------------------------------------------------------


def test_the_language_follows_the_browser_then_the_choice(browser, server, visitor):
    """And what was chosen stays from page to page, and when the page is loaded again."""
    visit = visitor(locale="ja-JP").open(run="complete")
    assert visit.tab.get_by_role("heading", level=1).inner_text() == say("ja", "pages.decision.title")
    visit.tab.get_by_role("radio", name="English").or_(visit.tab.get_by_role("button", name="English")).first.click()
    expect(visit.tab.get_by_role("heading", level=1)).to_have_text(say("en", "pages.decision.title"))
    visit.go(say("en", "pages.compare.title"))
    assert visit.query["lang"] == "en"
    visit.tab.reload()
    visit.settled()
    assert visit.tab.get_by_role("heading", level=1).inner_text() == say("en", "pages.compare.title")


def test_the_run_is_chosen_in_the_sidebar_and_a_link_shows_it_to_a_colleague(visit, visitor):
    visit.open("runs", lang="en", run="complete")
    visit.choose(say("en", "app.run"), "provisional")
    assert visit.query["run"] == "provisional"
    other = visitor(locale="ja-JP")
    other.tab.goto(visit.tab.url)
    assert other.settled().text == visit.text


# --- safety -----------------------------------------------------------------------------------------------

CLIMBING = (
    "/cells/../../../etc/passwd", "/cells/complete/..%2f..%2f..%2fetc%2fpasswd/video.mp4",
    "/cells/complete/%2e%2e/%2e%2e/spec.yaml", "/cells/..%2fcomplete/plain-00-0/video.mp4",
    "/cells/complete/plain-00-0/record.json", "/cells/complete/plain-00-0/..%2frecord.json",
    "/cells/complete/no-such-cell/video.mp4", "/cells/%00/plain-00-0/video.mp4", "/cells/complete/plain-00-0/%00",
    "/media/../../../etc/passwd", "/app/static/..%2f..%2fpyproject.toml",
)  # fmt: skip


@pytest.mark.parametrize("path", CLIMBING)
def test_no_address_leads_out_of_the_runs(server, path):
    """Whatever is answered is no file of ours or of the machine: not found, or the page's own frame."""
    status, kind, content = answer(server + path)
    if status == 200:
        assert kind.startswith("text/html")
        assert b"root:" not in content
        assert b"name:" not in content
    else:
        assert status in (400, 403, 404)


def answer(url: str) -> tuple[int, str, bytes]:
    try:
        with urlopen(url, timeout=30) as given:
            return given.status, given.headers["Content-Type"], given.read()
    except HTTPError as error:
        return error.code, "", b""


def test_a_video_is_found_by_its_id_and_sent_in_pieces(server, runs):
    cell = sorted(path.name for path in (runs / "complete" / "cells").iterdir())[0]
    from urllib.request import Request

    asked = Request(f"{server}/cells/complete/{cell}/video.mp4", headers={"Range": "bytes=2-9"})
    with urlopen(asked, timeout=30) as answer:
        assert answer.status == 206
        assert answer.read() == (runs / "complete" / "cells" / cell / "video.mp4").read_bytes()[2:10]
        assert answer.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("run", ["awkward", "hills"])
def test_a_script_in_a_prompt_is_text(visit, run):
    """It would open a dialog, which fails the test; its link would leave for another host."""
    seen = 0
    for key in PAGES:
        visit.open(address(key), lang="en", run=run).whole()
        seen += visit.tab.get_by_text("<script>alert(").count()
        assert visit.tab.locator('a[href*="example.com"]').count() == 0
    assert seen


# --- paper ------------------------------------------------------------------------------------------------


def test_on_paper_there_is_the_page_alone(visit):
    visit.open(lang="ja", run="complete")
    sidebar = visit.tab.get_by_test_id("stSidebar")
    expect(sidebar).to_be_visible()
    visit.tab.emulate_media(media="print")
    expect(sidebar).to_be_hidden()
    expect(visit.tab.get_by_role("heading", level=1)).to_be_visible()
    sheet = visit.tab.locator('[data-testid="stMain"]').evaluate("e => getComputedStyle(e).overflowY")
    assert sheet in ("visible", "clip"), "a page that scrolls in its own box prints its first sheet only"


assert FIRST in PAGES
assert LANGUAGES
