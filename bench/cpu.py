"""CPU time and memory of processes, by part of the stack."""

from __future__ import annotations

import os
from collections.abc import Mapping

import psutil


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of each part so far, with its running and ended children.

    This process counts without its children: all measured processes descend from it.
    """
    return {
        part: _own() if pid == os.getpid() else sum(_used(process) for process in _family(pid))
        for part, pid in pids.items()
    }


def memory_mib(pid: int) -> float:
    """Private memory of a part and its children, in MiB."""
    return round(sum(_held(process) for process in _family(pid)) / 2**20, 1)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _own() -> float:
    times = os.times()
    return times.user + times.system


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _held(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def machine_seconds() -> float:
    """CPU seconds that all programs of this machine have used so far."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


class CpuMeter:
    """Measures CPU seconds from its creation to `read`."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._before = cpu_seconds(self._pids)

    def read(self) -> dict[str, float]:
        """CPU seconds by part since the start."""
        now = cpu_seconds(self._pids)
        return {part: round(now[part] - self._before[part], 2) for part in self._pids}
