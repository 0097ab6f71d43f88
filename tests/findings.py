"""Run folders of every kind, with a known truth, and their findings: for tests of what people read.

`write_run` writes a folder as `poc run` (or `poc import`) leaves it, without running anything; `found` analyses one of
VARIANTS. Scores follow a fixed rule: a prompt has a difficulty, an arm a gain.
"""

import io
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import yaml
from PIL import Image

from sn_eval.decision.analysis import analyse
from sn_eval.decision.findings import Findings
from sn_eval.results.experiment import Experiment
from sn_eval.results.plan import Judge, Plan, Planned, arm_name
from sn_eval.results.record import Component, Cost, Environment, Quantity, Record, Seconds
from sn_eval.results.run_folder import RunFolder, declared
from sn_eval.results.store import RunStore

JUDGES = (
    Judge(label="steadiness", key="steadiness[encoder]", families=("encoder:a",), encoder="a", low=0.0, high=1.0),
    Judge(label="motion", key="motion", families=("flow",), low=0.0, high=1.0),
    Judge(label="flicker", key="flicker", families=("pixels",), higher_is_better=False, low=0.0, high=1.0),
    Judge(label="likeness", key="likeness", families=("encoder:b",), encoder="b", low=0.0, high=1.0, searched=True),
)
NFE = {"plain": 48, "scaling_noise@96": 96, "scaling_noise@144": 144, "scaling_noise@192": 192, "best_of_n": 144}
GAIN = {"plain": 0.0, "scaling_noise@96": 0.14, "scaling_noise@144": 0.2, "scaling_noise@192": 0.23, "best_of_n": 0.1}
THINGS = ("a cup of tea", "a paper crane", "a small red car", "a lantern", "a bowl of rice", "a blue kite")
PLACES = ("on a wooden table", "by the window", "in the rain", "under a lamp", "on a moving tray")

SMALL = {"confirm": 8, "dev": 0, "arms": ("plain", "scaling_noise@96")}

VARIANTS: dict[str, dict[str, Any]] = {
    "complete": {},
    "illustrative": {**SMALL, "confirm": 24, "examples": True},
    "no_better": {**SMALL, "gains": dict.fromkeys(GAIN, 0.0)},
    "minimal": {**SMALL, "business": False, "prices": False, "primary": False},
    "no_acceptance": {**SMALL, "acceptance": False},
    "unpriced": {**SMALL, "prices": False, "business": False},
    "provisional": {**SMALL, "missing": 0.5},
    "empty": {**SMALL, "missing": 1.0},
    "failing": {**SMALL, "machine": 0.2, "unusable": 0.2},
    "imported": {**SMALL, "kind": "imported", "dev": 2},
    "imported_unpriced": {**SMALL, "kind": "imported", "dev": 2, "business": False, "prices": False},
    "awkward": {**SMALL, "confirm": 2, "text": "<script>alert('お茶')</script> {braces} & | pipes, \"quotes\" {n}"},
}


@cache
def found(variant: str) -> Findings:
    """The findings of a variant; made once."""
    return analyse(RunFolder.open(folder(variant)), draws=400)


@cache
def _root() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sn-eval-findings-")  # gone when Python ends


@cache
def folder(variant: str) -> Path:
    """The run folder of a variant; made once, so treat it as read-only."""
    return write_run(Path(_root().name) / variant, **VARIANTS[variant])


def told(value: float | None, spread: float = 0.0, *, illustrative: bool = False) -> dict[str, Any]:
    """An amount with its source, and a range of ± `spread` as a share."""
    ends = {} if not spread or value is None else {"low": value * (1 - spread), "high": value * (1 + spread)}
    source = "made up for this page" if illustrative else "planning department, interview"
    return {"value": value, "source": source, "as_of": "2026-10-01", "illustrative": illustrative, **ends}


