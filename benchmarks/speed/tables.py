"""Tables in Markdown, verdicts in a word, and progress where it does not mix with them."""

import sys
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table; the first column is text, the others are numbers."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def verdict(kept: bool, limit: str) -> str:
    """A limit, and whether it is kept."""
    return f"{limit}: {'kept' if kept else 'MISSED'}"


def progress(what: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()
