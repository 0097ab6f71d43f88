"""Every page in both languages as pictures: `make screenshots` writes build/screenshots/<language>/<page>.png."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/, as pytest has it

from browsing import LOCALES, PAGES, ROOT, Visit, address, chromium, launch, serving
from playwright.sync_api import sync_playwright

from sn_eval.results.paths import data_path

OUT = ROOT / "build" / "screenshots"
WIDTH = 1440  # pixels


def main() -> None:
    """Write them all, and tell what a page complained of."""
    runs = shown()
    with tempfile.TemporaryDirectory() as scratch, serving(runs) as root, sync_playwright() as playwright:
        browser = launch(playwright, chromium(Path(scratch) / "chromium.lock"), Path(scratch))
        for lang, locale in LOCALES.items():
            for key in PAGES:
                visit = Visit(browser.new_page(viewport={"width": WIDTH, "height": 900}, locale=locale), root)
                visit.open(address(key), lang=lang).whole(WIDTH)
                path = OUT / lang / f"{key}.png"
                visit.tab.screenshot(path=path)
                print(path.relative_to(ROOT), *visit.problems)  # noqa: T201
                visit.tab.close()
        browser.close()


def shown() -> Path | None:
    """The run to picture: one that was named, the demo run, or one that tests write where there is no demo run yet."""
    if len(sys.argv) > 1:
        return Path(sys.argv[1])
    if data_path("demo_run.zip").is_file():
        return None
    from findings import folder

    return folder("complete")


if __name__ == "__main__":
    main()
