"""Imports go only downward, and what a manager reads loads no torch."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONTRACTS = PROJECT["tool"]["importlinter"]["contracts"]
HEAVY = ("torch", "diffusers", "transformers", "open_clip", "sklearn", "torchvision")


def lint(folder: Path) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def output(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def copy_of_the_code(folder: Path) -> Path:
    for name in ("sn_eval", "rewards", "dashboard"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_contracts_hold():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("place", "line", "contract"),
    [
        ("sn_eval/results/bad.py", "import sn_eval.interfaces", "go only downward"),
        ("sn_eval/search/bad.py", "import sn_eval.rollouts", "go only downward"),
        ("sn_eval/unplaced.py", "", "go only downward"),
        ("sn_eval/decision/bad.py", "import torch", "needs no torch"),
        ("sn_eval/decision/bad.py", "import rewards.base", "needs no torch"),
        ("dashboard/bad.py", "import rewards.base", "needs no torch"),
        ("dashboard/bad.py", "import sn_eval.poc.run", "needs no torch"),
        ("rewards/bad.py", "import sn_eval.results", "used alone"),
        ("sn_eval/search/bad.py", "import benchmarks.speed", "below the dashboard"),
    ],
)
def test_contracts_can_break(tmp_path, place, line, contract):
    folder = copy_of_the_code(tmp_path)
    (folder / place).write_text(line + "\n")
    done = lint(folder)
    assert done.returncode != 0
    broken = [text for text in done.stdout.splitlines() if "BROKEN" in text]
    assert any(contract in text for text in broken), done.stdout


def test_every_torch_free_package_is_in_the_contract():
    named = next(c for c in CONTRACTS if "no torch" in c["name"])["source_modules"]
    free = {"sn_eval.results": "sn_eval/results", "sn_eval.decision": "sn_eval/decision",
            "sn_eval.present": "sn_eval/present", "dashboard": "dashboard"}  # fmt: skip
    assert set(named) == {name for name, folder in free.items() if (ROOT / folder / "__init__.py").exists()}


@pytest.mark.parametrize("package", ["sn_eval.results", "sn_eval.decision", "sn_eval.present", "dashboard"])
def test_torch_free_packages_load_nothing_heavy(package):
    """The linter does not see what a parent's `__init__` pulls in; a fresh interpreter does."""
    paths = [path.relative_to(ROOT) for path in (ROOT / package.replace(".", "/")).rglob("*.py")]
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    modules = [module for module in modules if not module.endswith("__main__")]
    assert len(modules) > 1
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    assert not set(HEAVY) & set(output(program))


def test_the_package_root_holds_the_version_only():
    program = "import sys; before = set(sys.modules); import sn_eval; print(*set(sys.modules) - before)"
    assert output(program) == ["sn_eval"]
