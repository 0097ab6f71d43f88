"""A real browser before the dashboard: Chromium found or installed, the server started, and a page that is watched."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from filelock import FileLock
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request

from dashboard.app import PAGES

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FONTS = Path(str(find_spec("matplotlib_fontja").origin)).with_name("fonts")  # carries a Japanese one
LOCALES = {"ja": "ja-JP", "en": "en-US"}
FAMILIES = '<match target="pattern"><edit name="family" mode="append"><string>IPAexGothic</string></edit></match>'
FIRST = next(iter(PAGES))
PATIENCE = 30_000  # milliseconds: a busy machine is no fault of the page


class NoBrowser(Exception):
    """There is no Chromium, and it could not be installed; one line."""


# --- Chromium ---------------------------------------------------------------------------------------------


def chromium(lock: Path) -> str:
    """Path of the system's Chromium, which is installed where it is absent and we may. lock: one installs, all wait."""
    with FileLock(lock):
        found = _found() or _installed()
    if found is None:
        raise NoBrowser(f"the browser tests need Chromium: install one of {', '.join(NAMES)} (Debian: apt-get install)")
    return found


def _found() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _installed() -> str | None:
    """By Debian's package, as root; None where that is impossible."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return None
    silent = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *command], env=silent, capture_output=True, timeout=900, check=False)
    return _found()


def launch(playwright: Playwright, executable: str, scratch: Path) -> Browser:
    """A headless one. It finds the font that comes with the project, since a bare machine has no Japanese one."""
    settings = scratch / "fonts.conf"
    include = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
    settings.write_text(f"<fontconfig>{include}<dir>{FONTS}</dir>{FAMILIES}</fontconfig>", "utf-8")
    env = {**os.environ, "FONTCONFIG_FILE": str(settings)}
    return playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"], env=env)


# --- the server -------------------------------------------------------------------------------------------


@contextmanager
def serving(runs: Path | None, *more: str) -> Iterator[str]:
    """`python -m dashboard` on a free port; its address. runs: None for the bundled demo run."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    named = [] if runs is None else [str(runs)]
    command = [sys.executable, "-m", "dashboard", *named, "--port", str(port), *more]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root = f"http://localhost:{port}"
    try:
        _wait(server, root)
        yield root
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(server: "subprocess.Popen[bytes]", root: str) -> None:
    end = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < end:
        try:
            with urlopen(f"{root}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the dashboard did not start (exit status {server.poll()})")


# --- a page that is watched -------------------------------------------------------------------------------


