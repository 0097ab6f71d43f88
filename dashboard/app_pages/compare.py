"""compare."""

from dashboard.page import begin


def main() -> None:
    """Draw the page."""
    page = begin("compare")
    page.end()


if __name__ == "__main__":
    main()
