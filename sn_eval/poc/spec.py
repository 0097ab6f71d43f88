"""What runs: an experiment by its name among the suites, or by its file, with nothing left to guess."""

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rewards.base import UserError
from sn_eval.poc.cell import Cell
from sn_eval.results.experiment import Experiment
from sn_eval.results.experiment_file import load_experiment
from sn_eval.results.paths import suites_path
from sn_eval.results.record import Component


def experiment_named(use: str) -> Experiment:
    """An experiment by its name in `benchmarks/suites` or by its YAML file; errors are one line for the user."""
    if use.endswith((".yaml", ".yml")) or Path(use).is_file():
        return load_experiment(Path(use))
    known = experiment_names()
    if use not in known:
        near = difflib.get_close_matches(use, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UserError(f"no experiment {use!r}: name a YAML file or one of {', '.join(known)}.{hint}")
    return load_experiment(suites_path(f"{use}.yaml"))


def experiment_names() -> list[str]:
    """Experiments in `benchmarks/suites`; bare sets of prompts, which lie there too, are none."""
    return sorted(path.stem for path in suites_path().glob("*.yaml") if "prompts" not in path.stem)


class Suite(BaseModel):
    """A comparison. Unknown keys are errors.

    budget_nfe: denoiser evaluations a video for every method but those in `unsized`; None leaves the methods' own
    knobs. reward: what is searched on. judges: what results are measured by; a judge of a family that was searched on
    is refused unless `allow_same_family`, and is then marked in every table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    about: str = ""
    model: Component = Component(use="tabletop")
    rollout: Component = Component(use="chunk")
    reward: Component
    judges: tuple[Component, ...] = Field(min_length=1)
    methods: tuple[Component, ...] = Field(min_length=1)
    baseline: str = "plain"
    unsized: tuple[str, ...] = ("plain",)
    budget_nfe: int | None = Field(default=None, ge=1)
    prompts: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    allow_same_family: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> "Suite":
        uses = [method.use for method in self.methods]
        if len(set(uses)) < len(uses):
            raise ValueError(f"methods {uses} name one method twice")
        if self.baseline not in uses:
            raise ValueError(f"baseline {self.baseline!r} is not among the methods {uses}")
        if len(set(self.prompts)) < len(self.prompts):
            raise ValueError("a prompt stands twice in prompts; use seeds for repetitions")
        if not all(prompt.strip() for prompt in self.prompts):
            raise ValueError("an empty prompt in prompts")
        return self

    def cells(self) -> list[Cell]:
        """Every cell: prompts outermost, so that an interrupted run has whole comparisons."""
        return [
            Cell(
                (prompt,), self.model, self.rollout, method, self.reward, self.judges, seed,
                None if method.use in self.unsized else self.budget_nfe,
            )
            for prompt in self.prompts for seed in self.seeds for method in self.methods
        ]  # fmt: skip


def load_suite(use: str) -> Suite:
    """A suite by its name in `benchmarks/suites` or by its file; UserError names the file, the key and the rule."""
    path = Path(use) if use.endswith((".yaml", ".yml")) else suites_path(f"{use}.yaml")
    try:
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Suite.model_validate(data)
    except FileNotFoundError as error:
        raise UserError(f"no suite {use!r}: name a YAML file or one of {', '.join(experiment_names())}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read suite {path}: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"suite {path} is no YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "suite"
        hint = f" Known keys: {', '.join(Suite.model_fields)}." if first["type"] == "extra_forbidden" else ""
        raise UserError(f"suite {path}: {where}: {first['msg']}.{hint}") from error
