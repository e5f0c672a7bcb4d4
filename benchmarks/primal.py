"""The support vector machine on features through its primal, beside scikit-learn's solvers, in process time.

All fit noisy moons that are lifted into 20 dimensions, or ten classes of digits. The error of a difference of
accuracies is that of paired answers: the standard error of a mean over test points, on each of which one machine is
right more often than the other, or as often.

Usage: python benchmarks/primal.py benchmarks/results/primal.json
"""

import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import timing

timing.one_thread(keep_memory="--child" not in sys.argv)

import numpy as np  # noqa: E402
from growth import exponent  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.kernel_approximation import Nystroem, RBFSampler  # noqa: E402
from sklearn.linear_model import LogisticRegression, SGDClassifier  # noqa: E402
from sklearn.model_selection import StratifiedKFold  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.svm import SVC, LinearSVC  # noqa: E402

from companion.datasets import moons  # noqa: E402
from companion.estimators import PrimalSVC, RandomFeatures  # noqa: E402
from companion.features import fourier  # noqa: E402
from companion.frequencies import draw  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from companion.svm import Sums, block_sums, reduce_by_index, solve_primal  # noqa: E402
from companion.svm.primal import solve  # noqa: E402
from companion.svm.sources import BLOCK, Source  # noqa: E402
from companion.svm.sums import ROWS, STEPS  # noqa: E402

OURS, PEER, EXACT = "companion", "RBFSampler + LinearSVC", "SVC"
RIVAL = "RBFSampler + LogisticRegression, float32"
N, TEST, DIM, NOISE, COLUMNS, GAMMA, C = 20_000, 20_000, 20, 0.3, 500, 0.5, 10.0
LENGTHSCALE, ROUNDS, DRAWS = (2 * GAMMA) ** -0.5, 3, 12
SIZES, LARGE = [10_000, 20_000, 50_000, 100_000, 200_000], 100_000
STREAMED, STREAMED_COLUMNS = 2_000_000, 512
LEAST = 0.3  # seconds: who predicts faster does so several times in its turn
FOLDS, DIGITS_COLUMNS = 4, (500, 2000)  # three quarters of the digits are 1,347 samples


class Entry(NamedTuple):
    """What competes: an estimator for each seed, and the points it is given."""

    make: Callable[[int], Any]
    X: np.ndarray
    X_test: np.ndarray


