"""What the errors of the tutorial's program cost, one by one: accuracy, kernel error, duality gap, time.

``tutorial_program`` holds the program, and a name for each of its errors. Effects are those of several training sets
and draws, on 20,000 test points; the loops and the dense box, which change times only, are left out there, and how
little they change is recorded. Beside the program stand scikit-learn's SVC with the exact kernel, and the package.

Usage: python benchmarks/tutorial.py benchmarks/results/tutorial.json
"""

import sys
import time
from collections.abc import Callable

import timing

timing.one_thread()

import numpy as np  # noqa: E402
import tutorial_program as program  # noqa: E402
from growth import exponent  # noqa: E402
from sklearn.svm import SVC  # noqa: E402
from tutorial_program import AS_IT_IS, ERRORS  # noqa: E402

from companion import svm  # noqa: E402
from companion.datasets import moons  # noqa: E402
from companion.features import fourier  # noqa: E402
from companion.frequencies import draw  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402

N, N_TEST, NOISE, C, D = 1600, 20_000, 0.3, 10.0, 500
SEEDS, ROUNDS, SIZES = range(5), 3, (400, 800, 1600)
LEAST = 0.3  # seconds: who is quicker runs several times in its turn
MORE_SIZES = (400, 800, 1600, 3200)  # without n × n numbers
TEST_SEED, BATCH = 1_000_000, 400  # the tutorial tests on 400 points
SLOW = {"loops", "dense box"}  # same numbers, more time
THRESHOLDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
REPAIRED = {"matrix", "dense box"}  # nothing with n × n numbers is left
Data = tuple[np.ndarray, np.ndarray]
Numbers = dict[str, float]


