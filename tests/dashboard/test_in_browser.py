"""The dashboard as a visitor has it: a real Chromium, a real server, runs of every kind."""

import codecs
import csv
import io
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import vl_convert
from browsing import FONTS, PAGES, PATIENCE, Visit, address
from PIL import Image, ImageChops
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as NothingCame
from pptx import Presentation
from small_run import NAME, VIDEO_SECONDS

from sn_eval.present.words import catalogue, say

JAPANESE = re.compile("[ぁ-んァ-ヶ一-龠]")
TOGETHER = 0.1  # seconds
SAID = ("go", "conditional", "continue", "stop", "invalid")

# --- every page -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", PAGES)
def test_a_page_can_be_read_and_its_charts_have_tables(visit, lang, key):
    """Of a run that has everything. The fixture fails for console errors, dialogs and other hosts."""
    visit.open(address(key), lang=lang, run="complete").whole()
    assert visit.tab.get_by_role("heading", level=1).inner_text() == say(lang, f"pages.{key}.title")
    assert visit.tab.title()
    assert visit.faint(4.5) == []
    assert visit.charts_without(say(lang, "blocks.table_of")) == []
    assert visit.tab.get_by_test_id("stVegaLiteChart").count() or key in ("lab", "runs", "trajectories")
    assert visit.nameless() == []
    if lang == "en":
        assert not re.findall(r"[ぁ-んァ-ヶ一-龠]{2,}", visit.text), "Japanese on an English page"


@pytest.mark.parametrize("run", ["provisional", "empty", "corrupt", "imported"])
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
    visit.open("compare", lang="en", run="complete")
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
    asked = Request(f"{server}/cells/complete/{cell}/video.mp4", headers={"Range": "bytes=2-9"})
    with urlopen(asked, timeout=30) as answer:
        assert answer.status == 206
        assert answer.read() == (runs / "complete" / "cells" / cell / "video.mp4").read_bytes()[2:10]
        assert answer.headers["Content-Type"] == "video/mp4"


@pytest.mark.parametrize("run", ["awkward", "hills"])
def test_a_script_in_a_prompt_is_text(visit, run):
    """It would open a dialog, which fails the test; its link would leave for another host."""
    seen = 0
    visit.open(lang="en", run=run)
    for key in PAGES:
        visit.go(say("en", f"pages.{key}.title"))
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


# --- videos -----------------------------------------------------------------------------------------------


def test_two_videos_play_and_stay_together(visit):
    """Within 100 ms of each other at every look, from the first to the last picture."""
    visit.open("compare", lang="en", run=NAME)
    looks = played(visit.tab)
    assert max(abs(left - right) for left, right in looks) <= TOGETHER
    assert [max(times) for times in zip(*looks, strict=True)] > [VIDEO_SECONDS - 0.5] * 2
    visit.tab.locator(".player .back").click()
    left, right = times(visit.tab)
    assert left == pytest.approx(right, abs=TOGETHER)


def played(tab: Page) -> list[tuple[float, float]]:
    """Press play, and look at the times of both videos until they end."""
    player = tab.locator(".player")
    expect(player).to_have_attribute("data-state", re.compile("ready|paused"), timeout=PATIENCE)
    player.locator(".play").click()
    looks = []
    for _ in range(600):
        looks.append(times(tab))
        if player.get_attribute("data-state") == "ended":
            return looks
        tab.wait_for_timeout(50)
    pytest.fail(f"the videos did not end: {player.get_attribute('data-state')}, {looks[-1]}")


def times(tab: Page) -> tuple[float, float]:
    told = tab.locator(".player").evaluate("e => [e.dataset.leftTime, e.dataset.rightTime]")
    return float(told[0]), float(told[1])


# --- files ------------------------------------------------------------------------------------------------