def lifted(n: int, seed: int, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    """Noisy moons on a plane of 20 dimensions that lies askew, with noise in all of them; the classes are mixed."""
    (X, y), generator = moons(n, noise=NOISE, rng=seed), np.random.default_rng([seed, 1])
    plane = np.linalg.qr(np.random.default_rng(0).standard_normal((DIM, 2)))[0].T
    order = generator.permutation(n)
    return (X[order] @ plane + 0.1 * generator.standard_normal((n, DIM))).astype(dtype), y[order]


def ours(seed: int, columns: int = COLUMNS) -> PrimalSVC:
    """The package, with features of the kernel exp(-γ |x - y|²)."""
    return PrimalSVC(C=C, features=RandomFeatures(Gaussian(LENGTHSCALE), columns, random_state=seed))


def sampled(machine: Any) -> Callable[[int], Any]:
    """A pipeline of scikit-learn's random features and a linear machine."""
    return lambda seed: make_pipeline(RBFSampler(gamma=GAMMA, n_components=COLUMNS, random_state=seed), machine(seed))


def landmarks(seed: int) -> Any:
    """The features that scikit-learn takes from landmarks."""
    return make_pipeline(Nystroem(gamma=GAMMA, n_components=100, random_state=seed), LinearSVC(C=C))


def descent(seed: int, *, average: bool) -> SGDClassifier:
    """Stochastic gradient descent on the hinge with the same weight of the slacks."""
    return SGDClassifier("hinge", alpha=1 / (C * N), average=average, random_state=seed)


def without_spread(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """``summary`` of a single round, which has no quartiles."""
    table = timing.summary(seconds, OURS)
    return {name: {key: row[key] for key in ("seconds", "times_ours")} for name, row in table.items()}


def race(entries: dict[str, Entry], y: np.ndarray, rounds: int) -> tuple[dict, dict, dict]:
    """Seconds of fits, those of predictions, and the answers of all fits of each competitor: another seed each time.

    Fits take too long for a round to warm up; a median of three rounds leaves the slowest out.
    """
    fitted: dict[str, list] = {name: [] for name in entries}

    def fit(name: str) -> None:
        entry, models = entries[name], fitted[name]
        models.append(entry.make(len(models)).fit(entry.X, y))

    fits = {name: lambda name=name: fit(name) for name in entries}
    seconds = timing.interleaved(fits, rounds, warm_up=False)
    predictions = {name: lambda name=name, e=e: fitted[name][-1].predict(e.X_test) for name, e in entries.items()}
    answers = {name: [model.predict(entries[name].X_test) for model in models] for name, models in fitted.items()}
    return seconds, timing.interleaved(predictions, rounds, warm_up=rounds > 1, least=LEAST), answers


def accuracies(answers: dict[str, list[np.ndarray]], truth: np.ndarray) -> dict[str, dict[str, float]]:
    """The share of right answers, over all draws of features, and its difference to SVC's with the paired error."""
    right = {name: np.mean([found == truth for found in runs], axis=0) for name, runs in answers.items()}
    rows = {}
    for name, values in right.items():
        change = values - right[EXACT]
        error = float(change.std() / len(truth) ** 0.5)
        rows[name] = {"accuracy": round(float(values.mean()), 5), "over_svc": round(float(change.mean()), 5)}
        rows[name]["error"] = round(error, 5)
    return rows


def fit_and_predict() -> dict:
    """20,000 lifted moons: the package beside pipelines, and SVC once, whose answers are the standard."""
    (X, y), (X_test, truth) = lifted(N, 0), lifted(TEST, 1)
    single = X.astype(np.float32), X_test.astype(np.float32)
    entries = {
        OURS: Entry(ours, *single),
        f"{OURS}, float64": Entry(ours, X, X_test),
        PEER: Entry(sampled(lambda seed: LinearSVC(C=C)), X, X_test),
        f"{PEER}, float32": Entry(sampled(lambda seed: LinearSVC(C=C)), *single),
        "Nystroem 100 + LinearSVC": Entry(landmarks, X, X_test),
        "RBFSampler + SGDClassifier": Entry(sampled(lambda seed: descent(seed, average=False)), X, X_test),
        "the same, averaged": Entry(sampled(lambda seed: descent(seed, average=True)), X, X_test),
        "RBFSampler + LogisticRegression": Entry(sampled(lambda seed: LogisticRegression(C=C)), X, X_test),
        RIVAL: Entry(sampled(lambda seed: LogisticRegression(C=C)), *single),
    }
    fits, predictions, answers = race(entries, y, ROUNDS)
    exact = Entry(lambda seed: SVC(C=C, gamma=GAMMA, cache_size=1000), X, X_test)
    once = race({OURS: entries[OURS], EXACT: exact}, y, 1)
    tables = [
        timing.summary(seconds, OURS) | {EXACT: without_spread(slow)[EXACT]}
        for seconds, slow in zip((fits, predictions), once[:2], strict=True)
    ]
    answers[EXACT] = once[2][EXACT]
    found = {"fit": tables[0], "predict": tables[1], "accuracy": accuracies(answers, truth)}
    return found | {"draws": over_draws()}


def over_draws() -> dict[str, dict[str, float]]:
    """Mean accuracy of the same solver on both kinds of features over draws, with its standard error."""
    (X, y), (X_test, truth) = lifted(N, 0, "float32"), lifted(TEST, 1, "float32")
    samplers: dict[str, Callable[[int], Any]] = {
        OURS: ours,
        "RBFSampler": lambda seed: ours(seed).set_params(
            features=RBFSampler(gamma=GAMMA, n_components=COLUMNS, random_state=seed)
        ),
    }
    table = {}
    for name, make in samplers.items():
        found = [make(seed).fit(X, y).score(X_test, truth) for seed in range(DRAWS)]
        error = float(np.std(found, ddof=1)) / DRAWS**0.5
        table[name] = {"accuracy": round(float(np.mean(found)), 5), "error": round(error, 5)}
    return table


def active_products(Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> Callable[[], object]:
    """The products that any Newton step needs: those of the active rows with each other, and all rows with w."""
    active, weights = Z[y * (Z @ w[:-1] + w[-1]) < 1], w[:-1].astype(Z.dtype)
    parts = [active[i : i + ROWS] for i in range(0, len(active), ROWS)]
    return lambda: ([part.T @ part for part in parts], Z @ weights)


def objective(Z: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """(|w|² + b²)/2 + C Σ max(0, 1 - y f)², in float64."""
    return float(w @ w / 2 + C * np.sum(np.maximum(0, 1 - y * (Z @ w[:-1] + w[-1])) ** 2))


def same_features() -> dict:
    """The same features and objective: times, and by how much each objective exceeds the least one found."""
    X, y = lifted(N, 0, "float32")
    single = fourier(X, draw(Gaussian(LENGTHSCALE), COLUMNS // 2, DIM, rng=0))
    double = single.astype(np.float64)
    found: dict[str, dict[str, np.ndarray]] = {"float64": {}, "float32": {}}

    def companion(Z: np.ndarray, tol: float = 1e-6) -> np.ndarray:
        solution = solve_primal(Z, y, C=C, tol=tol)
        return np.append(solution.coef, solution.intercept)

    def peer(Z: np.ndarray, tol: float = 1e-4) -> np.ndarray:
        machine = LinearSVC(C=C, tol=tol, dual=False).fit(Z, y)
        return np.append(machine.coef_[0], machine.intercept_)

    best, times = companion(double, 1e-12), {}
    for dtype, Z in (("float64", double), ("float32", single)):
        solvers = {OURS: companion, "LinearSVC": peer}
        calls: dict[str, Callable] = {
            name: lambda dtype=dtype, Z=Z, name=name, solver=solver: found[dtype].update({name: solver(Z)})
            for name, solver in solvers.items()
        }
        calls["product"] = active_products(Z, y, best)
        times[dtype] = timing.summary(timing.interleaved(calls, ROUNDS, warm_up=False), OURS)
    values = {dtype: {name: objective(double, y, w) for name, w in rows.items()} for dtype, rows in found.items()}
    least = min(objective(double, y, best), *(value for rows in values.values() for value in rows.values()))
    gaps = {
        dtype: {name: float(f"{(value - least) / least:.2g}") for name, value in rows.items()}
        for dtype, rows in values.items()
    }
    return {"time": times, "gap": gaps}


def in_child(*arguments: object) -> dict:
    """What ``CHILDREN`` finds in a process of its own, which gives back what it frees, as most do."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    found = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    print(*arguments, found, flush=True)
    return found


def train(name: str) -> dict[str, float]:
    """Seconds and peak memory beyond the data of one training on 100,000 points, after a small one to warm up."""
    make = {OURS: ours, PEER: sampled(lambda seed: LinearSVC(C=C))}[name]
    dtype = "float32" if name == OURS else "float64"
    make(0).fit(*lifted(1000, 1, dtype))
    X, y = lifted(LARGE, 0, dtype)
    before, start = timing.fresh_peak(), time.process_time()
    make(0).fit(X, y)
    seconds = float(f"{time.process_time() - start:.4g}")
    return {"seconds": seconds, "mebibytes": round((timing.peak() - before) / 1024, 1)}


def growing() -> dict:
    """Seconds of the package by n with their power of n, and the runs at 100,000 points."""
    data = {n: lifted(n, 0, "float32") for n in SIZES}
    calls = {str(n): lambda n=n: ours(0).fit(*data[n]) for n in SIZES}
    seconds = [timing.median(values) for values in timing.interleaved(calls, ROUNDS).values()]
    slope, error = exponent(SIZES, seconds)
    fit = {"n": SIZES, "seconds": seconds, "exponent": slope, "exponent_error": error}
    return fit | {"at_large": {name: in_child("train", name) for name in (OURS, PEER)}}


class Shuffled(Source):
    """A source whose blocks arrive in another order at each pass."""

    def variant(self, precise: bool, every: int = 1) -> "Shuffled":
        return Shuffled(self.features, self.y, self.c, self.block_size, precise, every)

    def passes(self, old: Any, new: np.ndarray, steps: tuple[float, ...] = STEPS, columns: Any = slice(None)) -> Sums:
        blocks = list(enumerate(self.blocks(columns)))
        random.Random(len(steps)).shuffle(blocks)
        return reduce_by_index((i, block_sums(parts, old, new, steps, precise=self.precise)) for i, parts in blocks)


def anonymous() -> int:
    """Anonymous memory of this process in KiB: without files, mapped or cached."""
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


def watched(call: Callable[[], Any]) -> tuple[Any, int]:
    """What ``call`` returns, and the most anonymous memory seen meanwhile, every 5 ms."""
    most, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return call(), most[0]
    finally:
        done.set()
        watcher.join()


def stream(kind: str, folder: str) -> dict[str, Any]:
    """One training on the rows of a file, which stays on disk, or is read first, or gives its blocks in any order."""
    W, empty = draw(Gaussian(LENGTHSCALE), STREAMED_COLUMNS // 2, DIM, rng=0), anonymous()
    X, y = (np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in ("X", "y"))
    X = np.array(X) if kind == "in memory" else X

    def features(rows: slice) -> np.ndarray:
        return fourier(X[rows], W)

    def call() -> tuple[np.ndarray, int]:
        if kind == "shuffled":
            source = Shuffled(features, y[:, None], np.full(len(y), C), BLOCK)
            weights, _, n_iter = solve(source, 1e-6, 100, None, C)
            return weights[:, 0], int(n_iter[0])
        solution = solve_primal(features, y, C=C)
        return np.append(solution.coef, solution.intercept), int(solution.n_iter)

    start = time.process_time(), time.perf_counter()
    (weights, n_iter), most = watched(call)
    seconds = time.process_time() - start[0], time.perf_counter() - start[1]
    digest = hashlib.sha256(weights.tobytes()).hexdigest()[:12]
    found = {"seconds": float(f"{seconds[0]:.4g}"), "wall_seconds": float(f"{seconds[1]:.4g}")}
    return found | {"mebibytes": round((most - empty) / 1024, 1), "passes": n_iter, "weights": digest}


def streaming() -> dict:
    """Two million rows in a file: time, memory and whether the weights have the same bits however they are read."""
    piece = 100_000  # so that this process does not hold them all
    with tempfile.TemporaryDirectory() as folder:
        X = np.lib.format.open_memmap(Path(folder) / "X.npy", "w+", np.float32, (STREAMED, DIM))
        y = np.lib.format.open_memmap(Path(folder) / "y.npy", "w+", np.float64, (STREAMED,))
        for start in range(0, STREAMED, piece):
            rows = slice(start, start + piece)
            X[rows], y[rows] = lifted(piece, 10 + start // piece, "float32")
        del X, y
        runs = {kind: in_child("stream", kind, folder) for kind in ("from the file", "shuffled", "in memory")}
    return {"rows": STREAMED, "columns": STREAMED_COLUMNS, "runs": runs}


def digits_with(columns: int) -> dict:
    """Times on one fold of the digits, accuracies on all four; all have the default kernel, which is the same."""
    X, y = load_digits(return_X_y=True)
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(X, y))

    def features(seed: int) -> RandomFeatures:
        return RandomFeatures(n_components=columns, random_state=seed)

    makers: dict[str, Callable[[int], Any]] = {
        OURS: lambda seed: PrimalSVC(C=C, features=features(seed)),
        "LinearSVC, the same features": lambda seed: make_pipeline(features(seed), LinearSVC(C=C)),
        EXACT: lambda seed: SVC(C=C),
    }
    (train_rows, test_rows), answers = folds[0], {}
    entries = {name: Entry(make, X[train_rows], X[test_rows]) for name, make in makers.items()}
    fits, predictions, _ = race(entries, y[train_rows], ROUNDS)
    for name, make in makers.items():
        answers[name] = [np.empty_like(y)]
        for rows, held_out in folds:
            answers[name][0][held_out] = make(0).fit(X[rows], y[rows]).predict(X[held_out])
    times = {"fit": timing.summary(fits, OURS), "predict": timing.summary(predictions, OURS)}
    return times | {"accuracy": accuracies(answers, y), "n": len(train_rows)}


def targets(record: dict) -> dict:
    """What was aimed at beside what was measured."""
    task, same, runs = record["lifted"], record["same"], record["streamed"]["runs"]
    large, few = record["growth"]["at_large"], record["digits"][str(DIGITS_COLUMNS[1])]
    first = runs["from the file"]
    peer = "LinearSVC, the same features"
    rows = {
        f"fit, times {PEER}": (">= 20", task["fit"][PEER]["times_ours"]),
        f"fit, times {RIVAL}": (">= 1", task["fit"][RIVAL]["times_ours"]),
        f"predict, times {PEER}": (">= 8", task["predict"][PEER]["times_ours"]),
        "accuracy over RBFSampler, same solver": (
            ">= 0", task["draws"][OURS]["accuracy"] - task["draws"]["RBFSampler"]["accuracy"],
        ),
        "same features, float64, times LinearSVC": (">= 12", same["time"]["float64"]["LinearSVC"]["times_ours"]),
        "same features, float32, times LinearSVC": (">= 25", same["time"]["float32"]["LinearSVC"]["times_ours"]),
        "MiB at 100,000": ("<= 95", large[OURS]["mebibytes"]),
        f"times {PEER} at 100,000": (">= 10", large[PEER]["seconds"] / large[OURS]["seconds"]),
        "MiB, streamed": ("<= 143", first["mebibytes"]),
        "weights of different bits": ("0", len({run["weights"] for run in runs.values()}) - 1),
        "D > n, times LinearSVC": (">= 1", few["fit"][peer]["times_ours"]),
    }  # fmt: skip
    return {name: {"target": aim, "measured": float(f"{found:.3g}")} for name, (aim, found) in rows.items()}


CHILDREN: dict[str, Callable[..., dict]] = {"train": train, "stream": stream}


def main(output_path: str) -> None:
    """Measure and write the results."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    record = {"lifted": fit_and_predict(), "same": same_features(), "growth": growing()}
    record |= {"streamed": streaming(), "digits": {str(columns): digits_with(columns) for columns in DIGITS_COLUMNS}}
    record["targets"] = targets(record)
    for name, row in record["targets"].items():
        print(f"{name}: {row['measured']}, target {row['target']}")
    setting = {"n": N, "test": TEST, "dim": DIM, "noise": NOISE, "columns": COLUMNS, "gamma": GAMMA, "C": C}
    setting |= {
        "rounds": ROUNDS,
        "draws": DRAWS,
        "large": LARGE,
        "unit": "seconds of process time; times_ours: paired ratio",
    }
    timing.write(output_path, ["numpy", "scipy", "scikit-learn"], setting=setting, **record)


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        print(json.dumps(CHILDREN[sys.argv[2]](*sys.argv[3:])))
    else:
        main(sys.argv[1])
