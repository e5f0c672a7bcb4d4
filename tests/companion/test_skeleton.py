"""Interpolative decomposition and CUR: references, SciPy, laws of projections, smooth kernels, refusals."""

import math
from functools import cache
from itertools import combinations

import numpy as np
import pytest
import scipy.linalg.interpolative
from samples import normal
from scipy.linalg import qr

from companion import datasets
from companion.kernels import Gaussian
from companion.lowrank import CUR, Interpolative, cur, cur_reference, interpolative, interpolative_reference
from companion.lowrank.skeleton import least_squares, sketches, through_bases

norm = np.linalg.norm


def product(n, p, rank, seed=0):
    """A matrix of a rank, with singular values that fall by four decades."""
    left, right = normal(n, rank, seed=seed), normal(rank, p, seed=seed + 1)
    return left * np.logspace(0, -4, rank) @ right


@cache
def kernel(name, n=400):
    X, _ = datasets.moons(n, rng=0)
    return Gaussian(0.5**0.5)(X) if name == "moons" else Gaussian(2.5**0.5)(normal(n, 5))


@cache
def best(name, rank):
    """The smallest error of that rank, in the Frobenius norm (Eckart & Young)."""
    return norm(np.linalg.svd(kernel(name), compute_uv=False)[rank:])


each_kernel = pytest.mark.parametrize("name", ["moons", "gaussian"])


# against references


@pytest.mark.parametrize("shape", [(8, 8), (6, 15), (20, 9)], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_choice_is_that_of_pivoted_qr(shape, seed):
    A = normal(*shape, seed=seed)
    columns, Z = interpolative_reference(A, 5)
    assert columns == qr(A, pivoting=True)[2][:5].tolist()
    np.testing.assert_allclose(Z, np.linalg.pinv(A[:, columns]) @ A, atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 8), (9, 30), (30, 11)], ids=str)
def test_a_sketch_of_all_rows_gives_the_columns_and_rows_of_the_references(shape, xp, dtype, close):
    A = normal(*shape).astype(dtype)
    columns, Z = interpolative_reference(A.astype(float), 4)
    found = interpolative(xp(A), 4, rng=0)
    assert found.columns.tolist() == columns and found.stop == "rank"
    assert str(found.coefficients.dtype).endswith(dtype)
    close(xp.numpy(found.coefficients), Z)
    close(xp.numpy(found.product(xp(A))), A[:, columns].astype(float) @ Z)
    rows = interpolative_reference(A.T.astype(float), 4)[0]
    both = cur(xp(A), 4, rng=0)
    assert both.columns.tolist() == columns
    assert len(set(both.rows.tolist())) == 4 and (min(shape) > 8 or both.rows.tolist() == rows)
    left, core, right = cur_reference(A.astype(float), both.columns, both.rows)
    close(xp.numpy(both.product()), left @ core @ right)
    close(xp.numpy(both.left).T @ xp.numpy(both.left), np.eye(4))
    close(xp.numpy(both.right) @ xp.numpy(both.right).T, np.eye(4))
    assert all(str(x.dtype).endswith(dtype) for x in (both.left, both.core, both.right))


@pytest.mark.parametrize("shape", [(60, 45), (30, 200)], ids=str)
def test_a_matrix_of_low_rank_comes_back_and_no_more_columns_are_chosen(shape, xp, dtype, close):
    A = product(*shape, rank=6).astype(dtype)
    for rank in (6, 15):
        if dtype == "float32" and rank > 6:
            continue  # its own rounding has a higher rank
        found, both = interpolative(xp(A), rank, rng=1), cur(xp(A), rank, rng=1)
        assert found.stop == both.stop == ("rank" if rank == 6 else "exhausted")
        assert len(found.columns) == len(both.columns) == len(both.rows) == 6
        close(xp.numpy(found.product(xp(A))), A)
        close(xp.numpy(both.product()), A)
        assert max(found.error(xp(A)), both.error(xp(A))) < (1e-12 if dtype == "float64" else 1e-5)


@each_kernel
@pytest.mark.parametrize("rank", [20, 50])
def test_the_error_is_not_above_that_of_scipy(name, rank):
    """On the same greedy choice both are near the best; the least squares of ours cannot lose by more than chance."""
    K = kernel(name)
    index, proj = scipy.linalg.interpolative.interp_decomp(K, rank, rand=False)
    theirs = norm(K[:, index[rank:]] - K[:, index[:rank]] @ proj)
    ours = [interpolative(K, rank, rng=seed).error(K) * norm(K) for seed in range(5)]
    assert np.median(ours) <= 1.05 * theirs and max(ours) <= 1.3 * theirs


# laws


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(50, 40), (25, 70)], ids=str)
def test_coefficients_are_least_squares_and_chosen_columns_come_back(seed, shape):
    A = normal(*shape, seed=seed)
    found, plain = interpolative(A, 8, rng=seed), interpolative(A, 8, rng=seed, refit=False)
    C = A[:, found.columns]
    np.testing.assert_allclose(C.T @ (A - found.product(A)), 0, atol=1e-12 * norm(A) ** 2)
    assert plain.columns.tolist() == found.columns.tolist()
    for each in (found, plain):
        np.testing.assert_allclose(each.coefficients[:, each.columns], np.eye(8), atol=1e-13)
    assert norm(np.linalg.svd(A, compute_uv=False)[8:]) / norm(A) <= found.error(A) < plain.error(A)


@pytest.mark.parametrize("seed", range(5))
def test_the_error_of_cur_is_a_distance_to_a_projection_and_within_its_bound(seed):
    A = product(40, 30, 30, seed=seed)
    found = cur(A, 7, rng=seed)
    C, R = A[:, found.columns], A[found.rows]
    columns, rows = norm(A - C @ np.linalg.pinv(C) @ A), norm(A - A @ np.linalg.pinv(R) @ R)
    error = found.error(A) * norm(A)
    assert max(columns, rows) <= error * (1 + 1e-9) and error <= math.hypot(columns, rows)
    assert error == pytest.approx(math.sqrt(norm(A) ** 2 - norm(found.core) ** 2), rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_the_columns_of_largest_volume_have_coefficients_of_at_most_1_and_the_promised_error(seed):
    """The theorem of the page, by trying all sets of columns of a matrix with graded singular values."""
    p, r = 7, 3
    A = normal(5, p, seed=seed) * np.logspace(0, -2, 5)[:, None]
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    B = U[:, :r].T @ A  # the best matrix of rank r is U B; r of its columns, the largest volume
    columns = max(combinations(range(p), r), key=lambda J: abs(np.linalg.det(B[:, J])))
    Z = np.linalg.solve(B[:, columns], B)
    assert np.abs(Z).max() <= 1 + 1e-9
    assert np.linalg.norm(A - A[:, columns] @ Z, 2) <= math.sqrt(1 + r * (p - r)) * s[r] * (1 + 1e-9)


@each_kernel
def test_the_power_step_and_the_pivots_keep_both_near_the_best(name):
    """The targets: median within 7 of the optimum, never above 20; the least any choice can have is 1."""
    K = kernel(name)
    for rank in (50, 80):
        errors = [cur(K, rank, rng=seed).error(K) * norm(K) / best(name, rank) for seed in range(5)]
        assert min(errors) >= 1 and np.median(errors) <= 7 and max(errors) <= 20
        errors = [interpolative(K, rank, rng=seed).error(K) * norm(K) / best(name, rank) for seed in range(5)]
        assert min(errors) >= 1 and max(errors) <= 5


def test_where_the_core_of_textbooks_explodes_the_bases_do_not():
    K, rank = kernel("moons"), 120
    found = cur(K, rank, rng=0)
    C, R = K[:, found.columns], K[found.rows]
    textbook = C @ (np.linalg.pinv(C, rcond=1e-12) @ K @ np.linalg.pinv(R, rcond=1e-12)) @ R
    assert norm(K - textbook) > 100 * best("moons", rank)
    assert found.error(K) * norm(K) < 7 * best("moons", rank)
    assert np.abs(found.core).max() <= norm(K)


def test_directions_below_the_root_of_eps_are_still_seen():
    """A power step without a QR between its products would lose them."""
    n = 80
    U, V = (qr(normal(n, n, seed=seed))[0] for seed in (3, 4))
    A = U * np.logspace(0, -14, n) @ V  # 30 columns leave 1e-5.3
    for rank in (30, 60):
        exact = norm(np.logspace(0, -14, n)[rank:])
        assert cur(A, rank, rng=0).error(A) * norm(A) < 10 * exact
        assert interpolative(A, rank, rng=0).error(A) * norm(A) < 10 * exact


# backends, streams, gradients


def test_every_backend_chooses_the_same_and_leaves_its_argument_alone(xp, dtype):
    A = product(50, 60, 30).astype(dtype)
    given = xp(A)
    found, both = interpolative(given, 9, rng=3), cur(given, 9, rng=3)
    plain = interpolative(A, 9, rng=3)
    assert found.columns.tolist() == plain.columns.tolist() == both.columns.tolist()
    np.testing.assert_array_equal(xp.numpy(given), A)
    assert not any(np.shares_memory(xp.numpy(x), xp.numpy(given)) for x in (found.coefficients, both.left, both.right))


def test_seeds_repeat_and_none_draws_afresh():
    A = normal(60, 60)
    same = [interpolative(A, 5, rng=7, refit=False).coefficients for _ in range(2)]
    np.testing.assert_array_equal(*same)
    fresh = [interpolative(A, 5, refit=False).coefficients for _ in range(2)]
    assert not np.array_equal(*fresh)
    rng = np.random.default_rng(0)
    assert not np.array_equal(*(interpolative(A, 5, rng=rng, refit=False).coefficients for _ in range(2)))


def test_gradients_pass_through_the_refit_and_the_bases():
    torch = pytest.importorskip("torch")
    A = torch.from_numpy(normal(4, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda A: interpolative(A, 2, rng=0).product(A), (A,))
    assert torch.autograd.gradcheck(lambda A: cur(A, 2, rng=0).product(), (A,))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32(half):
    torch = pytest.importorskip("torch")
    A = torch.from_numpy(normal(30, 20)).to(getattr(torch, half))
    found, both = interpolative(A, 5, rng=0), cur(A, 5, rng=0)
    assert found.coefficients.dtype == both.core.dtype == found.product(A).dtype == A.dtype
    single = interpolative(A.float(), 5, rng=0)
    assert found.columns.tolist() == single.columns.tolist()
    assert torch.equal(found.coefficients, single.coefficients.to(A.dtype))


def test_cores_are_what_the_functions_compute():
    A, omega = normal(30, 25), normal(12, 30, seed=5)
    T, B = sketches(A, omega)
    assert T.shape == (30, 12) and B.shape == (12, 25)
    assert norm(A) ** 2 - norm(B) ** 2 > 0
    columns = [3, 1, 4]
    np.testing.assert_allclose(least_squares(A[:, columns], A), np.linalg.pinv(A[:, columns]) @ A, atol=1e-13)
    found, expected = through_bases(A, A[:, columns], A[columns]), cur_reference(A, columns, columns)
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


# what is odd, and what is refused


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_matrix_of_zeros_has_no_columns_worth_choosing(dtype, xp):
    A = xp(np.zeros((6, 5), dtype))
    found, both = interpolative(A, 3, rng=0), cur(A, 3, rng=0)
    assert found.columns.shape == (0,) and found.stop == both.stop == "exhausted"
    assert found.coefficients.shape == (0, 5) and both.core.shape == (0, 0)
    assert not xp.numpy(found.product(A)).any() and not xp.numpy(both.product()).any()
    assert found.error(A) == both.error(A) == 0
    assert interpolative(A, 3, refit=False, rng=0).coefficients.shape == (0, 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_of_a_column_are_chosen_once(dtype):
    A = np.repeat(normal(40, 2), [500, 3], axis=1).astype(dtype)
    found, both = interpolative(A, 30, rng=0), cur(A, 30, rng=0)
    assert sorted(found.columns >= 500) == [False, True] and found.stop == "exhausted"
    assert len(both.columns) == len(both.rows) == 2
    assert max(found.error(A), both.error(A)) < 10 * np.finfo(dtype).eps
    assert np.abs(found.coefficients).max() < 1 + 1e-5


@pytest.mark.parametrize(("dtype", "sizes"), [("float64", (1e-310, 1e-250, 1e250, 1e305)), ("float32", (1e-40, 1e35))])
def test_b2_04_05_sizes_near_the_ends_of_the_range_change_nothing(dtype, sizes):
    A = product(20, 15, 15)
    expected, core = interpolative(A, 5, rng=0), cur(A, 5, rng=0).core
    for size in sizes:
        B = (A * size).astype(dtype)
        found, both = interpolative(B, 5, rng=0), cur(B, 5, rng=0)
        assert found.columns.tolist() == expected.columns.tolist()
        np.testing.assert_allclose(found.coefficients, expected.coefficients, atol=1e-3)
        np.testing.assert_allclose(both.core, core * size, atol=1e-3 * size * norm(core))
        assert found.error(B) == pytest.approx(expected.error(A), rel=1e-2)
        assert both.error(B) == pytest.approx(cur(A, 5, rng=0).error(A), rel=1e-2)


def test_b2_09_one_row_and_one_column_work():
    for A in (normal(1, 6), normal(6, 1)):
        assert interpolative(A, 1, rng=0).error(A) < 1e-15 and cur(A, 1, rng=0).error(A) < 1e-15
    assert interpolative(normal(1, 6), 1, rng=0).columns.tolist() == [int(np.argmax(np.abs(normal(1, 6))))]


def test_b2_13_14_28_lists_integers_and_other_orders_are_the_same_numbers():
    A = np.arange(20).reshape(4, 5) ** 2 % 11
    expected = interpolative(A.astype(float), 3, rng=0)
    for given in (A, A.tolist(), np.asfortranarray(A, float), A[::-1].astype(float)[::-1]):
        found = interpolative(given, 3, rng=0)
        assert found.columns.tolist() == expected.columns.tolist()
        np.testing.assert_allclose(found.coefficients, expected.coefficients, atol=1e-13)


A, BAD = normal(6, 5), np.array([[1.0, np.nan], [2.0, 3.0]])
REFUSED = {
    "B2-01": (lambda f: f(BAD, 1), ValueError, r"A must be finite; got 1 NaN .* index \(0, 1\)"),
    "B2-02": (lambda f: f([[np.inf, 1.0]], 1), ValueError, "A must be finite"),
    "B2-07": (lambda f: f(A[:0], 1), ValueError, "A must be non-empty"),
    "B2-10": (lambda f: f(A[0], 1), ValueError, "A must be a 2-D array"),
    "B2-11": (lambda f: f(np.ones((2, 3, 4)), 1), ValueError, "A must be a 2-D array"),
    "B2-18": (lambda f: f(A + 1j, 1), ValueError, "A must be real"),
    "rank-0": (lambda f: f(A, 0), ValueError, "rank must be an integer >= 1; got 0"),
    "rank-above": (lambda f: f(A, 6), ValueError, r"rank must be at most 5; got 6. A matrix of shape \(6, 5\) has no"),
    "B2-41": (lambda f: f(A, True), TypeError, "rank must be an integer"),
    "rank-2.5": (lambda f: f(A, 2.5), TypeError, "rank must be an integer"),
    "seed": (lambda f: f(A, 2, rng=-1), ValueError, "rng must be a non-negative integer"),
}


@pytest.mark.parametrize("function", [interpolative, cur])
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_sentence(case, function):
    call, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        call(function)


def test_a_core_beyond_the_range_is_refused_and_so_is_another_matrix():
    with pytest.raises(ValueError, match="the core must be within the range of its dtype .* Scale the matrix"):
        cur(np.full((100, 100), 1e307), 1, rng=0)
    with pytest.raises(ValueError, match=r"the core must be within the range of its dtype \(up to 6.55e\+04\)"):
        cur(np.full((100, 100), 1e3, np.float16), 1, rng=0)
    found, both = interpolative(A, 2, rng=0), cur(A, 2, rng=0)
    for call in (found.product, found.error, both.error):
        with pytest.raises(ValueError, match="A must be a matrix with 5 columns"):
            call(A[:, :4])


def test_what_is_printed_is_short():
    assert repr(interpolative(A, 2, rng=0)) == "Interpolative(2 of 5 columns)"
    assert repr(cur(A, 2, rng=0)) == "CUR(2 of 5 columns, 2 of 6 rows)"
    assert repr(cur(np.ones((6, 5)), 2, rng=0)) == "CUR(1 of 5 columns, 1 of 6 rows, A is exhausted)"
    assert Interpolative.__dataclass_params__.frozen and CUR.__dataclass_params__.frozen