@dataclass
class Visit:
    """One tab. problems: console errors, page errors, dialogs and requests to other hosts, as they happened."""

    tab: Page
    root: str
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.set_default_timeout(PATIENCE)
        self.tab.on("console", self._heard)
        self.tab.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        self.tab.on("request", self._asked)
        self.tab.on("websocket", lambda socket: self._reached(socket.url))
        self.tab.on("dialog", self._dialog)

    def open(self, page: str = "", **query: str) -> "Visit":
        """Go there by its URL, and wait until it is drawn."""
        self.tab.goto(f"{self.root}/{page}?{urlencode(query)}")
        return self.settled()

    def settled(self) -> "Visit":
        """Wait until nothing is being computed or redrawn."""
        self.tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        self.tab.wait_for_function(QUIET, timeout=PATIENCE)
        return self

    @property
    def query(self) -> Mapping[str, str]:
        """What the address says after its question mark."""
        from urllib.parse import parse_qsl

        return dict(parse_qsl(urlsplit(self.tab.url).query))

    @property
    def text(self) -> str:
        """What can be read on the page, the sidebar left out."""
        return self.tab.locator('[data-testid="stMain"]').inner_text()

    def go(self, title: str) -> "Visit":
        """To the page of this title, by the navigation."""
        self.tab.get_by_test_id("stSidebar").get_by_role("link", name=title, exact=True).click()
        self.tab.get_by_role("heading", level=1, name=title, exact=True).wait_for()
        return self.settled()

    def choose(self, label: str, option: str) -> "Visit":
        """One of a list, by its words."""
        self.tab.get_by_role("combobox", name=label).first.click()
        self.tab.get_by_role("option", name=option, exact=True).click()
        self.tab.wait_for_timeout(200)
        return self.settled()

    def whole(self, width: int = 1440) -> None:
        """Make the window as high as the page is, so that a picture shows all of it."""
        for _ in range(3):  # charts may grow once they are seen
            height = self.tab.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollHeight")
            self.tab.set_viewport_size({"width": width, "height": max(900, min(int(height), 12_000))})
            self.tab.wait_for_timeout(300)
            self.settled()

    # --- what is wrong with it ------------------------------------------------------------------------------

    def faint(self, least: float) -> list[str]:
        """Visible text with less contrast than this to what lies behind it, with the ratio and both colours."""
        return sorted(set(self.tab.evaluate(FAINT, least)))

    def charts_without(self, words: str) -> list[str]:
        """Charts that no expander of these words follows before the next chart, by what they show."""
        return self.tab.evaluate(TABLELESS, words)

    def nameless(self) -> list[str]:
        """Pictures and controls that a screen reader has no words for."""
        return self.tab.evaluate(NAMELESS)

    # --- what is noted --------------------------------------------------------------------------------------

    def _heard(self, message: ConsoleMessage) -> None:
        place = message.location.get("url", "")
        if message.type == "error" and not _probe(place, self.root):
            self.problems.append(f"console: {message.text} ({place})")

    def _asked(self, request: Request) -> None:
        self._reached(request.url)

    def _reached(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != urlsplit(self.root).netloc:
            self.problems.append(f"another host: {url[:200]}")

    def _dialog(self, dialog: object) -> None:
        self.problems.append(f"dialog: {dialog}")
        dialog.dismiss()  # type: ignore[attr-defined]


QUIET = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const busy = '[data-stale="true"], [data-testid="stSkeleton"], [data-testid="stSpinner"]';
  return app.dataset.testScriptState === 'notRunning' && document.querySelector('h1') && !document.querySelector(busy);
}"""


FAINT = """least => {
  const parse = colour => {  // "rgb(1, 2, 3)", "rgba(1, 2, 3, 0.4)", "color(srgb 0.1 0.2 0.3 / 0.4)"
    const numbers = (colour.match(/[\\d.]+(e-?\\d+)?/g) || []).map(Number);
    if (colour.startsWith('color(srgb')) return [...numbers.slice(0, 3).map(v => v * 255), numbers[3] ?? 1];
    return numbers.length < 3 ? null : [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const light = colour => {
    const [r, g, b] = colour.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const hex = colour => '#' + colour.map(v => Math.round(v).toString(16).padStart(2, '0')).join('');
  const up = node => node.parentElement || (node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null);
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = up(at)) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour && colour[3] > 0) layers.push(colour);
      if (colour && colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const drawn = (text, box) => {  // shapes of the same drawing that were painted before, under the middle of the text
    const point = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
    let under = ground(text.ownerSVGElement);
    for (const shape of text.ownerSVGElement.querySelectorAll('path, rect, circle')) {
      if (!(shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
      const style = getComputedStyle(shape), colour = parse(style.fill), place = shape.getScreenCTM();
      if (!colour || !place || shape.closest('defs, clipPath')) continue;
      if (!shape.isPointInFill(point.matrixTransform(place.inverse()))) continue;
      under = over([...colour.slice(0, 3), colour[3] * style.fillOpacity * style.opacity], under);
    }
    return under;
  };
  const worst = new Map();  // a text that is drawn twice in one place is a halo and the text itself
  const look = (text, element) => {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) return;
    if (box.width <= 1.5 || box.height <= 1.5 || style.clipPath === 'inset(50%)') return;  // for screen readers only
    let opacity = 1, icon = false;
    for (let at = element; at; at = up(at)) {
      if (at.disabled || at.ariaDisabled === 'true' || at.tagName === 'DEFS') return;  // as WCAG exempts them
      icon ||= (at.dataset?.testid || '').startsWith('stIcon');
      opacity *= Number(getComputedStyle(at).opacity);
    }
    const svg = element instanceof SVGElement && element.ownerSVGElement;
    const colour = parse(svg ? style.fill : style.color);
    if (!colour) return;
    const behind = svg ? drawn(element, box) : ground(element);
    const front = over([...colour.slice(0, 3), colour[3] * opacity * (svg ? style.fillOpacity : 1)], behind);
    const [a, b] = [light(front), light(behind)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
    const key = `${text} ${Math.round(box.x)} ${Math.round(box.y)}`;
    const told = `${ratio.toFixed(2)} ${hex(front)} on ${hex(behind)}: ${text.slice(0, 60)}`;
    const good = ratio >= (icon ? 3 : least) - 0.005;
    if (!worst.has(key) || good) worst.set(key, good ? null : told);
  };
  const walk = root => {
    const nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
      if (node.shadowRoot) walk(node.shadowRoot);
      if (node.nodeType !== 3 || !node.textContent.trim() || !node.parentElement) continue;
      if (['STYLE', 'SCRIPT', 'NOSCRIPT', 'TITLE', 'OPTION'].includes(node.parentElement.tagName)) continue;
      if (node.parentElement.closest('canvas')) continue;  // a table's text for screen readers
      look(node.textContent.trim(), node.parentElement);
    }
  };
  walk(document.body);
  return [...worst.values()].filter(Boolean);
}"""

TABLELESS = """words => {
  const found = [], wanted = '[data-testid="stVegaLiteChart"], [data-testid="stExpander"] summary';
  let open = null;
  const name = chart => chart.querySelector('[aria-label]')?.getAttribute('aria-label') || 'a chart without a name';
  for (const each of document.querySelectorAll(wanted)) {
    if (each.tagName === 'SUMMARY') { if (each.innerText.includes(words)) open = null; continue; }
    if (open) found.push(name(open));
    open = each;
  }
  return open ? [...found, name(open)] : found;
}"""

NAMELESS = """() => [...document.querySelectorAll('button, a[href], input, textarea, img, svg[role=img], video')]
  .filter(e => e.checkVisibility() && !e.closest('[data-testid="stToolbar"], [aria-hidden="true"]'))
  .filter(e => !(e.innerText || e.ariaLabel || e.alt || e.title || e.labels?.length || e.getAttribute('aria-labelledby')
    || e.placeholder || e.type === 'hidden' || e.type === 'file'))
  .map(e => e.outerHTML.slice(0, 120))"""


def address(key: str) -> str:
    """Where a page lies: the first one at the root."""
    return "" if key == FIRST else key


def _probe(url: str, root: str) -> bool:
    """Whether this is Streamlit looking for its server under a page's own path, which is a 404 and no fault."""
    pages = "|".join(PAGES)
    return re.fullmatch(rf"{re.escape(root)}/({pages})/_stcore/(health|host-config)", url) is not None
