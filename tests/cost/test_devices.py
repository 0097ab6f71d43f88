"""Counters of the machine: energy wraps around, absence is said, peaks are reset."""

import os

import pytest
import torch

from sn_eval.cost import devices
from sn_eval.cost.devices import NvmlEnergy, RaplEnergy, describe, energy_counter, environment
from sn_eval.results.record import Quantity

CPU = torch.device("cpu")


def zone(folder, name: str, energy: int, top: int = 1_000_000_000):
    path = folder / name
    path.mkdir(exist_ok=True)
    (path / "energy_uj").write_text(f"{energy}\n")
    (path / "max_energy_range_uj").write_text(f"{top}\n")
    return path


def test_rapl_adds_packages_and_wraps(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "POWERCAP", tmp_path)
    zone(tmp_path, "intel-rapl:0", 5_000_000)
    zone(tmp_path, "intel-rapl:1", 999_000_000)
    counter = energy_counter(CPU)
    assert isinstance(counter, RaplEnergy)
    counter.start()
    zone(tmp_path, "intel-rapl:0", 8_000_000)
    zone(tmp_path, "intel-rapl:1", 999_999)
    energy = counter.stop()
    assert energy.value == pytest.approx(3 + 2)
    assert energy.source == "measured"


def test_no_counter_is_none_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "POWERCAP", tmp_path)
    counter = energy_counter(CPU)
    counter.start()
    assert counter.stop() == Quantity.none("no RAPL counter is readable here (usual in containers)")


@pytest.mark.parametrize(("pause", "source"), [(0.0, "estimated"), (1.0, "measured")])
def test_nvml_reads_millijoules_and_says_when_it_is_coarse(monkeypatch, pause, source):
    class Nvml:
        energy = 1000

        def nvmlDeviceGetTotalEnergyConsumption(self, handle):
            self.energy += 2500
            return self.energy

    clock = iter([10.0, 10.0 + pause])
    monkeypatch.setattr(devices.time, "perf_counter", lambda: next(clock))
    counter = NvmlEnergy(Nvml(), "handle")
    counter.start()
    energy = counter.stop()
    assert (energy.value, energy.source) == (2.5, source)


def test_the_environment_says_what_changes_bits():
    found = environment("cpu", dtype=torch.bfloat16, max_batch=8)
    assert (found.device, found.dtype, found.max_batch) == ("cpu", "bfloat16", 8)
    assert found.threads == torch.get_num_threads()
    assert found.device_name


def test_describe_has_the_cpu_first():
    first = describe()[0]
    assert first["device"] == "cpu"
    assert first["memory_bytes"] > 2**28
    assert 1 <= first["cores"] <= os.cpu_count()