def short(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def exact(X: np.ndarray, y: np.ndarray) -> SVC:
    """libsvm with the kernel that the features aim at."""
    return SVC(C=C, gamma=0.5).fit(X, y)


def ours(X: np.ndarray, y: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """The package: orthogonal pairs, then Newton's method on the squared hinge, in the precision of X."""
    W = draw(Gaussian(), D // 2, X.shape[1], rng=seed)
    solution = svm.solve_primal(fourier(X, W), y, C=C)
    return lambda Z: np.where(fourier(Z, W) @ solution.coef + solution.intercept > 0, 1.0, -1.0)


BASE = "companion"


def gap(machine: program.Machine, phi: np.ndarray, y: np.ndarray) -> float:
    """The objective of the machine's decision function less that of its dual coefficients, as a share of the first."""
    dual = (machine.alpha * y) @ phi
    slack = np.maximum(0, 1 - y * (phi @ machine.w + machine.b))
    primal = machine.w @ machine.w / 2 + C * slack.sum()
    return float((primal - machine.alpha.sum() + dual @ dual / 2) / primal)


def effect(errors: program.Errors, train: Data, test: Data, seed: int) -> Numbers:
    """What one run of the program has to show for itself."""
    errors = errors - SLOW
    machine = program.fit(*train, errors, seed, C, D)
    phi, K = program.features(train[0], machine.draw, errors), Gaussian()(train[0])
    return {
        "accuracy": float(np.mean(program.predict(machine, test[0], errors) == test[1])),
        "kernel_error": float(np.linalg.norm(phi @ phi.T - K) / np.linalg.norm(K)),
        "gap": gap(machine, phi, train[1]),
        "support_vectors": machine.n_support,
    }


def peers(train: Data, test: Data, seed: int) -> dict[str, Numbers]:
    """The accuracy of what is not the tutorial's."""
    machine, (Z, labels) = exact(*train), test
    found = {"scikit-learn, SVC": {"accuracy": machine.score(Z, labels), "support_vectors": len(machine.support_)}}
    found["companion"] = {"accuracy": float(np.mean(ours(*train, seed)(Z) == labels))}
    single = ours(train[0].astype(np.float32), train[1], seed)(Z.astype(np.float32))
    found["companion, float32"] = {"accuracy": float(np.mean(single == labels))}
    return found


def effects(variants: dict[str, program.Errors]) -> dict[str, dict[str, object]]:
    """Of each variant, the mean and the range over the training sets; the accuracies also as points gained over the
    first variant on the same sets."""
    test, runs = moons(N_TEST, noise=NOISE, rng=TEST_SEED), []
    (first, *_), sets = variants, [moons(N, noise=NOISE, rng=seed) for seed in SEEDS]
    for seed, train in zip(SEEDS, sets, strict=True):
        runs.append({name: effect(errors, train, test, seed) for name, errors in variants.items()})
        runs[-1] |= peers(train, test, seed)
        print(f"effects: set {seed + 1} of {len(SEEDS)}", flush=True)
    table: dict[str, dict[str, object]] = {}
    for name in runs[0]:
        table[name] = {key: spread([run[name][key] for run in runs]) for key in runs[0][name]}
        table[name]["points_gained"] = spread([100 * (r[name]["accuracy"] - r[first]["accuracy"]) for r in runs])
    return table


def repaired() -> dict[str, program.Errors]:
    """The program as it is, then with each error repaired alone, with both of the frequencies', and with all."""
    alone = {name: AS_IT_IS - {name} for name in ERRORS if name not in SLOW}
    return {"as it is": AS_IT_IS} | alone | {"density and chain": AS_IT_IS - {"density", "chain"}, "all": frozenset()}


def left_in() -> dict[str, program.Errors]:
    """The program without an error, then with each error alone."""
    return {"all repaired": frozenset()} | {name: frozenset({name}) for name in ERRORS if name not in SLOW}


def spread(values: list[float]) -> Numbers:
    """The mean, the smallest and the largest value."""
    return {"mean": short(np.mean(values)), "low": short(min(values)), "high": short(max(values))}


def differences() -> Numbers:
    """The largest change of a feature by the loops, and of a decision by the dense box."""
    X, y = moons(SIZES[0], noise=NOISE, rng=0)
    fits = [program.fit(X, y, AS_IT_IS - repaired, 0, C, D) for repaired in (set(), {"dense box"})]
    phi = program.at_once(X, *fits[0].draw)
    decisions = [phi @ machine.w + machine.b for machine in fits]
    return {
        "loops": float(f"{np.abs(phi - program.one_by_one(X, *fits[0].draw)).max():.1e}"),
        "dense box": float(f"{np.abs(decisions[0] - decisions[1]).max():.1e}"),
    }


def support_vectors() -> dict[str, object]:
    """How many coefficients of the interior-point solution lie above a threshold, and how many are not zero."""
    X, y = moons(N, noise=NOISE, rng=0)
    of = program.draw(2, D, AS_IT_IS, np.random.default_rng(0))
    phi = program.at_once(X, *of)
    alpha = program.solve(phi, y, C, AS_IT_IS - SLOW)
    true = svm.solve_dual(phi @ phi.T, y, C=C, tol=1e-9).alpha
    return {
        "above": {f"{t:g}": int(np.sum(alpha > t)) for t in THRESHOLDS},
        "zeros": int(np.sum(alpha == 0)),
        "exact": int(np.sum(true > 0)),
        "smallest_exact": short(true[true > 0].min()),
    }


def stages(n: int) -> dict[str, Numbers]:
    """Medians of seconds of the program as it is, by part; the test has as many points as the tutorial's."""
    X, y = moons(n, noise=NOISE, rng=0)
    Z, runs = moons(BATCH, noise=NOISE, rng=TEST_SEED)[0], []
    for _ in range(ROUNDS):
        marks = [time.process_time()]
        of = program.draw(2, D, AS_IT_IS, np.random.default_rng(0))
        marks.append(time.process_time())
        phi = program.features(X, of, AS_IT_IS)
        marks.append(time.process_time())
        alpha = program.solve(phi, y, C, AS_IT_IS)
        marks.append(time.process_time())
        machine = program.finish(phi, y, of, alpha, C, AS_IT_IS)
        marks.append(time.process_time())
        program.predict(machine, Z, AS_IT_IS)
        runs.append(np.diff([*marks, time.process_time()]))
    seconds = [timing.median([run[i] for run in runs]) for i in range(5)]
    names = ("chain", "map", "quadratic program", "weights and intercept", f"test of {BATCH}")
    fit = sum(seconds[:4])
    return {name: {"seconds": s, "share_of_fit": short(s / fit)} for name, s in zip(names, seconds, strict=True)}


def fits(n: int, repairs: dict[str, set[str]]) -> dict[str, Callable[[], object]]:
    """Trainings on n points: the program with some errors repaired, libsvm, the package."""

    def trained(errors: program.Errors) -> Callable[[], object]:
        return lambda: program.fit(X, y, errors, 0, C, D)

    X, y = moons(n, noise=NOISE, rng=0)
    found = {name: trained(AS_IT_IS - repaired) for name, repaired in repairs.items()}
    found["scikit-learn, SVC"] = lambda: exact(X, y)
    single = X.astype(np.float32)
    found["companion"] = lambda: ours(X, y, 0)
    found["companion, float32"] = lambda: ours(single, y, 0)
    return found


def fit_times() -> dict[str, dict]:
    """Shuffled rounds of trainings, with the errors repaired that cost time."""
    timed = ("loops", "matrix", "dense box", "interior point")
    repairs = {"as it is": set()} | {f"{name} repaired": {name} for name in timed}
    repairs |= {"matrix and dense box repaired": REPAIRED, "all repaired": set(ERRORS)}
    return timing.summary(timing.interleaved(fits(N, repairs), ROUNDS, least=LEAST), BASE)


def predict_times() -> dict[str, dict]:
    """Shuffled rounds of predictions for as many points as the tutorial's."""
    X, y = moons(N, noise=NOISE, rng=0)
    Z = moons(BATCH, noise=NOISE, rng=TEST_SEED)[0]
    machine, svc = program.fit(X, y, AS_IT_IS - SLOW, 0, C, D), exact(X, y)
    competitors: dict[str, Callable[[], object]] = {
        "as it is": lambda: program.predict(machine, Z, AS_IT_IS),
        "loops repaired": lambda: program.predict(machine, Z, AS_IT_IS - {"loops"}),
        "scikit-learn, SVC": lambda: svc.predict(Z),
    }
    single, mine, light = Z.astype(np.float32), ours(X, y, 0), ours(X.astype(np.float32), y, 0)
    competitors["companion"] = lambda: mine(Z)
    competitors["companion, float32"] = lambda: light(single)
    return timing.summary(timing.interleaved(competitors, 4 * ROUNDS, least=LEAST), BASE)


def growth(parts: dict[int, dict[str, Numbers]]) -> dict[str, dict]:
    """Median seconds of a training by n, and the slope in logarithms."""
    runs = {n: timing.interleaved(fits(n, {"matrix and dense box repaired": REPAIRED}), ROUNDS) for n in MORE_SIZES}
    seconds = {name: [timing.median(run[name]) for run in runs.values()] for name in runs[SIZES[0]]}
    whole = [short(sum(row["seconds"] for name, row in part.items() if "test" not in name)) for part in parts.values()]
    dual = [part["quadratic program"]["seconds"] for part in parts.values()]
    return {name: line(s) for name, s in ({"as it is": whole, "its quadratic program": dual} | seconds).items()}


def line(seconds: list[float]) -> dict[str, object]:
    """Times by n, and the slope in logarithms with its error."""
    n = list(MORE_SIZES[: len(seconds)])
    slope, error = exponent(n, seconds)
    return {"n": n, "seconds": seconds, "exponent": slope, "exponent_error": error}


def main(output_path: str) -> None:
    """Measure and write the results."""
    parts = {n: stages(n) for n in SIZES}
    timing.write(
        output_path,
        ["numpy", "scipy", "scikit-learn", "cvxopt"],
        setting={"n": N, "n_test": N_TEST, "noise": NOISE, "C": C, "D": D, "sets": len(SEEDS), "rounds": ROUNDS}
        | {"unit": "seconds of process time; times_ours: paired ratio to the base", "base": BASE},
        errors=ERRORS,
        repaired=effects(repaired()),
        left_in=effects(left_in()),
        differences=differences(),
        support_vectors=support_vectors(),
        stages=parts[N],
        fit=fit_times(),
        predict=predict_times(),
        growth=growth(parts),
    )


if __name__ == "__main__":
    main(sys.argv[1])
