"""The report's blocks on a page: the same words and numbers, drawn by Streamlit."""

from dashboard.page import Page
from sn_eval.present.report.model import Block


def show(page: Page, block: Block) -> None:
    """Draw one block; text of others (prompts, names) is shown literally."""
