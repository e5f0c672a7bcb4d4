"""Performer attention beside performer-pytorch and torch's softmax attention: time, memory, decoding, correctness.

All get the same arrays, one thread, and the same W where they estimate; attention_peers.py says who takes part, and
attention_quality.py compares outputs. Peaks of memory are those of fresh processes. The limit is made of products of
128 × 128 matrices, as many as have the operations of the task, and of exponentials in the cache, one for each feature.

Usage: python benchmarks/attention.py benchmarks/results/attention.json
       python benchmarks/attention.py --gpu benchmarks/results/attention.json    the part "gpu" of that file only
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import timing

timing.one_thread(keep_memory=not {"--memory", "--fresh"} & set(sys.argv))

import attention_peers as peers  # noqa: E402
import attention_quality as quality  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from attention_peers import BARE, CORE, DIM, FEATURES, FLEX, HEADS, NUMPY, SDPA  # noqa: E402

QUICK = "--quick" in sys.argv  # few rounds of short sequences, to try the program
SIZES = [256, 512, 1024] if QUICK else [256, 512, 1024, 2048, 4096, 8192, 16384]
LONG = SIZES[-1]
COMPILED = {False: [1024, 4096], True: [1024, 4096, 16384]}  # lengths of flex_attention, which is compiled for each
BACKWARD, STEPS, CHUNK, SIDE = min(2048, LONG), 10, 64, 128
PACKAGES = ["numpy", "torch", "performer-pytorch"]
UNIT = "seconds of process time; times_ours: paired ratio; MiB beyond arguments and results; bytes of state and cache"


def rounds(n: int) -> int:
    return 2 if QUICK else 5 if n > 4096 else 9


def limit(n: int, is_causal: bool) -> dict[str, peers.Call]:
    """The products and exponentials of the task, in pieces that stay in the cache, when nothing else is done."""
    columns = DIM + 1  # of [v, 1]
    operations = 4 * HEADS * n * FEATURES * (DIM + columns)  # features of q and k; sums over keys, and reading them
    if is_causal:
        operations += 2 * HEADS * n * CHUNK * (FEATURES + columns)  # pairs in a chunk, and their sums
    piece = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    out, products, blocks = np.empty_like(piece), operations // (2 * SIDE**3), 2 * HEADS * n * FEATURES // SIDE**2
    return {
        "product": lambda: [np.matmul(piece, piece, out=out) for _ in range(products)],
        "exponentials": lambda: [np.exp(piece, out=out) for _ in range(blocks)],
    }


def forward(is_causal: bool, compiles: bool) -> dict:
    """Times by length."""
    table = {}
    for n in SIZES:
        tensors = peers.sample(n)
        calls = peers.calls(tensors, is_causal) | {NUMPY: peers.numpy_call(tensors, is_causal)}
        if compiles and n in COMPILED[is_causal]:
            calls[FLEX] = peers.flex(*tensors, is_causal)
        calls |= limit(n, is_causal)
        table[str(n)] = timing.summary(timing.interleaved(calls, rounds(n)), "companion")
    return table


def windows() -> dict:
    """Times with near keys exact, by length."""
    table = {}
    for n in (LONG // 4, LONG):
        calls = peers.windowed(peers.sample(n))
        table[str(n)] = timing.summary(timing.interleaved(calls, rounds(n)), "companion")
    return table


def crossing(gains: dict[int, float]) -> float | None:
    """The length from which on a gain is above 1, between two lengths by a line in log–log; or None."""
    lengths, logs = np.array(list(gains)), np.log(list(gains.values()))
    behind = np.flatnonzero(logs <= 0)
    if not len(behind):
        return float(lengths[0])  # or below
    if (last := behind[-1]) == len(lengths) - 1:
        return None
    pair = slice(last, last + 2)
    return float(f"{np.exp(np.interp(0, logs[pair], np.log(lengths[pair]))):.3g}")


def crossover(table: dict) -> dict[str, float | None]:
    """The length from which on each needs less time than SDPA, or None."""
    found: dict[str, float | None] = {}
    for name in ("companion", NUMPY, CORE):
        rows = {int(n): (row[SDPA], row[name]) for n, row in table.items() if name in row}
        if rows:
            found[name] = crossing({n: exact["times_ours"] / own["times_ours"] for n, (exact, own) in rows.items()})
    return found


def with_gradients(call: peers.Call, tensors: list) -> peers.Call:
    """The output of ``call``, then the gradients in all three arguments."""
    weights = peers.sample(tensors[0].shape[-2], seed=1)[2].to(tensors[0])
    return lambda: torch.autograd.grad(call(), tensors, weights)


def trained(n: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> dict[str, peers.Call]:
    """Causal attention, forward and backward."""
    tensors = [x.to(device, dtype).requires_grad_() for x in peers.sample(n)]
    return {name: with_gradients(call, tensors) for name, call in peers.calls(tensors, True).items()}


def memory_here(task: str, name: str) -> float:
    """MiB at the peak of one call in this process, beyond what was there and what it returns."""
    sizes = {"full": LONG, "causal": LONG, "backward": BACKWARD}

    def call(n: int) -> peers.Call:
        return trained(n)[name] if task == "backward" else peers.calls(peers.sample(n), task == "causal")[name]

    call(512)()  # libraries are loaded, and their buffers are there
    measured = call(sizes[task])
    before = timing.fresh_peak()
    result = measured()
    after, kept = timing.peak(), HEADS * sizes[task] * DIM * 4 * (len(result) if task == "backward" else 1)
    return max(0.0, round((after - before) / 1024 - kept / 2**20, 1))


def fresh_here() -> dict:
    """Times of full attention to a long sequence; to be called where freed memory is given back."""
    calls = peers.calls(peers.sample(LONG), is_causal=False)
    del calls[SDPA]  # it needs next to no memory
    return timing.summary(timing.interleaved(calls, rounds(LONG)), "companion")


def in_fresh_process(*arguments: str) -> str:
    """The last line that this program prints with ``arguments``, in a process with the usual memory management."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, __file__, *arguments] + ["--quick"] * QUICK
    return subprocess.run(command, env=plain, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()[-1]


def memory() -> dict:
    """``memory_here`` of each task and competitor."""
    table: dict = {}
    for task in ("full", "causal", "backward"):
        for name in ("companion", CORE, SDPA):
            table.setdefault(task, {})[name] = float(in_fresh_process("--memory", task, name))
            print(f"memory, {task}, {name}: {table[task][name]} MiB", flush=True)
    return table


def decode() -> dict:
    """The time of a token, and the bytes that are kept for the next one."""
    table: dict = {"step": {}, "bytes": {}}
    for n in (1024, 4096, 16384):
        calls, table["bytes"][str(n)] = peers.decoding(n, STEPS)
        rows = timing.summary(timing.interleaved(calls, 3 if QUICK else 15), "companion")
        table["step"][str(n)] = {
            name: row | {"seconds": float(f"{row['seconds'] / STEPS:.4g}")} for name, row in rows.items()
        }
    return table


def gpu(device: str = "cuda", lengths: tuple[int, ...] = (1024, 4096, 16384, 65536)) -> dict | None:
    """The same on a GPU, where there is one: bfloat16, without the limit and NumPy; else None."""
    if device == "cuda" and not torch.cuda.is_available():
        return None

    def clock() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    table: dict = {"causal": {}, "full": {}, "backward": {}}
    for n in lengths:
        tensors = [x.to(device, torch.bfloat16) for x in peers.sample(n)]
        for task in ("causal", "full"):
            calls = peers.calls(tensors, task == "causal")
            calls[FLEX] = peers.flex(*tensors, task == "causal")
            table[task][str(n)] = timing.summary(timing.interleaved(calls, 9, clock), "companion")
        if n <= 4096:
            calls = trained(n, device, torch.bfloat16)
            table["backward"][str(n)] = timing.summary(timing.interleaved(calls, 9, clock), "companion")
    name = torch.cuda.get_device_name() if device == "cuda" else device
    about = {"gpu": name, "dtype": "bfloat16", "torch": torch.__version__, "unit": "seconds on the clock"}
    return table | {"setting": about, "crossover": {task: crossover(table[task]) for task in ("full", "causal")}}


def targets(record: dict) -> dict:
    """What was aimed at beside what was measured, whether reached or not."""
    far, near = str(LONG), str(min(4096, LONG))
    causal, full, errors = record["causal"], record["full"], record["accuracy"]["d = 16"]

    def parts(rows: dict) -> float:
        return rows["product"]["times_ours"] + rows["exponentials"]["times_ours"]

    token = record["decode"]["step"]["16384"]
    rows = {
        f"causal, n = {near}, times performer-pytorch": (">=", 18, causal[near][CORE]["times_ours"]),
        f"causal, n = {far}, times SDPA": (">=", 11, causal[far][SDPA]["times_ours"]),
        "causal, crossover": ("<=", 1100, record["crossover"]["causal"]["companion"]),
        f"full, n = {far}, times performer-pytorch": (">=", 3, full[far][CORE]["times_ours"]),
        f"full, n = {far}, fresh pages, times performer-pytorch": (">=", 3, record["fresh"][CORE]["times_ours"]),
        f"full, n = {far}, times SDPA": (">=", 33, full[far][SDPA]["times_ours"]),
        "full, crossover": ("<=", 520, record["crossover"]["full"]["companion"]),
        "forward and backward, times performer-pytorch": (">=", 12, record["backward"][CORE]["times_ours"]),
        "forward and backward, MiB": ("<=", 20, record["memory"]["backward"]["companion"]),
        "decoding, n = 16384, times SDPA": (">=", 35, token[SDPA]["times_ours"]),
        "decoding, unchecked": (">=", 35, token[SDPA]["times_ours"] / token[BARE]["times_ours"]),
        "causal, share of the limit": (">=", 0.55, parts(causal[far])),
        f"window, n = {far}, times the same without": (
            "<=",
            1.25,
            1 / record["window"][far][peers.PLAIN]["times_ours"],
        ),
        f"window, n = {far}, times SDPA": (">=", 8, record["window"][far][SDPA]["times_ours"]),
        f"block means, n = {far}, times those without a window": (
            "<=",
            1.25,
            record["window"][far][peers.MEANS]["times_ours"] / record["window"][far][peers.PLAIN]["times_ours"],
        ),
        "full, share of the limit": (">=", 0.65, parts(full[far])),
        "causal, MiB": ("<=", 2, record["memory"]["causal"]["companion"]),
        "full, MiB": ("<=", 2, record["memory"]["full"]["companion"]),
    }
    for sigma, pairs, optimal in (("0.25", 0.4, 0.3), ("0.35", 0.7, 0.5), ("0.5", 0.85, 0.55)):
        row = errors[f"σ = {sigma}"]
        name = f"error over performer-pytorch's, d = 16, sigma = {sigma}"
        rows[name] = ("<=", pairs, row[quality.PAIRS] / row[CORE])
        rows[f"{name}, optimal"] = ("<=", optimal, row[quality.OPTIMAL_PAIRS] / row[CORE])
    return {
        name: {"target": f"{sign} {aim}", "measured": None if found is None else float(f"{found:.3g}")}
        for name, (sign, aim, found) in rows.items()
    }


def main(output_path: str) -> None:
    """Measure and write the results; what was measured on a GPU before stays."""
    compiles = peers.compiles()
    setting = {"batch": 1, "heads": HEADS, "dim": DIM, "features": FEATURES, "dtype": "float32", "unit": UNIT}
    setting |= {"window": peers.WINDOW, "block": 4 * peers.WINDOW}
    setting |= {"backward": BACKWARD, "memory": LONG, "flex_attention": "compiled" if compiles else "left out"}
    record: dict = {task: forward(task == "causal", compiles) for task in ("full", "causal")}
    record["window"] = windows()
    record["crossover"] = {task: crossover(record[task]) for task in ("full", "causal")}
    record["backward"] = timing.summary(timing.interleaved(trained(BACKWARD), rounds(BACKWARD)), "companion")
    record |= {"fresh": json.loads(in_fresh_process("--fresh")), "memory": memory()}
    record |= {"decode": decode(), "checks": quality.checks(2000 if QUICK else 20_000)}
    record |= {"accuracy": quality.accuracy(3 if QUICK else 9), "finite": quality.finite()}
    record |= {"targets": targets(record), "gpu": gpu() or earlier(output_path).get("gpu")}
    for name, row in record["targets"].items():
        print(f"{name}: {row['measured']}, target {row['target']}")
    timing.write(output_path, PACKAGES, setting=setting, **record)


def earlier(path: str) -> dict:
    """What the file held before, if there is one."""
    return json.loads(Path(path).read_text(encoding="utf-8")) if Path(path).exists() else {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if "--memory" in sys.argv:
        print(memory_here(*sys.argv[2:4]))
    elif "--fresh" in sys.argv:
        print(json.dumps(fresh_here()))
    elif sys.argv[1] == "--gpu":
        Path(sys.argv[2]).write_text(
            json.dumps(earlier(sys.argv[2]) | {"gpu": gpu()}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    else:
        main(sys.argv[1])
