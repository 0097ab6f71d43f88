"""The dashboard in a real browser: one Chromium and one server a worker, over runs of every kind."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import LOCALES, NoBrowser, Visit, chromium, launch, serving
from filelock import FileLock
from findings import folder
from playwright.sync_api import Browser, sync_playwright
from small_run import NAME, made

SHOWN = ("complete", "provisional", "failing", "awkward", "empty", "imported")


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Streamlit's AppTest leaves a page in place of `__main__`, which the processes of later tests would load."""
    own = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = own


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder that all workers of one test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def hills(shared) -> Path:
    """The small run that was really made; by the first worker that asks."""
    return _once(shared / "dashboard-made", made) / NAME


@pytest.fixture(scope="session")
def runs(shared, hills) -> Path:
    """Runs of every kind, one of them damaged and one really made."""
    return _once(shared / "dashboard-runs", lambda place: _write(place, hills))


def _once(place: Path, write: Callable[[Path], object]) -> Path:
    """A folder that one worker writes while the others wait."""
    with FileLock(place.with_suffix(".lock")):
        if not place.exists():
            partial = place.with_suffix(".partial")
            write(partial)
            partial.rename(place)
    return place


def _write(place: Path, hills: Path) -> None:
    shutil.copytree(hills, place / NAME)
    for name in SHOWN:
        shutil.copytree(folder(name), place / name)
    shutil.copytree(folder("provisional"), place / "corrupt")
    (place / "corrupt" / "spec.yaml").write_text("name: [", "utf-8")


@pytest.fixture(scope="session")
def ratings(tmp_path_factory) -> Path:
    """Where the server writes preferences."""
    return tmp_path_factory.mktemp("ratings") / "ratings.csv"


@pytest.fixture(scope="session")
def server(runs, ratings) -> Iterator[str]:
    """Address of a dashboard over `runs`."""
    with serving(runs, "--ratings", str(ratings)) as root:
        yield root


@pytest.fixture(scope="session")
def browser(shared, tmp_path_factory) -> Iterator[Browser]:
    """Chromium; a failure, no skip, where there is none: what it tests belongs to `make test`."""
    try:
        executable = chromium(shared / "chromium.lock")
    except NoBrowser as error:
        pytest.fail(str(error), pytrace=False)
    with sync_playwright() as playwright:
        running = launch(playwright, executable, tmp_path_factory.mktemp("chromium"))
        yield running
        running.close()


@pytest.fixture(params=list(LOCALES))
def lang(request) -> str:
    """Each language in turn."""
    return request.param


@pytest.fixture
def visitor(browser, server) -> Iterator[Callable[..., Visit]]:
    """Opens tabs of different people. A test fails where one logs an error, opens a dialog or asks another host."""
    visits: list[Visit] = []

    def arrive(**how: str) -> Visit:
        context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True, **how)
        visits.append(Visit(context.new_page(), server))
        return visits[-1]

    yield arrive
    for visit in visits:
        visit.tab.context.close()
    assert not [problem for visit in visits for problem in visit.problems]


@pytest.fixture
def visit(visitor) -> Visit:
    """One visitor's tab."""
    return visitor()
