"""The report of the run that is shown as files, made when they are asked for."""

from dashboard.page import Page


def bar(page: Page) -> None:
    """The downloads behind an expander: for the foot of every page."""
