"""Low rank beside its peers, in process time: singular values, columns and rows, landmarks, sampled products.

Errors are relative to the best that is possible at the same rank: by the singular values in the Frobenius and the
spectral norm, for landmarks by the eigenvalues in the trace.

Usage: python benchmarks/lowrank.py benchmarks/results/lowrank.json
"""

import sys
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import timing

timing.one_thread(keep_memory=True)

import fbpca  # noqa: E402
import numpy as np  # noqa: E402
import primal  # noqa: E402
import torch  # noqa: E402
from scipy.linalg import interpolative as scipy_interpolative  # noqa: E402
from scipy.sparse.linalg import svds  # noqa: E402
from sklearn.kernel_approximation import Nystroem  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.svm import SVC, LinearSVC  # noqa: E402
from sklearn.utils.extmath import randomized_svd as sklearn_svd  # noqa: E402

from companion.datasets import factors, moons  # noqa: E402
from companion.estimators import LandmarkFeatures, PrimalSVC  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from companion.lowrank import (  # noqa: E402
    column_row,
    column_row_error,
    cur,
    interpolative,
    nystroem,
    randomized_svd,
    rp_cholesky,
)

OURS, EXACT, DOUBLE = "companion", "SVC", "scikit-learn, n_iter=2, float64"
SIZE, RANK, OVER, PASSES, POWERS = 2000, 50, 10, 6, 2
POINTS, LANDMARKS, SEEDS, CUR_SEEDS = 2000, 100, 10, 100
MAP_COLUMNS = 500
PIVOTED, PIVOTED_RANK, BLOCK = 20_000, 300, 20
PRODUCTS, SHARES, SKEW, DRAWS = (1024, 2048), (4, 10), 1.5, 20
ROUNDS, FEW = 5, 3
DTYPES = ("float64", "float32")
SPECTRA: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "1/i": lambda i: 1 / i,
    "1/√i": lambda i: i**-0.5,
    "10^(-i/50)": lambda i: 10 ** (-i / 50),
}


def digits(value: Any, count: int = 4) -> float:
    """A number to so many significant digits."""
    return float(f"{float(value):.{count}g}")


# singular values


def orthogonal(seed: int) -> np.ndarray:
    """A random orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((SIZE, SIZE)))[0]


def sklearn_terms(A: np.ndarray, seed: int, n_iter: Any = "auto") -> tuple:
    """scikit-learn's, with power steps as asked or its own number of them."""
    return sklearn_svd(A, RANK, n_oversamples=OVER, n_iter=n_iter, random_state=seed)


def torch_terms(A: np.ndarray, seed: int) -> tuple:
    """torch's, whose rank is that of the sketch; the first terms are kept. Its draws cannot be given a seed."""
    U, s, V = torch.svd_lowrank(torch.from_numpy(A), q=RANK + OVER, niter=POWERS)
    return U[:, :RANK].numpy(), s[:RANK].numpy(), V[:, :RANK].numpy().T


def fbpca_terms(A: np.ndarray, seed: int) -> tuple:
    """Facebook's, which draws from NumPy's global generator: no seed."""
    return fbpca.pca(A, RANK, raw=True, n_iter=POWERS, l=RANK + OVER)


def arpack_terms(A: np.ndarray, seed: int) -> tuple:
    """The Lanczos iteration of ARPACK, to convergence."""
    return svds(A, RANK, rng=seed)


SOLVERS: dict[str, Callable[[np.ndarray, int], tuple]] = {
    OURS: lambda A, seed: randomized_svd(A, RANK, n_iter=POWERS, rng=seed),
    f"{OURS}, Krylov": lambda A, seed: randomized_svd(A, RANK, n_iter=POWERS, method="krylov", rng=seed),
    "scikit-learn, n_iter=2": lambda A, seed: sklearn_terms(A, seed, POWERS),
    "scikit-learn, default": sklearn_terms,
    "torch, svd_lowrank": torch_terms,
    "fbpca": fbpca_terms,
}


