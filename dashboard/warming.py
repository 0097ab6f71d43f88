"""What the first visitor would wait for is made ready when the server starts: the latest run, judged and told."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from dashboard import runs
from dashboard.page import Page
from sn_eval.present.words import LANGUAGES
from sn_eval.results.files import ResultsError


def warm() -> None:
    """Open the run that is shown first, and its report in every language. What fails here is said on the pages."""
    try:
        run_id = next(iter(runs.run_ids()))
        run = runs.open_run(run_id)
    except ResultsError:
        return
    for lang in LANGUAGES:
        _ = Page("decision", lang, run).report


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Warm in the background; visitors who come earlier wait for the same work, which is done once."""
    threading.Thread(target=warm, name="warm", daemon=True).start()
    yield