def spec(
    *,
    kind: str = "generated",
    confirm: int = 24,
    dev: int = 4,
    arms: tuple[str, ...] = tuple(NFE),
    acceptance: bool = True,
    prices: bool = True,
    business: bool = True,
    primary: bool = True,
    examples: bool = False,
    text: str = "",
) -> dict[str, Any]:
    """An experiment file as data."""
    names = [f"{thing} {place}" for place in PLACES for thing in THINGS][: confirm + dev]
    names[0] = text or names[0]
    amounts = [float(arm.partition("@")[2]) for arm in arms if "@" in arm]
    methods = [{"use": "plain", "budget": "own"}, {"use": "scaling_noise"}]
    methods += [{"use": "best_of_n", "budget": "own"}] if "best_of_n" in arms else []
    made: dict[str, Any] = {
        "name": "tea-shop",
        "about": "Five-second clips for a tea shop, with the embedded model",
        "reward": "likeness",
        "evaluators": [judge.label for judge in JUDGES],
        "allow_same_family": True,
        "methods": methods,
        "budget": {"unit": "nfe", "amounts": amounts},
        "prompts": [
            {"text": name, "group": ("still", "moving")[i % 2], "split": "dev" if i >= confirm else "confirm"}
            for i, name in enumerate(names)
        ],
        "seeds": [0, 1],
    }
    if kind == "imported":
        made |= {"methods": [{"use": "plain", "budget": "own"}, {"use": "best_of_n"}]}
        made |= {"budget": {"unit": "videos", "amounts": [2, 4]}}
    if acceptance:
        made["acceptance"] = [
            {"evaluator": "steadiness", "at_least": 0.6, "critical": True, "because": "below it edges shake"},
            {"evaluator": "motion", "at_least": 0.1},
        ]
        made["rules"] = {"no_worse": [{"evaluator": "motion", "margin": 0.1}], "max_latency": 60.0}
    if primary:
        outcome = {} if acceptance else {"outcome": "steadiness"}
        made["primary"] = [{"minimum_effect": 0.05, **outcome}]
    if prices:
        made["prices"] = _prices(examples)
    if business:
        made["business"] = _business(examples) | (
            {"compute_per_attempt": told(120.0, 0.2)} if kind == "imported" else {}
        )
    return made


def _prices(examples: bool) -> dict[str, Any]:
    rate = {
        "value": 1.6, "currency": "USD", "unit": "CPU-hour", "as_of": "2026-11-01", "source": "price list of the host",
        "illustrative": examples,
    }  # fmt: skip
    exchange = {"of": "USD", "to": "JPY", "rate": 151.2, "on": "2026-11-02", "source": "bank, TTM"}
    return {
        "rate": rate, "utilisation": told(0.5), "currency": "JPY", "exchange": exchange, "tax_included": False,
    }  # fmt: skip


def _business(examples: bool) -> dict[str, Any]:
    return {
        "videos_per_month": told(400, 0.3, illustrative=examples), "minutes_per_video": told(0.5), "attempts_cap": 4,
        "review": told(300.0, 0.2), "rejection": told(200.0), "fallback": told(30_000.0, 0.3),
        "one_off": told(1_500_000.0, 0.2), "monthly": told(80_000.0), "discount": told(0.05), "ramp": [0.3, 0.6, 1.0],
        "months": 24, "tax": told(0.3), "deadline_hours": told(48.0),
    }  # fmt: skip


# --- the folder -------------------------------------------------------------------------------------------


def write_run(
    run: Path,
    *,
    missing: float = 0.0,
    machine: float = 0.0,
    unusable: float = 0.0,
    gains: dict[str, float] = GAIN,
    **declare: Any,
) -> Path:
    """A run as it lies on the disk.

    missing, machine, unusable: shares of cells that did not run, that the machine failed, that gave no usable video.
    """
    data = spec(**declare)
    experiment = Experiment.model_validate(data)
    plan = _plan(experiment, declare.get("kind", "generated"), declare.get("arms", tuple(NFE)))
    run.mkdir(parents=True)
    (run / "spec.yaml").write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False), encoding="utf-8")
    plan.save(run)
    store, rng = RunStore(run), np.random.default_rng(7)
    for number, cell in enumerate(plan.cells):
        if number >= (1 - missing) * len(plan.cells):
            break
        lot = rng.random()
        if lot < machine:
            store.fail(cell.cell, MemoryError("out of memory"))
        elif lot < machine + unusable:
            store.fail(cell.cell, ValueError("latents are NaN at chunk 3"), category="quality")
        else:
            _finish(store, cell, experiment, gains)
    return run


def _plan(experiment: Experiment, kind: str, arms: tuple[str, ...]) -> Plan:
    names = ("candidate",) if kind == "imported" else arms
    repeats = range(6) if kind == "imported" else experiment.seeds
    cells = tuple(
        Planned(
            cell=f"{name.replace('@', '-')}-{number:02d}-{repeat}", prompt=prompt.text, group=prompt.group,
            split=prompt.split, arm=name, method=name.partition("@")[0],
            budget_nfe=NFE[name] if "@" in name else None, repeat=repeat,
        )
        for number, prompt in enumerate(experiment.prompts)
        for name in names
        for repeat in repeats
    )  # fmt: skip
    return Plan(
        kind=kind, baseline=arm_name("plain", None), searched="searched:likeness", judges=JUDGES, cells=cells,
        declared=declared(experiment), declared_on="2026-11-24T09:00:00+00:00",
    )  # fmt: skip


