"""What runs: an experiment by its name among the suites, or by its file, with nothing left to guess."""

import difflib
from pathlib import Path
from typing import Any

from sn_eval.results.experiment import Experiment
from sn_eval.results.experiment_file import load_experiment
from sn_eval.results.files import ResultsError
from sn_eval.results.paths import suites_path
from sn_eval.results.record import Component


def experiment_named(use: str) -> Experiment:
    """An experiment by its name in `benchmarks/suites` or by its YAML file; errors are one line for the user."""
    return load_experiment(experiment_file(use))


def experiment_file(use: str) -> Path:
    """Where it stands; ResultsError for a name that there is not."""
    if use.endswith((".yaml", ".yml")) or Path(use).is_file():
        return Path(use)
    known = experiment_names()
    if use not in known:
        near = difflib.get_close_matches(use, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ResultsError(f"no experiment {use!r}: name a YAML file or one of {', '.join(known)}.{hint}")
    return suites_path(f"{use}.yaml")


def experiment_names() -> list[str]:
    """Experiments in `benchmarks/suites`; bare sets of prompts, which lie there too, are none."""
    return sorted(path.stem for path in suites_path().glob("*.yaml") if "prompts" not in path.stem)


def model_named(use: str, **params: Any) -> Component:
    """A model as an experiment writes it: by name, by the folder of its weights, or by a hub id (owner/name).

    The adapter is the one that drives what lies there. UserError where nothing does.
    """
    from sn_eval import models  # and torch, which experiments need not
    from sn_eval.models.pipeline_index import adapter_for, is_hub_id

    named = use in models.names() or ":" in use
    if not named and (Path(use).exists() or is_hub_id(use) or "/" in use):
        return Component(use=adapter_for(use), params={"path": use, **params})
    return Component(use=use, params=params)