def saved(visit: Visit, name: str, folder: Path) -> Path:
    """Press the first button of this name, and wait for its file; a click into a page that is drawn anew is lost."""
    for patience in (30_000, 90_000):
        try:
            with visit.tab.expect_download(timeout=patience) as waiting:
                visit.tab.get_by_role("button", name=name).first.click()
            break
        except NothingCame:
            visit.settled()
    else:
        pytest.fail(f"no file came of {name!r}")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_chart_is_taken_away_as_a_table_and_as_pictures(visit, tmp_path):
    """With Japanese letters in them, drawn and not as boxes."""
    visit.open(lang="ja", run="complete")
    visit.tab.get_by_text(say("ja", "blocks.table_of")).first.click()
    visit.settled()
    table = saved(visit, say("ja", "blocks.table_csv"), tmp_path).read_bytes()
    rows = list(csv.reader(table.decode("utf-8-sig").splitlines()))
    assert table.startswith(codecs.BOM_UTF8)
    assert len(rows) > 2
    assert len({len(row) for row in rows}) == 1
    drawing = saved(visit, say("ja", "blocks.chart_svg"), tmp_path).read_text("utf-8")
    png = Image.open(saved(visit, say("ja", "blocks.chart_png"), tmp_path)).convert("L")
    assert len(JAPANESE.findall(drawing)) > 10
    vl_convert.register_font_directory(str(FONTS))
    for other in ("", "\ue000"):  # letters that are left out, letters that no font has
        without = vl_convert.svg_to_png(JAPANESE.sub(other, drawing), scale=2.0)
        against = Image.open(io.BytesIO(without)).convert("L").resize(png.size)
        assert sum(ImageChops.difference(png, against).histogram()[64:]) > 500


def test_japanese_is_drawn_in_charts_and_text(visit):
    """A machine without a Japanese font draws one box for all letters: here every letter looks different."""
    visit.open(lang="ja", run="complete").whole()
    fonts = visit.tab.evaluate(
        """() => [...document.querySelectorAll('h1, [data-testid="stVegaLiteChart"] svg text')]
          .filter(e => /[ぁ-んァ-ヶ一-龠]/.test(e.textContent)).map(e => getComputedStyle(e).fontFamily)"""
    )
    assert len(fonts) > 3
    for font in set(fonts):
        assert visit.tab.evaluate(LOOKS, [font, "判断費用品質採否"]) == 8


LOOKS = """([font, letters]) => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 40, height: 40});
  const pen = canvas.getContext('2d');
  return new Set([...letters].map(letter => {
    pen.clearRect(0, 0, 40, 40);
    pen.font = `24px ${font}`;
    pen.fillText(letter, 4, 30);
    return pen.getImageData(0, 0, 40, 40).data.join();
  })).size;
}"""


# --- the 30-second task -----------------------------------------------------------------------------------


def test_the_thirty_second_task(visit, lang, tmp_path):
    """Open, read the verdict, the range of what is saved and the biggest risk, play one pair, take the deck along."""
    tab, words = visit.tab, lambda key: say(lang, key)
    visit.open(lang=lang, run="complete")

    verdict = tab.locator(".sn-verdict")
    assert any(opening(lang, f"decision_page.headline.{each}") in verdict.inner_text() for each in SAID)
    assert seen(visit, verdict), "the verdict is read without scrolling"

    saving = tab.locator(".sn-fact").filter(has_text=words("fact.saving"))
    assert re.search(r"\d.*(–|〜| to ).*\d", saving.inner_text(), re.DOTALL), saving.inner_text()
    assert seen(visit, saving)

    risk = tab.get_by_role("heading", name=words("decision_page.risk"))
    assert seen(visit, risk)
    assert tab.get_by_text("⚠").first.is_visible()

    tab.get_by_role("link", name=words("blocks.compare")).first.click()
    tab.get_by_role("heading", level=1, name=words("pages.compare.title"), exact=True).wait_for()
    visit.settled()
    assert max(abs(left - right) for left, right in played(tab)) <= TOGETHER

    visit.go(words("pages.decision.title"))
    deck = Presentation(saved(visit, words("exports.as_pptx"), tmp_path))
    told = "\n".join(shape.text_frame.text for slide in deck.slides for shape in slide.shapes if shape.has_text_frame)
    assert len(deck.slides) > 3
    assert bool(JAPANESE.search(told)) == (lang == "ja")


def seen(visit: Visit, what: Locator) -> bool:
    """Whether it lies on the first screen."""
    box = what.bounding_box()
    return box is not None and box["y"] + box["height"] <= visit.tab.viewport_size["height"]


def opening(lang: str, key: str) -> str:
    """The longest piece of a sentence between its blanks."""
    return max(re.split(r"\{\w+\}", catalogue()[key][lang]), key=len).strip()
