"""Side-by-side timings: everything in one process on the same arrays, in process time.

Ratios are medians of paired ratios: each round times every competitor once, so that a slow round is slow for all. The
order is shuffled in each round, so that nobody always runs after the same other one.
"""

import ctypes
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread(keep_memory: bool = False) -> None:
    """Ask for one BLAS thread; to be called before numpy and torch are imported.

    With ``keep_memory`` the process keeps what it frees (glibc), so that nobody pays for fresh pages, whose price
    changes from minute to minute. As malloc reads its variables at the start, the program is started once more.
    """
    os.environ |= dict.fromkeys(THREADS, "1")
    if keep_memory and "MALLOC_MMAP_MAX_" not in os.environ:
        os.environ |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
        os.execv(sys.executable, [sys.executable, *sys.argv])


def interleaved(
    competitors: dict[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    warm_up: bool = True,
    least: float = 0.0,
) -> dict[str, list[float]]:
    """Seconds of each competitor in each round, of process time unless another clock is given, after one round to
    warm up. Who takes less than ``least`` seconds runs again and again in its turn, and counts with its mean."""
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    shuffle, order = random.Random(0).shuffle, list(competitors)
    for i in range(not warm_up, rounds + 1):
        shuffle(order)
        for name in order:
            start, runs, spent = clock(), 0, 0.0
            while not runs or spent < least:
                competitors[name]()
                runs, spent = runs + 1, clock() - start
            if i:
                seconds[name].append(spent / runs)
        print(f"\r{' | '.join(competitors)}: round {i} of {rounds}", end="\n" if i == rounds else "", flush=True)
    return seconds


def median(values: list[float]) -> float:
    """The median, to four significant digits."""
    ordered, middle = sorted(values), len(values) // 2
    value = ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return float(f"{value:.4g}")


def summary(seconds: dict[str, list[float]], base: str) -> dict[str, dict[str, float]]:
    """Median seconds of each competitor, and the quartiles of how many times slower than ``base`` it is."""
    table = {}
    for name, values in seconds.items():
        ratios = sorted(value / own for value, own in zip(values, seconds[base], strict=True))
        quarter = len(ratios) // 4
        low, high = (float(f"{ratios[i]:.4g}") for i in (quarter, -1 - quarter))
        table[name] = {"seconds": median(values), "times_ours": median(ratios), "quartiles": [low, high]}
    return table


def peak() -> int:
    """The largest amount of memory that this process has held, in KiB (Linux)."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


def fresh_peak() -> int:
    """``peak`` from now on: what is free is given back first, so that it is counted when it is used again."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    return peak()


def machine() -> dict[str, object]:
    """The processor and the threads; neither paths nor names."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    vector = [flag for flag in ("avx2", "avx512f", "amx_tile") if flag in fields.get("flags", "").split()]
    name = fields.get("model name") or platform.processor() or platform.machine()
    return {"cpu": name, "vector_units": vector, "threads": 1, "system": platform.system()}


def write(path: str, packages: list[str], **content: object) -> None:
    """Write results with the machine and the versions they were measured on."""
    versions = {"python": platform.python_version()} | {name: version(name) for name in packages}
    result = content | {"machine": machine(), "versions": versions}
    Path(path).write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