def _finish(store: RunStore, cell: Planned, experiment: Experiment, gains: dict[str, float]) -> None:
    """A finished cell as `RunStore.finish` leaves it, written without waiting for the disk."""
    number = [prompt.text for prompt in experiment.prompts].index(cell.prompt)
    files = {"video.mp4": _clip(cell.arm == "plain"), "contact_sheet.png": _sheet(cell.arm == "plain")}
    record = _record(cell, number, experiment, gains.get(cell.arm, 0.0))
    sizes = {name: len(content) for name, content in files.items()}
    files |= {"record.json": record.model_copy(update={"files": sizes}).model_dump_json().encode()}
    place = store.begin(cell.cell)
    for name, content in files.items():
        (place / name).write_bytes(content)


def _record(cell: Planned, number: int, experiment: Experiment, gain: float) -> Record:
    rng = np.random.default_rng([number, cell.repeat, len(cell.arm), int(1000 * gain)])
    lost = number % 6 == 5 and gain > 0  # the search loses on every sixth prompt
    steady = float(np.clip(0.35 + 0.4 * ((number * 7) % 10) / 10 + gain - 0.5 * lost + 0.08 * rng.normal(), 0, 1))
    steady, motion, flicker, wanted = (
        round(value, 4) for value in (steady, 0.4 + 0.1 * rng.random(), 0.2 - gain / 4 + 0.02 * rng.random(), steady)
    )
    nfe = NFE.get(cell.arm, 48)
    scores = {
        "steadiness[encoder]": steady, "motion": motion, "flicker": flicker, "likeness": wanted,
        "searched:likeness": wanted + gain,
    }  # fmt: skip
    if gain:
        scores |= {"preview_correlation@16": round(0.6 + 0.3 * rng.random(), 4)}
    seconds = Seconds(by_phase={"generate": nfe / 12, "decode": 0.4, "load": 3.0}, source="measured", how="clock")
    flops = Quantity.estimated(nfe * 2.1e9, "counted once a shape")
    cost = Cost(
        nfe=Quantity.measured(nfe, "counted"), nfe_preview=Quantity.measured(0, "counted"),
        decoded_frames=Quantity.measured(40, "counted"), reward_frames=Quantity.measured(40, "counted"),
        seconds=seconds, flops=flops, peak_memory_bytes=Quantity.none("not on a CPU"),
        energy_joules=Quantity.none("no counter here"),
    )  # fmt: skip
    return Record(
        id=cell.cell, prompt=cell.prompt, model=experiment.model, rollout=experiment.rollout,
        method=Component(use=cell.method), rewards=(experiment.reward,), seed=cell.repeat, frames=40, fps=8.0, width=64,
        height=64, frames_sha256="0" * 64, scores=scores, cost=cost,
        environment=Environment(device="cpu", device_name="two cores", threads=1),
        versions={"python": "3.12.3", "sn-eval": "0.1.0"}, created=f"2026-11-24T09:{number:02d}:00+00:00",
    )  # fmt: skip


@cache
def _frames(baseline: bool) -> tuple[np.ndarray, ...]:
    """A square that moves over a plain ground."""
    frames = []
    for step in range(8):
        frame = np.full((64, 64, 3), (230, 220, 200) if baseline else (200, 220, 230), np.uint8)
        frame[20:40, 4 * step : 4 * step + 20] = (150, 40, 30)
        frames.append(frame)
    return tuple(frames)


@cache
def _clip(baseline: bool) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in _frames(baseline):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


@cache
def _sheet(baseline: bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.concatenate(_frames(baseline), axis=1)).save(file, format="PNG")
    return file.getvalue()


# --- while it is read -------------------------------------------------------------------------------------

WRITER = """
import shutil, sys, time
from pathlib import Path
source, target = map(Path, sys.argv[1:3])
for cell in sorted((source / "cells").iterdir()):
    place = target / "cells" / cell.name
    if not place.exists():
        shutil.copytree(cell, place, ignore=shutil.ignore_patterns("record.json"))
        shutil.copy2(cell / "record.json", place / "record.json.partial")
        (place / "record.json.partial").rename(place / "record.json")
        time.sleep(float(sys.argv[3]))
"""


def writing(source: Path, target: Path, *, pause: float) -> "subprocess.Popen[bytes]":
    """A process that finishes in `target` the cells that only `source` has, one after `pause` seconds after another."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(source), str(target), str(pause)])