def passes(A: np.ndarray) -> Callable[[], object]:
    """What any method with as many passes must do: the products with the matrix and its transpose."""
    thin = np.random.default_rng(0).standard_normal((RANK + OVER, SIZE)).astype(A.dtype)
    return lambda: [thin @ (A if i % 2 else A.T) for i in range(PASSES)]


def over_best(A: np.ndarray, s: np.ndarray, terms: tuple) -> tuple[float, float]:
    """The error over that of the best matrix of this rank, in the Frobenius and the spectral norm."""
    U, values, Vh = (np.asarray(part, np.float64) for part in terms)
    E = A - (U * values) @ Vh
    v = np.random.default_rng(0).standard_normal(SIZE)
    for _ in range(20):
        v = E.T @ (E @ (v / np.linalg.norm(v)))
    return np.linalg.norm(E) / np.sqrt(np.sum(s[RANK:] ** 2)), np.sqrt(np.linalg.norm(v)) / s[RANK]


def singular_values() -> dict:
    """Times on one matrix, errors on three spectra as means over seeds, in both precisions; ARPACK once."""
    U, V, i = orthogonal(0), orthogonal(1), np.arange(1.0, SIZE + 1)
    found: dict[str, Any] = {"time": {}, "error": {}}
    for spectrum, values in SPECTRA.items():
        s = values(i)
        A = (U * s) @ V.T
        for dtype in DTYPES:
            data = A.astype(dtype)
            if spectrum == "1/i":
                calls = {name: lambda f=f, data=data: f(data, 0) for name, f in SOLVERS.items()}
                if dtype == "float32":
                    calls[DOUBLE] = lambda A=A: sklearn_terms(A, 0, POWERS)
                seconds = timing.interleaved(calls | {"product": passes(data)}, ROUNDS)
                once = timing.interleaved({OURS: calls[OURS], "ARPACK": lambda data=data: arpack_terms(data, 0)}, 1)
                found["time"][dtype] = timing.summary(seconds, OURS) | {"ARPACK": primal.without_spread(once)["ARPACK"]}
            runs = {name: [over_best(A, s, f(data, k)) for k in range(1, 1 + FEW)] for name, f in SOLVERS.items()}
            runs["ARPACK"] = [over_best(A, s, arpack_terms(data, 1))]
            rows = {name: np.mean(pairs, axis=0) for name, pairs in runs.items()}
            found["error"].setdefault(spectrum, {})[dtype] = {
                name: {"frobenius": digits(f, 6), "spectral": digits(two, 3)} for name, (f, two) in rows.items()
            }
    return found


# columns and rows


def kernel_matrices(n: int) -> dict[str, np.ndarray]:
    """A smooth kernel on the plane, and one in five dimensions."""
    X = np.random.default_rng(0).standard_normal((n, 5))
    return {"moons": Gaussian(0.5**0.5)(moons(n, rng=0)[0]), "five dimensions": Gaussian(1.6)(X)}


def least(K: np.ndarray, rank: int) -> float:
    """The Frobenius error of the best matrix of this rank."""
    return float(np.linalg.norm(np.linalg.svd(K, compute_uv=False)[rank:]))


def scipy_columns(K: np.ndarray, seed: int) -> np.ndarray:
    """SciPy's interpolative decomposition as a matrix."""
    index, coefficients = scipy_interpolative.interp_decomp(K, LANDMARKS, rand=True, rng=np.random.default_rng(seed))
    skeleton = scipy_interpolative.reconstruct_skel_matrix(K, LANDMARKS, index)
    return scipy_interpolative.reconstruct_matrix_from_id(skeleton, index, coefficients)


