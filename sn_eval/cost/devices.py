"""What the machine itself can tell: peak memory, energy, and what it is. A missing counter is said, never 0.

Energy: NVML's total-energy counter (NVIDIA, millijoules), else RAPL through Linux's powercap (microjoules).
Known trap: NVML's counter moves about every 0.1 s, so shorter runs are only an estimate.
"""

import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import psutil
import torch

from sn_eval.results.record import Environment, Quantity

POWERCAP = Path("/sys/class/powercap")
NVML_COARSE_SECONDS = 0.1


# --- energy -----------------------------------------------------------------------------------------------


@runtime_checkable
class EnergyCounter(Protocol):
    """Reads joules used since some moment; differences of two readings are energy."""

    def start(self) -> None:
        """The beginning of what is measured."""
        ...

    def stop(self) -> Quantity:
        """Joules since `start`, or none with the reason."""
        ...


def energy_counter(device: torch.device) -> EnergyCounter:
    """The best counter there is for this device: NVML for CUDA, RAPL for the CPU, else one that says none."""
    if device.type == "cuda":
        return NvmlEnergy.find(device)
    zones = [zone for zone in sorted(POWERCAP.glob("intel-rapl:?")) if os.access(zone / "energy_uj", os.R_OK)]
    if zones:
        return RaplEnergy(tuple(zones))
    return NoEnergy("no RAPL counter is readable here (usual in containers)")


@dataclass
class NoEnergy:
    """Stands where no counter exists, and says why."""

    why: str

    def start(self) -> None:
        """Nothing to read."""

    def stop(self) -> Quantity:
        """None, with the reason."""
        return Quantity.none(self.why)


@dataclass
class NvmlEnergy:
    """One NVIDIA device's total-energy counter."""

    nvml: Any
    handle: Any
    _from: float = 0.0
    _since: float = 0.0

    @classmethod
    def find(cls, device: torch.device) -> EnergyCounter:
        """The counter of this CUDA device, or the reason why it cannot be read."""
        try:
            import pynvml
        except ImportError:
            return NoEnergy("nvidia-ml-py is not installed: pip install 'sn-eval[gpu]'")
        try:
            pynvml.nvmlInit()
            # by UUID: CUDA_VISIBLE_DEVICES renumbers CUDA's devices, not NVML's
            uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
            handle = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except pynvml.NVMLError as error:
            return NoEnergy(f"NVML has no energy counter for {device}: {error}")
        return cls(pynvml, handle)

    def start(self) -> None:
        """Remember the counter."""
        self._from, self._since = self._joules(), time.perf_counter()

    def stop(self) -> Quantity:
        """Joules of the whole board since `start`."""
        joules, seconds = self._joules() - self._from, time.perf_counter() - self._since
        if seconds < NVML_COARSE_SECONDS:
            return Quantity.estimated(joules, f"NVML counter, coarse over {seconds:.3f} s")
        return Quantity.measured(joules, "NVML total energy of the board")

    def _joules(self) -> float:
        return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3


@dataclass
class RaplEnergy:
    """The CPU packages' counters; each wraps around at its own maximum."""

    zones: tuple[Path, ...]
    _from: tuple[int, ...] = ()

    def start(self) -> None:
        """Remember the counters."""
        self._from = self._read("energy_uj")

    def stop(self) -> Quantity:
        """Joules of all packages, whatever else ran on them, since `start`."""
        readings = zip(self._read("energy_uj"), self._from, self._read("max_energy_range_uj"), strict=True)
        joules = sum((now - then) % (top + 1) for now, then, top in readings) / 1e6
        return Quantity.measured(joules, f"RAPL, {len(self.zones)} CPU packages, all their processes")

    def _read(self, name: str) -> tuple[int, ...]:
        return tuple(int((zone / name).read_text()) for zone in self.zones)


# --- memory -----------------------------------------------------------------------------------------------


@dataclass
class PeakMemory:
    """Highest memory use since `start`: allocated on a CUDA device, else resident in this process."""

    device: torch.device
    _resettable: bool = False

    def start(self) -> None:
        """Forget earlier peaks, where the system can."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            return
        try:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: resets VmHWM
            self._resettable = True
        except OSError:
            self._resettable = False

    def stop(self) -> Quantity:
        """Bytes."""
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device)
            return Quantity.measured(peak, "torch.cuda.max_memory_allocated")
        peak = _peak_resident_bytes()
        if self._resettable:
            return Quantity.measured(peak, "peak resident memory of the process (VmHWM)")
        return Quantity.estimated(peak, "peak resident memory since the process began: an upper bound")


def _peak_resident_bytes() -> int:
    """The process's peak resident memory, from wherever the system shows it."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# --- what the machine is ----------------------------------------------------------------------------------


def device_name(device: torch.device | str) -> str:
    """The device in words."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def environment(
    device: torch.device | str, *, dtype: torch.dtype = torch.float32, max_batch: int | None = None
) -> Environment:
    """What can change bits apart from versions, for the record."""
    return Environment(
        device=str(device),
        device_name=device_name(device),
        dtype=str(dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        max_batch=max_batch,
    )


def describe() -> list[dict[str, Any]]:
    """Every device at hand, for `doctor`: name, memory in bytes, where its energy would be read from."""
    devices = [torch.device("cpu")] + [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    return [
        {
            "device": str(device),
            "name": device_name(device),
            "memory_bytes": _memory(device),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "energy": _energy_in_words(energy_counter(device)),
        }
        for device in devices
    ]


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return int(psutil.virtual_memory().total)


def _energy_in_words(counter: EnergyCounter) -> str:
    if isinstance(counter, NoEnergy):
        return f"none: {counter.why}"
    return type(counter).__name__.removesuffix("Energy").upper()
