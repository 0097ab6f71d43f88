"""trajectories."""

from dashboard.page import begin


def main() -> None:
    """Draw the page."""
    page = begin("trajectories")
    page.end()


if __name__ == "__main__":
    main()
