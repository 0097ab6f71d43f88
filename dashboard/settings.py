"""What the dashboard was started with; it travels by environment, since Streamlit runs pages as scripts."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "SN_EVAL_DASHBOARD"


@dataclass(frozen=True)
class Settings:
    """runs: a run's folder, or a folder of several; "" for the bundled demo run alone.

    ratings: CSV that blind preferences are appended to; "" where none may be written. allow_code: whether a visitor may
    name a reward that lies in a file or package of this machine, which runs code of his choice.
    """

    runs: str = ""
    ratings: str = ""
    allow_code: bool = False

    def export(self) -> None:
        """Put them into the environment of this process and its children."""
        os.environ[VARIABLE] = json.dumps(asdict(self))

    @property
    def folder(self) -> Path | None:
        """Where the runs lie; None for the demo run."""
        return Path(self.runs) if self.runs else None


def settings() -> Settings:
    """Those that the server was started with; defaults where a page is run by itself."""
    return Settings(**json.loads(os.environ.get(VARIABLE, "{}")))