def real_columns() -> dict:
    """Interpolative decompositions of two kernel matrices: time, and error over the best."""
    found = {}
    for name, K in kernel_matrices(POINTS).items():
        best = least(K, LANDMARKS)
        calls: dict[str, Callable[[], object]] = {
            OURS: lambda K=K: interpolative(K, LANDMARKS, rng=0),
            f"{OURS}, not refitted": lambda K=K: interpolative(K, LANDMARKS, refit=False, rng=0),
            "SciPy, rand": lambda K=K: scipy_interpolative.interp_decomp(K, LANDMARKS, rand=True),
        }
        made = {
            OURS: interpolative(K, LANDMARKS, rng=1).product(K),
            f"{OURS}, not refitted": interpolative(K, LANDMARKS, refit=False, rng=1).product(K),
            "SciPy, rand": scipy_columns(K, 1),
        }
        errors = {key: digits(np.linalg.norm(K - product) / best) for key, product in made.items()}
        found[name] = {"time": timing.summary(timing.interleaved(calls, FEW), OURS), "error": errors}
    return found


def through_inverses(K: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The core that textbooks write, C⁺KR⁺, multiplied out."""
    C, R = K[:, columns], K[rows]
    core = np.linalg.pinv(C, rcond=1e-12) @ K @ np.linalg.pinv(R, rcond=1e-12)
    return (C @ core) @ R


def columns_and_rows() -> dict:
    """CUR over many seeds: middle and largest error over the best, beside the same columns with a plain core."""
    found, smooth = {}, {"smooth moons": Gaussian(1.5)(moons(1000, rng=0)[0])}
    for name, K in (kernel_matrices(1000) | smooth).items():
        best, ours, plain = least(K, RANK), [], []
        for seed in range(CUR_SEEDS):
            made = cur(K, RANK, rng=seed)
            ours.append(np.linalg.norm(K - made.product()) / best)
            plain.append(np.linalg.norm(K - through_inverses(K, made.columns, made.rows)) / best)
        found[name] = {
            key: {"median": digits(median(values)), "largest": digits(max(values))}
            for key, values in ((OURS, ours), ("C⁺KR⁺ by pinv", plain))
        }
    return found


# landmarks


def imbalanced(n: int, seed: int) -> np.ndarray:
    """Points of which 95 of 100 lie in one narrow cluster, the others in twenty wider ones."""
    generator = np.random.default_rng(seed)
    rare = n // 20
    centres = 5 * generator.standard_normal((20, 2))
    tight = 0.05 * generator.standard_normal((n - rare, 2))
    return np.concatenate([tight, centres[np.arange(rare) % 20] + 0.5 * generator.standard_normal((rare, 2))])


def trace_error(Z: np.ndarray, best: float) -> float:
    """tr(K - ZZᵀ) over the least, for a kernel with k(x, x) = 1."""
    return float((len(Z) - np.sum(np.asarray(Z, np.float64) ** 2)) / best)


def from_landmarks() -> dict:
    """LandmarkFeatures beside Nystroem: trace error over the best, medians over seeds, and times."""
    kernel, gamma, found = Gaussian(0.5**0.5), 1.0, {}
    for name, X in {"moons": moons(POINTS, rng=0)[0], "imbalanced clusters": imbalanced(POINTS, 0)}.items():
        best = float(np.sum(np.linalg.eigvalsh(kernel(X))[:-LANDMARKS]))

        def makers(seed: int) -> dict[str, Any]:
            choices = {OURS: "rp_cholesky", f"{OURS}, uniform": "uniform"}
            ours = {
                name: LandmarkFeatures(kernel, LANDMARKS, landmarks=choice, random_state=seed)
                for name, choice in choices.items()
            }
            return ours | {"scikit-learn": Nystroem(gamma=gamma, n_components=LANDMARKS, random_state=seed)}

        errors = {key: [trace_error(makers(s)[key].fit_transform(X), best) for s in range(SEEDS)] for key in makers(0)}
        fits = {key: lambda key=key, X=X: makers(0)[key].fit(X) for key in makers(0)}
        both = {key: lambda key=key, X=X: makers(0)[key].fit_transform(X) for key in makers(0)}
        found[name] = {
            "fit": timing.summary(timing.interleaved(fits, 3 * FEW), OURS),
            "fit and transform": timing.summary(timing.interleaved(both, 3 * FEW), OURS),
            "error": {key: digits(median(values)) for key, values in errors.items()},
        }
    return found


def in_single_precision() -> dict:
    """The relative error of K, Frobenius, from features that were computed in float32 and in float64."""
    X, found = moons(POINTS, rng=0)[0], {}
    K = Gaussian(0.5**0.5)(X)
    peers = {
        OURS: lambda: LandmarkFeatures(Gaussian(0.5**0.5), MAP_COLUMNS, random_state=0),
        "scikit-learn": lambda: Nystroem(gamma=1.0, n_components=MAP_COLUMNS, random_state=0),
    }
    for dtype in DTYPES:
        data, found[dtype] = X.astype(dtype), {}
        for name, make in peers.items():
            Z = make().fit(data).transform(data).astype(np.float64)
            found[dtype][name] = digits(np.linalg.norm(Z @ Z.T - K) / np.linalg.norm(K), 2)
    return found


def least_work(X: np.ndarray) -> dict[str, Callable[[], object]]:
    """What any pivoted Cholesky factorisation must do: similarities to the landmarks, and subtracting old columns."""
    S, F = X[:PIVOTED_RANK], np.zeros((len(X), PIVOTED_RANK), X.dtype)
    G, E = np.empty((len(X), BLOCK), X.dtype), np.full((len(X), PIVOTED_RANK), -1.0, X.dtype)
    C, starts = np.ones((PIVOTED_RANK, BLOCK), X.dtype), range(0, PIVOTED_RANK, BLOCK)
    return {
        "product": lambda: (X @ S.T, [np.matmul(F[:, :j], C[:j], out=G) for j in starts]),
        "exponentials": lambda: np.exp(E, out=F),
    }


def pivoted() -> dict:
    """Randomly pivoted Cholesky of many points by each method; scikit-learn's landmarks are drawn all alike."""
    X = primal.lifted(PIVOTED, 0)[0]
    single, kernel = X.astype(np.float32), Gaussian(primal.LENGTHSCALE)
    made: dict[str, Any] = {}

    def ours(name: str, data: np.ndarray, method: str) -> None:
        made[name] = rp_cholesky(kernel, data, PIVOTED_RANK, method=method, rng=0).residual_trace

    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: ours(OURS, single, "block"),
        f"{OURS}, float64": lambda: ours(f"{OURS}, float64", X, "block"),
        f"{OURS}, accelerated": lambda: ours(f"{OURS}, accelerated", single, "accelerated"),
        f"{OURS}, simple": lambda: ours(f"{OURS}, simple", single, "simple"),
        f"{OURS}, simple, float64": lambda: ours(f"{OURS}, simple, float64", X, "simple"),
        "Nystroem, fit and transform, float32": lambda: Nystroem(
            gamma=primal.GAMMA, n_components=PIVOTED_RANK, random_state=0
        ).fit_transform(single),
    }
    table = timing.summary(timing.interleaved(calls | least_work(single), FEW), OURS)
    uniform = np.random.default_rng(0).choice(PIVOTED, PIVOTED_RANK, replace=False)
    made[f"{OURS}, uniform landmarks"] = nystroem(kernel, single, uniform).residual_trace
    return {"time": table, "rest": {name: digits(rest / PIVOTED) for name, rest in made.items()}}


