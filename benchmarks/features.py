"""Random Fourier features, ours beside scikit-learn's, GPyTorch's and plain torch: time at equal D, error at equal D.

Usage: python benchmarks/features.py benchmarks/results/features.json
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import timing

timing.one_thread(keep_memory=True)

import gpytorch  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.kernel_approximation import RBFSampler  # noqa: E402

sys.path.append(str(Path(__file__).parents[1]))

from companion.features import fourier  # noqa: E402
from companion.frequencies import draw  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from course import INSTRUCTIONS  # noqa: E402

N, DIM, COLUMNS, LENGTHSCALE, ROUNDS = 20_000, 64, 4096, 8.0, 9
DTYPES = ("float32", "float64")


def gpytorch_map(X: torch.Tensor) -> object:
    """GPyTorch's features: cosines and sines side by side, normalised."""
    kernel = gpytorch.kernels.RFFKernel(num_samples=COLUMNS // 2, num_dims=DIM).to(X.dtype)
    kernel.lengthscale = LENGTHSCALE

    def call() -> torch.Tensor:
        with torch.no_grad():
            return kernel._featurize(X, normalize=True)

    return call


def naive_torch(X: torch.Tensor) -> object:
    """What one writes at first: one cosine with an offset."""
    W, offset = (
        torch.randn(DIM, COLUMNS, dtype=X.dtype) / LENGTHSCALE,
        2 * torch.pi * torch.rand(COLUMNS, dtype=X.dtype),
    )
    return lambda: torch.cos(X @ W + offset) * (2 / COLUMNS) ** 0.5


def limit(X: np.ndarray) -> dict:
    """The physical limit of pairs: the product, a cosine and a sine of each angle in the cache, writing all once.

    For float64 the cosine and sine are torch's, since NumPy's are not vectorised.
    """
    half = COLUMNS // 2
    W, rows = np.random.default_rng(0).standard_normal((DIM, half)).astype(X.dtype), 128
    angles, features = X[:rows] @ W, np.zeros((N, COLUMNS), X.dtype)
    out, parts = np.empty_like(angles), [X[i : i + rows] for i in range(0, N, rows)]
    cos, sin, t, o = (np.cos, np.sin, angles, out)
    if X.dtype == np.float64:
        cos, sin, t, o = (torch.cos, torch.sin, torch.from_numpy(angles), torch.from_numpy(out))
    return {
        "product": lambda: [np.matmul(part, W, out=out[: len(part)]) for part in parts],
        "cosines and sines": lambda: [f(t, out=o) for _ in parts for f in (cos, sin)],
        "writing once": lambda: features.fill(1),
    }


def maps(dtype: str) -> dict:
    """Times of the map of N points to COLUMNS features."""
    X = np.random.default_rng(0).standard_normal((N, DIM)).astype(dtype)
    T, W = torch.from_numpy(X), draw(Gaussian(LENGTHSCALE), COLUMNS // 2, DIM, rng=0)
    gamma = 1 / (2 * LENGTHSCALE**2)
    double = X.astype(np.float64)
    peers = {
        name: RBFSampler(gamma=gamma, n_components=COLUMNS, random_state=0).fit(data)
        for name, data in (("single", X), ("double", double))
    }
    competitors = {
        "companion": lambda: fourier(X, W),
        "companion, torch tensor": lambda: fourier(T, W),
        f"RBFSampler, {dtype}": lambda: peers["single"].transform(X),
        "GPyTorch": gpytorch_map(T),
        "torch, by hand": naive_torch(T),
    }
    if dtype == "float32":
        competitors["RBFSampler, float64"] = lambda: peers["double"].transform(double)
    return timing.summary(timing.interleaved(competitors | limit(X), ROUNDS), "companion")


def maps_without_avx512() -> dict:
    """``maps`` on a processor whose widest vectors have 256 bits, as NumPy, OpenBLAS and torch are told."""
    command = [sys.executable, __file__, "--maps"]
    output = subprocess.run(command, env=os.environ | INSTRUCTIONS["avx2"], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(output.splitlines()[-1])


def structured() -> dict:
    """Times of the projections XWᵀ, and of the whole map, over those of a dense matrix, in float32, by dimension."""
    table: dict = {"projection": {}, "map": {}}
    for dim in (64, 256, 1024, 4096):
        X = np.random.default_rng(0).standard_normal((4000, dim)).astype(np.float32)
        kernel, m = Gaussian(dim**0.5), max(2048, dim)
        W = {scheme: draw(kernel, m, dim, scheme=scheme, rng=0) for scheme in ("iid", "sorf", "fastfood")}
        projections = {scheme: lambda X=X, w=w: w.project(X) for scheme, w in W.items()}
        table["projection"][str(dim)] = timing.summary(timing.interleaved(projections, ROUNDS), "iid")
        if dim <= 1024:
            calls = {scheme: lambda X=X, w=w: fourier(X, w) for scheme, w in W.items()}
            table["map"][str(dim)] = timing.summary(timing.interleaved(calls, ROUNDS), "iid")
    return table


def errors() -> dict:
    """Relative error of the estimated kernel matrix, medians over draws: orthogonal pairs and RBFSampler at equal D."""
    table: dict = {}
    for dim in (2, 16, 64):
        X = np.random.default_rng(dim).standard_normal((1000, dim))
        kernel = Gaussian(dim**0.5)
        K = kernel(X)
        for columns, repeats in ((64, 20), (256, 20), (1024, 10), (4096, 5)):

            def error(phi: np.ndarray, K: np.ndarray = K) -> float:
                return float(np.linalg.norm(phi @ phi.T - K) / np.linalg.norm(K))

            ours = [error(fourier(X, draw(kernel, columns // 2, dim, rng=seed))) for seed in range(repeats)]
            peer = [
                error(RBFSampler(gamma=1 / (2 * dim), n_components=columns, random_state=seed).fit_transform(X))
                for seed in range(repeats)
            ]
            row = {"companion": timing.median(ours), "RBFSampler": timing.median(peer)}
            row["ratio"] = float(f"{row['companion'] / row['RBFSampler']:.3g}")
            table.setdefault(str(dim), {})[str(columns)] = row
    return table


def main(output_path: str) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    timing.write(
        output_path,
        ["numpy", "scipy", "scikit-learn", "torch", "gpytorch"],
        setting={
            "n": N, "dim": DIM, "columns": COLUMNS, "rounds": ROUNDS,
            "unit": "seconds of process time; times_ours: paired ratio",
            "structured": "n = 4000, 2048 frequencies or d if more, float32; times_ours: over a dense matrix",
        },
        maps={dtype: maps(dtype) for dtype in DTYPES},
        maps_without_avx512=maps_without_avx512(),
        structured=structured(),
        errors=errors(),
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "--maps":
        torch.set_num_threads(1)
        print(json.dumps({dtype: maps(dtype) for dtype in DTYPES}))
    else:
        main(sys.argv[1])
