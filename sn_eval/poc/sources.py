"""What the ids of an experiment's cells are made from, told apart by names, times and sizes: no model is needed.

Ids hold a hash of weights and files, which only the loaded model can give (`poc.fingerprint`). A finished run has
nothing to load a model for, so its plan keeps the hash made here. It covers more than the ids do (the time of a file's
last change, this package's own code and data, installed versions): where anything at all has moved, the ids are made
anew from the contents, and where those are the same, so are the ids. A file whose content was changed with its time and
size kept is not seen.
"""

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from sn_eval.results.experiment import Experiment
from sn_eval.results.paths import PACKAGE, data_path
from sn_eval.results.record import Component, versions

DECIDING = (
    "model", "rollout", "reward", "evaluators", "methods", "baseline", "budget", "prompts", "seeds",
    "allow_same_family",
)  # fmt: skip
"""Parts of an experiment that decide its plan, apart from when rules were declared."""


def sources_key(experiment: Experiment) -> str:
    """The hash; reads times and sizes of a few hundred files, and no contents."""
    parts = experiment.model_dump(mode="json", include=set(DECIDING))
    components = (experiment.model, experiment.rollout, experiment.reward, *experiment.evaluators, *experiment.methods)
    images = [prompt.image for prompt in experiment.prompts if prompt.image]
    named = [Path(name) for name in (*named_files(components), *images, *_modules(components))]
    own = [PACKAGE, PACKAGE.parent / "rewards", data_path("models")]
    stamps = sorted({stamp for path in (*named, *own) for stamp in _stamps(path)})
    installed = sorted(f"{point.name}={point.value}" for point in _plugins())
    known = json.dumps([parts, os.getcwd(), stamps, installed, dict(versions())], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()


def named_files(components: Iterable[Component]) -> list[str]:
    """Files and folders that components name, by `file.py:attr` or by a parameter, whether they are there or not.

    >>> named_files([Component(use="shop.py:bright", params={"weights": "w.pt", "gain": 2})])
    ['shop.py', 'shop.yaml', 'w.pt']
    """
    parts = list(components)
    code = {file for part in parts if (file := part.use.rpartition(":")[0]).endswith(".py")}
    settings = {str(Path(file).with_suffix(".yaml")) for file in code}  # a reward's, as `rewards new` writes
    return sorted(code | settings | {text for part in parts for text in _texts(part.params)})


def _texts(value: object) -> Iterator[str]:
    """Every text in a component's parameters."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in _texts(each))


def _modules(components: Iterable[Component]) -> Iterator[str]:
    """Folders or files of the packages in `pkg.mod:attr`, and of plugins that are installed."""
    names = {where for part in components if (where := part.use.rpartition(":")[0]) and not where.endswith(".py")}
    names |= {point.module for point in _plugins()}
    for top in sorted({name.partition(".")[0] for name in names if "/" not in name}):
        spec = importlib.util.find_spec(top)
        if spec is not None:
            yield from spec.submodule_search_locations or filter(None, [spec.origin])


def _plugins() -> list[metadata.EntryPoint]:
    """Components that other packages announce."""
    groups = metadata.entry_points()
    return [point for group in groups.groups if group.startswith("sn_eval.") for point in groups.select(group=group)]


def _stamps(path: Path) -> Iterator[tuple[str, int, int]]:
    """(file, time of its last change, size) of a file or of all files below a folder; nothing where there is none."""
    try:
        if path.is_dir():
            for each in sorted(os.scandir(path), key=lambda entry: entry.name):
                if each.name != "__pycache__":
                    yield from _stamps(Path(each.path))
        elif path.is_file():
            status = path.stat()
            yield str(path.resolve()), status.st_mtime_ns, status.st_size
    except OSError:  # it cannot be read, so nothing is known of it: whoever needs it will say so
        return
