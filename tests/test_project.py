"""The project's own files: one version, tested pins for every dependency, a wheel that carries its data."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import sn_eval
from sn_eval.results.paths import data_path, suites_path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", name)[0]).lower()


def extra(name: str) -> list[str]:
    """What an extra brings, with what the project's other extras bring that it names ("sn-eval[audit]")."""
    found = []
    for line in PROJECT["project"]["optional-dependencies"][name]:
        own = re.fullmatch(r"sn-eval\[([\w,-]+)\]", line)
        found += [line] if own is None else [each for part in own[1].split(",") for each in extra(part)]
    return found


def test_one_version():
    assert PROJECT["project"]["version"] == sn_eval.__version__
    assert importlib.metadata.version("sn-eval") == sn_eval.__version__


def test_every_dependency_of_make_install_is_pinned():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line) for line in lines)
    pinned = {normal(line) for line in lines}
    wanted = {normal(name) for name in [*PROJECT["project"]["dependencies"], *extra("dev")]}
    assert {"torch", "pytest", "scikit-video"} <= wanted  # own, of the extra, of an extra that the extra names
    assert wanted <= pinned


def test_checkout_data_is_found_in_its_place():
    assert data_path("models/x") == ROOT / "data" / "models" / "x"
    assert suites_path("demo.yaml") == ROOT / "benchmarks" / "suites" / "demo.yaml"


PACKAGES = ("sn_eval", "rewards", "dashboard")
DATA = (
    "data/models/toy/model.safetensors", "data/prices.yaml", "data/demo_run.zip", "benchmarks/suites/demo.yaml",
)  # fmt: skip


def package_files(package: str) -> list[Path]:
    """Everything of a package that is used: code, words, templates."""
    found = [path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of this project's packaging settings, with small data in place of the weights."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "LICENSE"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    (source / "README.md").write_text("# sn-eval\n")
    for package in PACKAGES:
        for path in package_files(package):
            copy = source / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / path).read_bytes())
    for name in DATA:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / "benchmarks" / "speed.py").write_text("")
    target = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    build = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(target), str(source)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    return next(target.glob("sn_eval-*.whl"))


def test_the_wheel_carries_code_and_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    code = {str(path) for package in PACKAGES for path in package_files(package)}
    assert {Path(name).suffix for name in code} == {".py", ".yaml", ".jinja", ".js", ".css", ".html"}
    assert code <= names
    assert {f"sn_eval/_data/{name}" for name in DATA} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(PACKAGES)
    assert not any("speed" in name for name in names)


def test_an_installed_copy_finds_its_data(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = (
        "from sn_eval.results.paths import data_path, suites_path;"
        "print(data_path('models/toy/model.safetensors').read_text(), suites_path('demo.yaml').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["data/models/toy/model.safetensors", "benchmarks/suites/demo.yaml"]


def test_make_lists_the_four_habits():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"install", "demo", "test", "lint", "bench"} <= set(re.findall(r"make (\w+)", done.stdout))
