"""How the training of a support vector machine grows with n: time, memory, support vectors; ours beside libsvm.

Each training runs in a fresh process, so that its peak of memory is its own, and the competitors take turns. An
exponent is the slope of a line through the logarithms, with its standard error.

Usage: python benchmarks/growth.py benchmarks/results/growth.json
"""

import json
import subprocess
import sys
import time

import timing

timing.one_thread()

import numpy as np  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

from companion.datasets import moons  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from companion.svm import solve_dual  # noqa: E402

SIZES, NOISE, LENGTHSCALE, C, ROUNDS = [1250, 2500, 5000, 10000, 20000], 0.3, 1.0, 10.0, 3
FITS = {
    "companion": lambda X, y: np.count_nonzero(solve_dual(Gaussian(LENGTHSCALE)(X), y, C=C).alpha),
    "scikit-learn": lambda X, y: libsvm(X, y, cache_size=200),
    "scikit-learn, large cache": lambda X, y: libsvm(X, y, cache_size=4000),
}


def libsvm(X: np.ndarray, y: np.ndarray, cache_size: int) -> int:
    """Support vectors of scikit-learn's machine; the cache, in MiB, holds rows of K in float32. 200 is the default."""
    return SVC(C=C, gamma=1 / (2 * LENGTHSCALE**2), cache_size=cache_size).fit(X, y).n_support_.sum()


def train(name: str, n: int) -> dict[str, float]:
    """One training in this process, after a small one to warm up."""
    FITS[name](*moons(200, noise=NOISE, rng=1))
    X, y = moons(n, noise=NOISE, rng=0)
    before, start = timing.fresh_peak(), time.process_time()
    support_vectors = int(FITS[name](X, y))
    return {
        "seconds": time.process_time() - start,
        "mebibytes": (timing.peak() - before) / 1024,
        "support_vectors": support_vectors,
    }


def exponent(n: list[int], values: list[float]) -> tuple[float, float]:
    """The slope of log(values) over log(n), and its standard error."""
    (slope, _), covariance = np.polyfit(np.log(n), np.log(values), 1, cov=True)
    return round(float(slope), 2), round(float(covariance[0, 0] ** 0.5), 2)


def main(output_path: str) -> None:
    """Measure and write the results."""
    runs: dict[tuple[str, int], list[dict[str, float]]] = {(name, n): [] for n in SIZES for name in FITS}
    for _ in range(ROUNDS):
        for name, n in runs:
            command = [sys.executable, __file__, "--one", name, str(n)]
            runs[name, n].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            print(name, n, runs[name, n][-1], flush=True)
    fit = {}
    for name in FITS:
        columns: dict[str, list[float]] = {
            key: [timing.median([run[key] for run in runs[name, n]]) for n in SIZES]
            for key in ("seconds", "mebibytes", "support_vectors")
        }
        time_slope, memory_slope = (exponent(SIZES, columns[key]) for key in ("seconds", "mebibytes"))
        fit[name] = (
            {"n": SIZES}
            | columns
            | {
                "exponent": time_slope[0],
                "exponent_error": time_slope[1],
                "memory_exponent": memory_slope[0],
                "memory_exponent_error": memory_slope[1],
            }
        )
    timing.write(
        output_path,
        ["numpy", "scipy", "scikit-learn"],
        setting={"noise": NOISE, "lengthscale": LENGTHSCALE, "C": C, "rounds": ROUNDS}
        | {"unit": "medians; seconds of process time, MiB of peak memory above that of the data"},
        fit=fit,
    )


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        print(json.dumps(train(sys.argv[2], int(sys.argv[3]))))
    else:
        main(sys.argv[1])