def machines() -> dict:
    """The support vector machine on features from 100 landmarks, and SVC once, whose answers are the standard."""
    (X, y), (X_test, truth) = primal.lifted(primal.N, 0), primal.lifted(primal.TEST, 1)
    single = X.astype(np.float32), X_test.astype(np.float32)

    def ours(seed: int) -> Any:
        features = LandmarkFeatures(Gaussian(primal.LENGTHSCALE), LANDMARKS, random_state=seed)
        return PrimalSVC(C=primal.C, features=features)

    def peer(seed: int) -> Any:
        features = Nystroem(gamma=primal.GAMMA, n_components=LANDMARKS, random_state=seed)
        return make_pipeline(features, LinearSVC(C=primal.C))

    entries = {
        OURS: primal.Entry(ours, *single),
        f"{OURS}, float64": primal.Entry(ours, X, X_test),
        "Nystroem + LinearSVC": primal.Entry(peer, X, X_test),
        "Nystroem + LinearSVC, float32": primal.Entry(peer, *single),
    }
    fits, predictions, answers = primal.race(entries, y, ROUNDS)
    exact = primal.Entry(lambda seed: SVC(C=primal.C, gamma=primal.GAMMA, cache_size=1000), X, X_test)
    once = primal.race({OURS: entries[OURS], EXACT: exact}, y, 1)
    tables = [
        timing.summary(seconds, OURS) | {EXACT: primal.without_spread(slow)[EXACT]}
        for seconds, slow in zip((fits, predictions), once[:2], strict=True)
    ]
    answers[EXACT] = once[2][EXACT]
    return {"fit": tables[0], "predict": tables[1], "accuracy": primal.accuracies(answers, truth)}


