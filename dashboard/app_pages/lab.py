"""lab."""

from dashboard.page import begin


def main() -> None:
    """Draw the page."""
    page = begin("lab")
    page.end()


if __name__ == "__main__":
    main()
