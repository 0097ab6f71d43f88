"""What several commands do alike: list and explain components, pick a device, prepare a folder."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sn_eval.cli.console import print_json, say, show_table
from sn_eval.results.files import ResultsError, cannot_write

if TYPE_CHECKING:
    import torch

    from rewards.registry import Description, Registry

Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, … or auto: a GPU where there is one.")]


def show_list(registry: "Registry", title: str, as_json: bool) -> None:
    """All components of a registry: name, what it is, parameters."""
    found = [in_short(registry.describe(name)) for name in registry.names()]
    if as_json:
        print_json(found)
        return
    rows = [(d.name, d.summary, ", ".join(p.name for p in d.parameters)) for d in found]
    show_table(title, ("name", "what it is", "parameters"), rows)


def in_short(found: "Description") -> "Description":
    """The summary as the whole first paragraph: sentences go over line ends."""
    return replace(found, summary=" ".join(found.text.split("\n\n")[0].split()))


def show_one(registry: "Registry", use: str, as_json: bool) -> None:
    """One component in full: its documentation and its parameters."""
    found = registry.describe(use)
    if as_json:
        print_json(found)
        return
    say(found.text)
    say()
    rows = [(p.name, p.type, "(must be given)" if p.default is None else p.default) for p in found.parameters]
    show_table(f"Parameters of {found.name} ({found.module})", ("name", "type", "default"), rows)


def parse_numbers(text: str, what: str) -> list[int]:
    """Whole numbers of at least 1, separated by commas.

    >>> parse_numbers("1, 2,4", "--look")
    [1, 2, 4]
    """
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ResultsError(f"{what} {text!r}: give whole numbers such as 1,2,4") from error
    if min(numbers) < 1:
        raise ResultsError(f"{what} {text!r}: every number must be 1 or more")
    return sorted(set(numbers))


RewardParam = Annotated[
    list[str] | None, typer.Option(help="A parameter of the reward, key=value; repeat for several.")
]
ModelParam = Annotated[
    list[str] | None, typer.Option(help="A parameter of the model, e.g. dtype=bfloat16; repeat for several.")
]


def reward_named(use: str, given: Sequence[str] | None) -> Any:
    """The component that a record keeps of --reward and its --reward-param."""
    from sn_eval.results.record import Component

    return Component(use=use, params=parse_params(given or [], "--reward-param"))


def parse_params(given: Sequence[str], option: str = "--param") -> dict[str, Any]:
    """Parameters as YAML reads them; option: how they were given, for error messages.

    >>> parse_params(["things=2", "encoder=imagenet-lite0@32", "allow=[a, b]"])
    {'things': 2, 'encoder': 'imagenet-lite0@32', 'allow': ['a', 'b']}
    """
    import yaml

    found = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (equals and key.isidentifier()):
            raise ResultsError(f"{option} {text!r}: write key=value, such as things=2")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ResultsError(f"{option} {text!r}: the value is no YAML: {' '.join(str(error).split())}") from error
    return found


def pick_device(name: str) -> "torch.device":
    """The device by name, or the best one for "auto"; UserError where it is not there."""
    import torch

    from sn_eval.models.loading import usable_device

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return usable_device(name)


def writable_folder(folder: Path) -> Path:
    """The folder, made where it is missing, once a file could be written in it; else ResultsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".trial.") as file:
            file.write(b"0" * 4096)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder
