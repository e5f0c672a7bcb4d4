"""The machine on features against its formula, LinearSVC, its own laws, every source of rows, and bad input."""

import sys
import tracemalloc
import warnings
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from companion import datasets
from companion.features import fourier
from companion.frequencies import draw
from companion.kernels import Gaussian
from companion.svm import ConvergenceWarning, block_sums, primal, primal_reference, reduce_by_index, solve_primal
from companion.svm.newton import TooCoarse, best_steps
from companion.svm.newton import solve as solve_by_cholesky
from companion.svm.sums import ROWS, STEPS, Sums

W = draw(Gaussian(0.5), 10, dim=2, rng=0)


def problem(n=600, precision="float64", seed=0):
    X, y = datasets.moons(n, rng=seed)
    order = np.random.default_rng(seed).permutation(n)
    return fourier(X[order], W).astype(precision), y[order]


def objective(phi, y, C, coef, intercept, weight=1.0):
    h = np.maximum(0, 1 - y * (phi.astype(float) @ coef + intercept))
    return (coef @ coef + intercept**2) / 2 + np.sum(C * weight * h**2)


# The solution


@pytest.mark.parametrize("C", [1e-3, 1.0, 100.0])
def test_equals_its_formula_and_linear_svc(C, dtype):
    phi, y = problem(precision=dtype)
    solution = solve_primal(phi, y, C=C)
    coef, intercept = primal_reference(phi.astype(float), y, C)
    theirs = LinearSVC(C=C, loss="squared_hinge", tol=1e-12, max_iter=10**6).fit(phi.astype(float), y)
    accuracy = {"float64": 1e-10, "float32": 2e-5}[dtype] * np.abs(coef).max()
    assert solution.converged and solution.coef.dtype == np.float64
    np.testing.assert_allclose(solution.coef, coef, atol=accuracy)
    np.testing.assert_allclose(solution.intercept, intercept, atol=accuracy)
    np.testing.assert_allclose(theirs.coef_[0], coef, atol=1e-4 * np.abs(coef).max())
    assert objective(phi, y, C, solution.coef, solution.intercept) <= objective(
        phi, y, C, theirs.coef_[0], theirs.intercept_[0]
    ) * (1 + 1e-12)
    np.testing.assert_allclose(solution.decision_function(phi), phi @ coef + intercept, atol=100 * accuracy)


@given(st.floats(1e-3, 1e3), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=20)
def test_the_gap_bounds_how_far_the_objective_is_from_its_least_value(C, passes, seed):
    phi, y = problem(100, seed=seed)
    least = objective(phi, y, C, *primal_reference(phi, y, C))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solution = solve_primal(phi, y, C=C, max_iter=passes, tol=1e-12)
    value = objective(phi, y, C, solution.coef, solution.intercept)
    assert 0 <= solution.gap <= 1 and value >= least * (1 - 1e-12)
    assert value - least <= solution.gap * value + 1e-12 * value


def test_the_gap_is_that_of_the_dual_written_out():
    """α = 2 c h; D = Σ α - Σ α²/4c - |Σ α y φ|²/2, at weights where nothing is optimal."""
    phi, y = problem(50)
    c, w = np.random.default_rng(1).uniform(0.5, 2.0, 50), np.random.default_rng(2).standard_normal((21, 1)) / 4
    at = primal.newton(lambda *of: block_sums([(phi, y[:, None], c)], *of[:3]), w, 1e-9, 1)
    full = np.column_stack([phi, np.ones(50)])
    h = np.maximum(0, 1 - y * (full @ w[:, 0]))
    P, alpha = w[:, 0] @ w[:, 0] / 2 + c @ h**2, 2 * c * h
    v = full.T @ (alpha * y)
    D = alpha.sum() - (alpha**2 / (4 * c)).sum() - v @ v / 2
    np.testing.assert_allclose(at.value[0], P, rtol=1e-13)
    np.testing.assert_allclose((at.gradient**2).sum() / 2, P - D, rtol=1e-12)
    assert at.gap[0] == min(1.0, (at.gradient**2).sum() / 2 / at.value[0]) and at.n_passes == 1


@pytest.mark.parametrize("form", ["features", "rows"])
def test_weights_are_repetitions_and_zero_drops_a_sample(form):
    phi, y = problem(200 if form == "features" else 15)
    weight = np.random.default_rng(1).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    ours, twin = solve_primal(phi, y, sample_weight=weight), solve_primal(phi[repeated], y[repeated])
    np.testing.assert_allclose(ours.coef, twin.coef, atol=1e-11)
    np.testing.assert_allclose(ours.intercept, twin.intercept, atol=1e-11)
    kept = weight > 0
    dropped = solve_primal(phi[kept], y[kept], sample_weight=weight[kept])
    np.testing.assert_allclose(ours.coef, dropped.coef, atol=1e-11)


@pytest.mark.parametrize("given", [{-1: 3.0}, {1: 0.2, -1: 2.0}, "balanced"], ids=str)
def test_weights_of_classes_are_those_of_linear_svc(given):
    phi, y = problem()
    phi, y = phi[(y < 0) | (np.arange(600) % 3 == 0)], y[(y < 0) | (np.arange(600) % 3 == 0)]
    theirs = LinearSVC(loss="squared_hinge", tol=1e-12, max_iter=10**6, class_weight=given).fit(phi, y)
    np.testing.assert_allclose(solve_primal(phi, y, class_weight=given).coef, theirs.coef_[0], atol=1e-4)


@pytest.mark.parametrize(("n", "C"), [(15, 1.0), (20, 1e4), (20, 1e-6)])
def test_where_features_outnumber_samples_both_forms_agree(n, C, dtype, monkeypatch):
    phi, y = problem(n, dtype)
    by_rows = solve_primal(phi, y, C=C)
    monkeypatch.setattr(primal, "prefers_rows", lambda *shape: False)
    by_features = solve_primal(phi, y, C=C)
    accuracy = {"float64": 1e-10, "float32": 1e-4}[dtype] * np.abs(by_features.coef).max()
    np.testing.assert_allclose(by_rows.coef, by_features.coef, atol=accuracy)
    np.testing.assert_allclose(by_rows.intercept, by_features.intercept, atol=accuracy)
    assert by_rows.converged and by_rows.gap <= 1e-6


def test_the_form_follows_the_shape():
    assert primal.prefers_rows(20, 1, 20) and not primal.prefers_rows(21, 1, 20)
    assert primal.prefers_rows(60, 3, 20) and not primal.prefers_rows(61, 3, 20)


@pytest.mark.parametrize("n", [40, 600])
def test_columns_are_machines_of_their_own(n):
    phi, y = problem(n)
    Y = np.stack(
        [y, np.where(phi[:, 0] > np.median(phi[:, 0]), 1, -1), np.where(phi[:, 3] > np.median(phi[:, 3]), 1, -1)],
        axis=1,
    )
    together = solve_primal(phi, Y, C=10.0)
    assert together.coef.shape == (20, 3) and together.converged
    assert together.gap.shape == together.n_iter.shape == together.intercept.shape == (3,)
    for j in range(3):
        alone = primal_reference(phi, Y[:, j], 10.0)
        np.testing.assert_allclose(together.coef[:, j], alone[0], atol=1e-9)
        np.testing.assert_allclose(together.intercept[j], alone[1], atol=1e-9)
    np.testing.assert_array_equal(together.decision_function(phi).shape, (n, 3))
    assert repr(together).startswith("PrimalSolution(coef=array of shape (20, 3), intercept=array of shape (3,)")
    assert len(repr(solve_primal(phi, y))) < 160


def test_a_long_source_starts_from_a_sample_and_ends_where_it_would_have(monkeypatch):
    X, y = datasets.moons(20_000, rng=0)  # sorted by label: a sample has to take rows from everywhere
    phi = fourier(X, W)
    passes = []
    monkeypatch.setattr(primal.Source, "passes", counted(primal.Source.passes, passes))
    ours = solve_primal(phi, y)
    assert {every for every, _ in passes} == {7, 1} and sum(every == 1 for every, _ in passes) == ours.n_iter
    monkeypatch.setattr(primal, "SAMPLE", 10**9)
    plain = solve_primal(phi, y)
    np.testing.assert_allclose(ours.coef, plain.coef, atol=1e-9)
    assert ours.n_iter < plain.n_iter


@pytest.mark.parametrize("size", [10, 600, 700])
def test_a_sample_is_every_so_manyeth_row_of_the_whole_and_stands_for_all(size):
    phi, y = problem(2000)
    c, w = np.random.default_rng(0).uniform(0.5, 2.0, 2000), np.random.default_rng(1).standard_normal((21, 1)) / 3
    expected = block_sums([(phi[::7], y[::7, None], 7 * c[::7])], None, w)
    for kind in sources(phi, size).values():
        sums = primal.Source(kind, y[:, None], c, size).variant(False, 7).passes(None, w)
        for name in ("gram", "pull", "losses"):
            np.testing.assert_allclose(getattr(sums, name), getattr(expected, name), rtol=1e-9, atol=1e-9)


def counted(method, calls):
    def passes(self, *arguments):
        calls.append((self.every, self.precise))
        return method(self, *arguments)

    return passes


def test_a_step_is_shortened_where_that_is_lower():
    values = np.array([[3.0, 1.0, 5.0, 1 + 1e-12], [2.0, 2.0, 4.0, 1.0], *np.full((4, 4), 9.0)])
    np.testing.assert_array_equal(best_steps(values, np.array([2.5, 2.5, 2.5, 2.5])), [0.5, 1.0, 1 / 64, 1.0])
    phi, y = np.array([[1.0], [10.0]]), np.array([[1.0], [1.0]])  # from far off, a full step makes a long row active
    asked = []

    def passes(*at):
        asked.append(at[1])
        return block_sums([(phi, y, np.array([100.0, 1e4]))], *at[:3])

    at = primal.newton(passes, np.array([[5.0], [-4.0]]), 1e-10, 50)
    coef, _ = primal_reference(np.repeat(phi, [1, 100], axis=0), np.ones(101), 100.0)
    np.testing.assert_allclose(at.weights[0], coef, atol=1e-8)
    assert len(asked) == at.n_passes


# Sums and sources


def sources(phi, size):
    class Again:
        def __iter__(self):
            return (phi[i : i + size] for i in range(0, len(phi), size))

    return {
        "array": phi, "fortran": np.asfortranarray(phi), "function": lambda rows: phi[rows],
        "blocks": [phi[i : i + size] for i in range(0, len(phi), size)], "again": Again(),
    }  # fmt: skip


@pytest.mark.parametrize("size", [500, 4096, 5000])
def test_every_source_gives_the_same_bits(size, dtype):
    phi, y = problem(11_000, dtype)
    first, *others = (solve_primal(given, y, block_size=size) for given in sources(phi, size).values())
    fortran, *others = others
    assert [np.array_equal(other.coef, first.coef) for other in others] == [True] * 3
    assert [(other.intercept, other.gap, other.n_iter) for other in others] == [
        (first.intercept, first.gap, first.n_iter)
    ] * 3
    np.testing.assert_allclose(fortran.coef, first.coef, atol={"float64": 1e-10, "float32": 1e-4}[dtype])


@pytest.mark.parametrize("size", [1, 77, 600, 10**9])
def test_the_size_of_blocks_changes_rounding_only(size):
    phi, y = problem()
    np.testing.assert_allclose(solve_primal(phi, y, block_size=size).coef, solve_primal(phi, y).coef, atol=1e-9)


