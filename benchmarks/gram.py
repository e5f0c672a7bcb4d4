"""Gram matrices of four kernels, ours beside scikit-learn's and plain torch, on one thread.

Usage: python benchmarks/gram.py benchmarks/results/gram.json
"""

import sys

import timing

timing.one_thread(keep_memory=True)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.gaussian_process import kernels as peers  # noqa: E402
from sklearn.kernel_ridge import KernelRidge  # noqa: E402
from sklearn.metrics.pairwise import laplacian_kernel, polynomial_kernel, rbf_kernel  # noqa: E402

from companion.kernels import Gaussian, Laplacian, Matern, Polynomial  # noqa: E402
from companion.svm import solve_ridge  # noqa: E402

N, DIM, LENGTHSCALE, ROUNDS = 4000, 64, 8.0, 15


def naive_torch(X: torch.Tensor) -> torch.Tensor:
    """What one writes at first: squared norms, a product, an exponential."""
    squares = (X * X).sum(dim=1)
    return torch.exp(-(squares[:, None] + squares[None, :] - 2 * X @ X.T) / (2 * LENGTHSCALE**2))


def cdist_torch(X: torch.Tensor) -> torch.Tensor:
    """What one writes next."""
    return torch.exp(-(torch.cdist(X, X) ** 2) / (2 * LENGTHSCALE**2))


def limit(X: np.ndarray) -> dict:
    """The physical limit: the product of one triangle, an exponential per pair, and writing a matrix once.

    All overwrite memory that is already there. What a new matrix costs beyond that, the system decides.
    """
    out = X @ X[::-1].T
    exponent = np.minimum(-out * out / DIM, 0)
    rows = X[: N // 2]
    half, values, matrix = np.empty((N // 2, N), X.dtype), exponent[: N // 2], np.zeros((N, N), X.dtype)
    return {
        "product of one triangle": lambda: np.matmul(rows, X.T, out=half),
        "exponential of one triangle": lambda: np.exp(values, out=half),
        "writing once": lambda: matrix.fill(1),
    }


def gram(dtype: str) -> dict:
    """Times of the Gram matrices, and the largest error of each Gaussian one."""
    X = np.random.default_rng(0).standard_normal((N, DIM)).astype(dtype)
    T, gamma = torch.from_numpy(X), 1 / (2 * LENGTHSCALE**2)
    gaussian = {
        "companion": lambda: Gaussian(LENGTHSCALE)(X),
        "companion, torch tensor": lambda: Gaussian(LENGTHSCALE)(T).numpy(),
        "scikit-learn": lambda: rbf_kernel(X, gamma=gamma),
        "torch, by hand": lambda: naive_torch(T).numpy(),
        "torch, cdist": lambda: cdist_torch(T).numpy(),
    }
    polynomial = {
        "companion": lambda: Polynomial(3)(X),
        "scikit-learn": lambda: polynomial_kernel(X, degree=3, gamma=1.0, coef0=1.0),
    }
    laplacian = {
        "companion": lambda: Laplacian(LENGTHSCALE)(X),
        "scikit-learn": lambda: laplacian_kernel(X, gamma=1 / LENGTHSCALE),
    }
    matern = {
        "companion": lambda: Matern(1.5, LENGTHSCALE)(X),
        "scikit-learn": lambda: peers.Matern(LENGTHSCALE, nu=1.5)(X),
    }
    exact = rbf_kernel(X.astype(np.float64), gamma=gamma)
    return {
        "gaussian": timing.summary(timing.interleaved(gaussian | limit(X), ROUNDS), "companion"),
        "polynomial": timing.summary(timing.interleaved(polynomial, ROUNDS), "companion"),
        "laplacian": timing.summary(timing.interleaved(laplacian, 5), "companion"),
        "matern": timing.summary(timing.interleaved(matern, 5), "companion"),
        "gaussian_error": {name: float(f"{np.abs(call() - exact).max():.2g}") for name, call in gaussian.items()},
    }


def ridge() -> dict:
    """Times of the ridge solver, which also certifies that K is positive semidefinite."""
    rng = np.random.default_rng(0)
    K, y = Gaussian(LENGTHSCALE)(rng.standard_normal((N, DIM))), rng.standard_normal(N)
    competitors = {
        "companion": lambda: solve_ridge(K, y, penalty=1e-2),
        "scikit-learn": lambda: KernelRidge(alpha=1e-2, kernel="precomputed").fit(K, y),
    }
    return timing.summary(timing.interleaved(competitors, 5), "companion")


def main(output_path: str) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    timing.write(
        output_path,
        ["numpy", "scipy", "scikit-learn", "torch"],
        setting={"n": N, "dim": DIM, "rounds": ROUNDS, "unit": "seconds of process time; times_ours: paired ratio"},
        gram={dtype: gram(dtype) for dtype in ("float32", "float64")},
        ridge={"float64": ridge()},
    )


if __name__ == "__main__":
    main(sys.argv[1])