# products


def product_times(n: int, share: int) -> dict:
    """A sample of the terms beside the product itself, in float32, the left factor stored as its transpose."""
    A, B = (part.astype(np.float32) for part in factors(n, size=n, skew=SKEW, rng=0))
    A, r = np.ascontiguousarray(A.T).T, n // share
    left, right = np.ascontiguousarray(A.T[:r]).T, B[:r].copy()
    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: column_row(A, B, r, rng=0),
        f"{OURS}, Bernoulli": lambda: column_row(A, B, r, probabilities="bernoulli", rng=0),
        f"{OURS}, largest": lambda: column_row(A, B, r, probabilities="top"),
        "exact product": lambda: A @ B,
        "product": lambda: left @ right,
    }
    return timing.summary(timing.interleaved(calls, 3 * FEW), OURS)


def products() -> dict:
    """Times by size and share of the terms, and the relative error, predicted and measured, at the smaller size."""
    n = PRODUCTS[0]
    times = {str(n): {f"n/{share}": product_times(n, share) for share in SHARES} for n in PRODUCTS}
    A, B = factors(n, size=n // 4, skew=SKEW, rng=0)
    exact, errors = A @ B, {}
    size = np.linalg.norm(exact)
    for share in SHARES:
        rows = {}
        for scheme in ("uniform", "optimal", "bernoulli", "top"):
            made = [
                column_row(A, B, n // share, probabilities=scheme, rng=seed).product
                for seed in range(1 if scheme == "top" else DRAWS)
            ]
            squares = [np.linalg.norm(exact - product) ** 2 for product in made]
            predicted = column_row_error(A, B, n // share, probabilities=scheme)
            rows[scheme] = {"predicted": digits(predicted**0.5 / size, 3)}
            rows[scheme]["measured"] = digits(np.mean(squares) ** 0.5 / size, 3)
        errors[f"n/{share}"] = rows
    return {"time": times, "error": errors}


# all


def targets(record: dict) -> dict:
    """What was aimed at beside what was measured."""
    time, error = record["svd"]["time"], record["svd"]["error"]
    single, double = time["float32"], time["float64"]
    krylov, columns, points = f"{OURS}, Krylov", record["interpolative"], record["landmarks"]
    worst = max(error[spectrum]["float32"][OURS]["frobenius"] for spectrum in SPECTRA)
    machine, product = record["machines"], record["products"]["time"]
    mine, theirs = (machine["accuracy"][name] for name in (OURS, "Nystroem + LinearSVC"))
    rows = {
        "SVD, float32, times scikit-learn n_iter=2 in float64": (">= 1.7", single[DOUBLE]["times_ours"]),
        "SVD, float32, Frobenius error over the best": ("<= 1.01", worst),
        "Krylov, error over the best at 1/i": ("<= 1.002", error["1/i"]["float64"][krylov]["frobenius"]),
        "Krylov, time over scikit-learn's default": (
            "<= 0.75", double[krylov]["seconds"] / double["scikit-learn, default"]["seconds"],
        ),
        **{f"ID, {name}, times SciPy": (">= 8", run["time"]["SciPy, rand"]["times_ours"])
           for name, run in columns.items()},
        **{f"ID, {name}, error over SciPy's": ("<= 1", run["error"][OURS] / run["error"]["SciPy, rand"])
           for name, run in columns.items()},
        "CUR, moons, largest of 100": ("<= 7", record["cur"]["moons"][OURS]["largest"]),
        "CUR, smooth moons, largest of 100": ("<= 7", record["cur"]["smooth moons"][OURS]["largest"]),
        "CUR, five dimensions, largest of 100": ("<= 7", record["cur"]["five dimensions"][OURS]["largest"]),
        **{f"landmarks, {name}, trace error over the best": ("<= 15", run["error"][OURS])
           for name, run in points.items()},
        **{f"landmarks, {name}, fit and transform over Nystroem's": (
               "<= 1.3", 1 / run["fit and transform"]["scikit-learn"]["times_ours"]
           ) for name, run in points.items()},
        "map of 500 columns, float32, error": ("<= 5e-06", record["map"]["float32"][OURS]),
        "pivots, simple in float64 over blocks in float32": (
            ">= 10", record["pivoted"]["time"][f"{OURS}, simple, float64"]["times_ours"],
        ),
        "SVM, fit, times Nystroem + LinearSVC": (">= 15", machine["fit"]["Nystroem + LinearSVC"]["times_ours"]),
        "SVM, fit, times SVC": (">= 150", machine["fit"][EXACT]["times_ours"]),
        "SVM, predict, times Nystroem + LinearSVC": (">= 1", machine["predict"]["Nystroem + LinearSVC"]["times_ours"]),
        "SVM, accuracy over Nystroem + LinearSVC": (">= 0", mine["accuracy"] - theirs["accuracy"]),
        **{f"product, n = {n}, r = n/4, exact over sampled": (
               ">= 2", product[str(n)]["n/4"]["exact product"]["times_ours"]
           ) for n in PRODUCTS},
    }  # fmt: skip
    return {name: {"target": aim, "measured": digits(found, 3)} for name, (aim, found) in rows.items()}


def main(output_path: str) -> None:
    """Measure and write the results."""
    warnings.simplefilter("ignore")
    record: dict[str, Any] = {"svd": singular_values(), "interpolative": real_columns(), "cur": columns_and_rows()}
    record |= {"landmarks": from_landmarks(), "map": in_single_precision(), "pivoted": pivoted()}
    record |= {"machines": machines(), "products": products()}
    record["targets"] = targets(record)
    for name, row in record["targets"].items():
        print(f"{name}: {row['measured']}, target {row['target']}")
    setting = {"size": SIZE, "rank": RANK, "oversamples": OVER, "n_iter": POWERS, "points": POINTS}
    setting |= {"landmarks": LANDMARKS, "map_columns": MAP_COLUMNS, "cur_seeds": CUR_SEEDS, "seeds": SEEDS}
    setting |= {"pivoted": PIVOTED, "pivoted_rank": PIVOTED_RANK, "dim": primal.DIM, "n": primal.N}
    setting |= {"test": primal.TEST, "C": primal.C, "rounds": ROUNDS, "skew": SKEW}
    setting["unit"] = "seconds of process time; times_ours: paired ratio"
    timing.write(output_path, ["numpy", "scipy", "scikit-learn", "torch", "fbpca"], setting=setting, **record)


if __name__ == "__main__":
    main(sys.argv[1])
