"""`sn-eval rewards`: what can steer a search."""

from typing import Annotated

import typer

from sn_eval.cli.components import show_list, show_one
from sn_eval.cli.console import AsJson


def list_rewards(as_json: AsJson = False) -> None:
    """List the rewards that a search can follow.

    Example: sn-eval rewards list
    """
    import rewards

    show_list(rewards.registry, "Rewards", as_json)


def show(
    name: Annotated[str, typer.Argument(help="A name, pkg.mod:attr or path/file.py:attr.")],
    as_json: AsJson = False,
) -> None:
    """Explain one reward: what it measures, and its parameters.

    Example: sn-eval rewards show object_persistence
    """
    import rewards

    show_one(rewards.registry, name, as_json)
