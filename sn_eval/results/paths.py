"""Where the shipped data lies: at the same relative place in a checkout and in a wheel's `sn_eval/_data`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def data_path(name: str = "") -> Path:
    """Path of a shipped file or folder of `data/`, e.g. `data_path("models/tabletop")`; it need not exist.

    >>> data_path("models/tabletop").parts[-3:]
    ('data', 'models', 'tabletop')
    """
    return _root() / "data" / name


def suites_path(name: str = "") -> Path:
    """Path of a shipped file or folder of `benchmarks/suites/`, e.g. `suites_path("demo.yaml")`.

    >>> suites_path("demo.yaml").parts[-3:]
    ('benchmarks', 'suites', 'demo.yaml')
    """
    return _root() / "benchmarks" / "suites" / name


def _root() -> Path:
    """The installed copy's own data, else the checkout around this package."""
    installed = PACKAGE / "_data"
    return installed if installed.is_dir() else PACKAGE.parent