def test_b2_29_a_memory_map_is_streamed(tmp_path):
    X, y = datasets.moons(30_000, rng=0)
    X.astype(np.float32).tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", np.float32, mode="r").reshape(-1, 2)
    held = []

    def features(rows):
        held.append(len(range(*rows.indices(len(y)))))
        return fourier(mapped[rows], W)

    tracemalloc.start()
    streamed = solve_primal(features, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(held) <= ROWS and peak < 30_000 * 20 * 4
    np.testing.assert_array_equal(streamed.coef, solve_primal(fourier(np.asarray(mapped), W), y).coef)


@given(st.integers(1, 70), st.integers(2, 9), st.randoms(use_true_random=False))
def test_the_sum_over_blocks_has_the_same_bits_in_whatever_order_they_arrive(n, fan_in, random):
    values = np.random.default_rng(n).standard_normal((n, 3)) * 10.0 ** np.arange(3)
    blocks = [(i, Sums(v[:1], v[1:2], v[2:])) for i, v in enumerate(values)]
    in_order = reduce_by_index(blocks, fan_in)
    random.shuffle(blocks)
    shuffled = reduce_by_index(iter(blocks), fan_in)
    for name in ("gram", "pull", "losses"):
        np.testing.assert_array_equal(getattr(shuffled, name), getattr(in_order, name))
    np.testing.assert_allclose(in_order.pull, values[:, 1].sum(), atol=1e-12)


def test_the_tree_adds_eight_and_eight():
    values = np.random.default_rng(0).standard_normal(20)
    total = reduce_by_index((i, Sums(v, v, v)) for i, v in enumerate(values)).gram
    groups = [sum(values[i + 1 : i + 8], values[i]) for i in (0, 8, 16)]
    assert total == groups[0] + groups[1] + groups[2]


def test_in_order_one_partial_sum_a_level_is_held():
    alive, most = set(), 0

    class Counted(Sums):
        def __init__(self, *parts):
            super().__init__(*parts)
            alive.add(id(self))

        def __del__(self):
            alive.discard(id(self))

        def __add__(self, other):
            return Counted(self.gram + other.gram, 0, 0)

    def arrivals():
        nonlocal most
        for i in range(1000):
            most = max(most, len(alive))
            yield i, Counted(1, 0, 0)

    assert reduce_by_index(arrivals()).gram == 1000 and most <= 8


@pytest.mark.parametrize("indices", [[], [1], [0, 2], [0, 0], [*range(8), 0], [*range(8), 9], [0, 1, 1, 2]])
def test_a_missing_or_repeated_block_is_refused(indices):
    with pytest.raises(ValueError, match="every block index from 0 on once"):
        reduce_by_index((i, Sums(1, 1, 1)) for i in indices)


@pytest.mark.parametrize("k", [1, 3])
def test_sums_are_their_formula_and_changes_add_up(k, dtype, close):
    phi, y = problem(300, dtype)
    rng = np.random.default_rng(0)
    Y, c = np.where(rng.standard_normal((300, k)) > 0, 1.0, -1.0), rng.uniform(0.5, 2.0, 300)
    old, new = rng.standard_normal((2, 21, k)) / 3
    full = np.column_stack([phi, np.ones(300)]).astype(float)
    parts = [(phi[i : i + 128], Y[i : i + 128], c[i : i + 128]) for i in range(0, 300, 128)]
    first, change = block_sums(parts, None, old), block_sums(parts, old, new)
    for j in range(k):
        h = [np.maximum(0, 1 - Y[:, j] * (full @ (old + t * (new - old))[:, j])) for t in (*STEPS, 0.0)]
        for gram, slack in ((first.gram, h[-1]), (first.gram + change.gram, h[0])):
            close(gram[j], (full[slack > 0] * c[slack > 0, None]).T @ full[slack > 0])
        close(change.pull[:, j], full.T @ (c * h[0] * Y[:, j]))
        close(change.losses[:, j], [c @ slack**2 for slack in h[:-1]])
        close(first.losses[:, j], [c @ h[-1] ** 2])


def test_all_rows_active_is_one_matrix_for_all_machines():
    phi, y = problem(100)
    sums = block_sums([(phi, np.stack([y, -y], axis=1), np.ones(100))], None, np.zeros((21, 2)))
    assert sums.gram.shape == (1, 21, 21) and sums.losses.tolist() == [[100.0, 100.0]]


def test_float32_margins_have_the_digits_of_the_weights():
    phi, y = problem(1000, "float32")
    w = np.random.default_rng(0).standard_normal((21, 1)) * 1e3
    exact = np.column_stack([phi, np.ones(1000)]).astype(float) @ w
    sums = block_sums([(phi, y[:, None], np.ones(1000))], None, w)
    slack = np.maximum(0, 1 - y * exact[:, 0])
    np.testing.assert_allclose(sums.losses[0, 0], slack @ slack, rtol=1e-8)


def test_torch_gives_what_numpy_gives(xp, dtype):
    if not xp.name.startswith("torch"):
        pytest.skip("of torch only")
    phi, y = problem(700, dtype)
    on_torch, expected = xp(phi), solve_primal(phi, y)
    for kind in (on_torch, lambda rows: on_torch[rows], [on_torch[:400], on_torch[400:]]):
        got = solve_primal(kind, xp(y))
        np.testing.assert_allclose(got.coef, expected.coef, atol=1e-9 if dtype == "float64" else 1e-5)
        assert isinstance(got.coef, np.ndarray)
    parts = [(on_torch, y[:, None], np.ones(700))]  # the sums themselves, as on an accelerator
    at = np.random.default_rng(0).standard_normal((2, 21, 1)) / 3
    theirs, ours = block_sums(parts, *at), block_sums([(phi, y[:, None], np.ones(700))], *at)
    for name in ("gram", "pull", "losses"):
        np.testing.assert_allclose(getattr(theirs, name), getattr(ours, name), rtol=1e-5, atol=1e-4)


# Rounding


def test_b2_82_a_penalty_that_rounding_hides_is_refused_with_both_numbers():
    phi, y = problem(300)
    with pytest.raises(
        ValueError, match=r"C must be so small .* at least 2e-17; got C=1e\+17 and a share of .*e-\d\d, "
    ):
        solve_primal(phi, y, C=1e17)
    with pytest.raises(ValueError, match=r"C must be so small .* at least 2e-17; got C=1e\+17 and a share of"):
        solve_primal(phi[:15], y[:15], C=1e17)


def test_float32_is_multiplied_in_float64_where_the_penalty_needs_it(monkeypatch):
    phi, y = problem(300, "float32")
    passes = []
    monkeypatch.setattr(primal.Source, "passes", counted(primal.Source.passes, passes))
    solution = solve_primal(phi, y, C=1e7)
    assert passes[0] == (1, False) and all(precise for _, precise in passes[1:])
    np.testing.assert_allclose(solution.coef, primal_reference(phi.astype(float), y, 1e7)[0], rtol=1e-4)
    passes.clear()
    solve_primal(phi, y, C=10.0)
    assert not any(precise for _, precise in passes)


def test_a_pivot_below_one_half_is_no_rounding_to_live_with():
    for gram, share in ((np.diag([1.0, -0.3]), 1 / 1.4), (np.diag([1.0, -0.6]), 1 / 0.8), (np.eye(2) * 1e17, 2.5e-18)):
        with pytest.raises(TooCoarse) as error:
            solve_by_cholesky(gram, np.ones((2, 1)), 2e-17)
        assert error.value.share == pytest.approx(share)
    np.testing.assert_allclose(solve_by_cholesky(np.eye(2), np.ones((2, 1)), 2e-17), 1 / 3)


# Arguments


def test_b2_55_no_convergence_warns_and_says_how_far_it_came():
    phi, y = problem()
    with pytest.warns(ConvergenceWarning, match=r"gap is .* after 2 passes, above tol=1e-06. Raise max_iter") as caught:
        solution = solve_primal(phi, y, max_iter=2)
    assert caught[0].filename == __file__ and not solution.converged and solution.n_iter == 2
    with pytest.warns(ConvergenceWarning, match="Rounding stops all progress"):
        solve_primal(phi.astype(np.float32), y, tol=1e-200, C=1e3)


PHI, Y = np.random.default_rng(0).standard_normal((6, 2)), [-1, 1, 1, -1, 1, -1]
BAD = {
    "B2-01-nan": (np.where(np.eye(6, 2), np.nan, PHI), Y, ValueError, r"features must be finite; got 2 .* \(0, 0\)"),
    "B2-02-inf": (np.where(np.eye(6, 2), np.inf, PHI), Y, ValueError, "features must be finite"),
    "B2-03-nan-in-y": (PHI, [np.nan, *Y[1:]], ValueError, "y must be finite"),
    "B2-04-overflow": (PHI * 1e200, Y, ValueError, "features must be so small that their products stay finite"),
    "B2-07-empty": (PHI[:0], [], ValueError, "must be non-empty"),
    "B2-10-1-d": (PHI[:, 0], Y, ValueError, "features must be a 2-D array"),
    "B2-12-number": (3.0, Y, TypeError, "features must be an array; got float"),
    "B2-18-complex": (PHI * 1j, Y, ValueError, "features must be real"),
    "B2-22-lengths": (PHI, Y[:5], ValueError, r"equal in their number of samples; got shapes \(6, 2\) and \(5,"),
    "B2-22-blocks": ([PHI[:2], PHI[2:5]], Y, ValueError, "equal in their number of samples; got 5 and 6"),
    "B2-83-function": (lambda rows: PHI[:3], Y, ValueError, r"features\(rows\) must be of shape \(6, D\), .*; got"),
    "B2-83-widths": ([PHI[:2], PHI[2:, :1]], Y, ValueError, "must be of 2 columns, as the first; got 1"),
    "B2-81-iterator": ((part for part in [PHI]), Y, TypeError, r"features must be readable once .*generator"),
    "B2-33-sparse": (type("S", (), {"tocsr": 0, "shape": (6, 2)})(), Y, TypeError, "must be dense"),
    "B2-50-one-class": (PHI, np.ones(6), ValueError, "y must be of two classes, -1 and .1; got 1 only in column 0"),
    "B2-50-three": (PHI, [0, 1, 2] * 2, ValueError, "labels -1 and .1; got the values 0, 1, 2. .*PrimalSVC"),
}  # fmt: skip


@pytest.mark.parametrize(("features", "y", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(features, y, error, message):
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        solve_primal(features, y)


@pytest.mark.parametrize("where", [(0, 0), (5000, 1), (9999, 19)])
def test_an_infinity_is_found_wherever_it_stands(where):
    phi, y = problem(10_000)
    phi[where] = np.inf
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="features must be finite; got 1 NaN or infinite"):
        solve_primal(phi, y)


@pytest.mark.parametrize(
    "bad",
    [{"C": 0.0}, {"C": np.inf}, {"tol": -1.0}, {"tol": 0.7}, {"max_iter": 0}, {"block_size": 0}, {"class_weight": "x"},
     {"sample_weight": [-1, *[1] * 5]}],
    ids=str,
)  # fmt: skip
def test_b2_41_53_bad_parameters_are_refused(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        solve_primal(PHI, Y, **bad)
    with pytest.raises(ValueError, match="class_weight must be None for several columns"):
        solve_primal(PHI, np.stack([Y, Y], axis=1), class_weight="balanced")


def test_b2_38_a_tensor_that_records_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"features must be a NumPy array .* requires grad. Pass features.detach"):
        solve_primal(torch.tensor(PHI, requires_grad=True), Y)


def test_b2_13_14_15_28_76_lists_integers_and_read_only_features_are_taken_and_not_changed():
    phi = np.array([[0, 1], [2, 0], [1, 1], [3, 1]] * 20)
    y = np.resize([-1, 1, -1, 1], 80)
    expected = solve_primal(phi.astype(float), y)
    phi.flags.writeable = False
    before = phi.copy()
    for taken in (phi, phi.tolist(), np.asfortranarray(phi)[::-1][::-1], phi.astype(">f8")):
        np.testing.assert_allclose(solve_primal(taken, y).coef, expected.coef, atol=1e-12)
    np.testing.assert_array_equal(phi, before)


def test_a_bar_of_tqdm_hears_every_pass_and_is_asked_for_by_name(monkeypatch):
    shown = []

    class Bar:
        def __init__(self, **options):
            shown.append(options)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            shown.append("closed")

        def set_postfix_str(self, text, refresh):
            shown.append(text)

        def update(self):
            shown.append(1)

    module = ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    phi, y = problem()
    n_iter = solve_primal(phi, y, progress=True).n_iter
    assert shown[0] == {"unit": " passes"} and shown.count(1) == n_iter and shown[-1] == "closed"
    assert shown[1] == "gap 1.0e+00"
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'progress=True needs tqdm: pip install "kernels-to-performers\[progress\]"'):
        solve_primal(phi, y, progress=True)
