"""The pseudo-inverse against NumPy, SciPy and torch, the four conditions, perturbation theory, the rank decision."""

import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from samples import cloud, normal

from companion._core.checks import NumericalWarning
from companion.lowrank import Rank, numerical_rank, penrose_residuals, pinv, pinv_reference
from companion.lowrank.inverse import inverse_by_svd, penrose

torch = pytest.importorskip("torch")
SHAPES = [(1, 1), (1, 4), (5, 1), (6, 6), (7, 3), (3, 7), (2, 5, 4), (2, 3, 4, 6)]


def of_rank(n, p, rank, seed=0, smallest=0.5):
    """A matrix whose singular values fall from 1 to ``smallest``, and then are zero."""
    U, V = (np.linalg.qr(normal(k, rank, seed=seed + i))[0] for i, k in enumerate((n, p)))
    return (U * np.geomspace(1, smallest, rank)) @ V.T


# against the libraries


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_numpys_and_torchs(shape, xp, dtype, close):
    A = normal(*shape).astype(dtype)
    got = pinv(xp(A))
    assert str(got.dtype).endswith(dtype)
    expected = np.linalg.pinv(A.astype(float))
    close(xp.numpy(got) / np.abs(expected).max(), expected / np.abs(expected).max())
    close(torch.linalg.pinv(torch.from_numpy(A)).numpy(), xp.numpy(got))


@pytest.mark.parametrize(("n", "p", "rank"), [(5, 5, 2), (8, 3, 1), (3, 8, 2), (20, 12, 7), (1, 3, 1)])
def test_of_a_matrix_without_full_rank_it_is_scipys_with_the_same_rank(n, p, rank, xp, dtype, close):
    A = of_rank(n, p, rank).astype(dtype)
    got, found = pinv(xp(A), return_rank=True)
    expected, wanted = scipy.linalg.pinv(A, return_rank=True)
    assert found == wanted == rank and type(found) is int
    close(xp.numpy(got), expected)
    close(xp.numpy(got), pinv_reference(A, max(n, p) * np.finfo(dtype).eps))


def test_a_batch_is_the_loop_over_its_slices_each_with_its_own_rank_and_threshold(xp, dtype):
    A = np.stack([of_rank(6, 4, 4), 1e6 * of_rank(6, 4, 2), np.zeros((6, 4)), 1e-6 * of_rank(6, 4, 1)]).astype(dtype)
    got, rank = pinv(xp(A[:, None]), return_rank=True)
    np.testing.assert_array_equal(xp.numpy(rank), [[4], [2], [0], [1]])
    for one, each in zip(A, xp.numpy(got), strict=True):
        expected = pinv(one)
        np.testing.assert_allclose(each[0], expected, rtol=0, atol=100 * np.finfo(dtype).eps * np.abs(expected).max())


@pytest.mark.parametrize("rtol", [0.0, 3e-3, 0.3, 0.999])
def test_rtol_means_what_it_means_in_numpy(rtol, xp):
    A = of_rank(9, 6, 6, smallest=1e-5)
    np.testing.assert_allclose(xp.numpy(pinv(xp(A), rtol=rtol)), np.linalg.pinv(A, rtol=rtol), rtol=1e-9, atol=1e-9)


def test_the_reference_and_the_core_are_one_formula():
    A = of_rank(7, 5, 5, smallest=1e-4)
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    for rtol in (0.0, 1e-2, 0.2):
        np.testing.assert_allclose(inverse_by_svd(U, s, Vh, rtol), pinv_reference(A, rtol), rtol=1e-12, atol=1e-12)


# what it is for


@given(cloud(), cloud())
def test_the_four_conditions_hold_and_no_other_matrix_meets_them(A, Z):
    B, rank = pinv(A, return_rank=True)
    s = np.linalg.svd(A, compute_uv=False)
    bound = 100 * np.finfo(float).eps * (s[0] / s[rank - 1] if rank else 1)
    assert penrose_residuals(A, B).max() <= bound
    if rank:  # B + E meets them only for E = 0
        E = np.resize(Z, B.shape) + 1e-3
        assert penrose_residuals(A, B + E).max() > 1e-9


@given(cloud(rows=(2, 8), columns=(2, 4)))
def test_the_answer_is_nearest_and_of_all_nearest_the_shortest(A):
    y, z = normal(len(A), seed=1), normal(A.shape[1], seed=2)
    B, rank = pinv(A, return_rank=True)
    w = B @ y
    scale = np.linalg.norm(A, 2) ** 2 * np.linalg.norm(B, 2) + 1
    assert np.abs(A.T @ (A @ w - y)).max() <= 1e-11 * scale * np.linalg.norm(y)  # the residual is perpendicular
    null = z - B @ (A @ z)
    assert abs(w @ null) <= 1e-9 * (1 + np.linalg.norm(w)) * np.linalg.norm(z)  # nothing of w can be left out
    theirs = np.linalg.lstsq(A, y, rcond=len(A) * 2.0**-52 if len(A) > A.shape[1] else None)[0]
    np.testing.assert_allclose(w, theirs, rtol=1e-7, atol=1e-9 * (1 + np.abs(w).max()))
    assert rank == np.linalg.matrix_rank(A)


def test_it_is_the_best_left_factor_of_a_matrix_and_projects_on_the_columns():
    A, M = of_rank(8, 4, 3), normal(8, 5, seed=3)
    B = pinv(A) @ M
    np.testing.assert_allclose(A @ B, A @ np.linalg.lstsq(A, M, rcond=1e-10)[0], atol=1e-13)
    P = A @ pinv(A)
    np.testing.assert_allclose(P @ P, P, atol=1e-14)
    assert np.trace(P) == pytest.approx(3)


@pytest.mark.parametrize("penalty", [1e-2, 1e-4, 1e-6])
def test_ridge_regression_comes_to_it_at_the_predicted_rate(penalty):
    """σ / (σ² + λ) is λ / (σ (σ² + λ)) below 1 / σ, most at the smallest σ."""
    A = of_rank(7, 5, 3, smallest=0.25)
    ridge = np.linalg.solve(A.T @ A + penalty * np.eye(5), A.T)
    gap = np.linalg.norm(pinv(A) - ridge, 2)
    assert gap == pytest.approx(penalty / (0.25 * (0.25**2 + penalty)), rel=1e-6)


def test_of_a_symmetric_matrix_it_is_symmetric_and_inverts_the_eigenvalues_that_are_not_zero():
    Q = np.linalg.qr(normal(5, 5))[0]
    A = (Q * [3.0, -2.0, 0.5, 0.0, 0.0]) @ Q.T
    B = pinv((A + A.T) / 2)
    np.testing.assert_allclose(B, (Q * [1 / 3, -0.5, 2.0, 0.0, 0.0]) @ Q.T, atol=1e-14)
    np.testing.assert_allclose(B, B.T, atol=1e-14)


def test_it_undoes_itself_and_a_row_of_zeros_becomes_a_column_of_zeros(xp, dtype, close):
    A = np.vstack([of_rank(4, 3, 2), np.zeros((1, 3))]).astype(dtype)
    B = xp.numpy(pinv(xp(A)))
    assert B.shape == (3, 5) and not B[:, 4].any()
    close(xp.numpy(pinv(xp(B))), A)
    np.testing.assert_array_equal(xp.numpy(pinv(xp(np.zeros((2, 3), dtype)))), np.zeros((3, 2)))


# where the rank changes


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_the_smaller_the_error_that_changes_the_rank_the_larger_the_change(size):
    A, E = of_rank(6, 4, 3), normal(6, 4, seed=5)
    E *= size / np.linalg.norm(E, 2)
    with_noise = pinv(A + E)
    assert np.linalg.norm(with_noise - pinv(A), 2) >= 1 / size  # Wedin 1973; Stewart 1977
    kept = pinv(A + E, rtol=10 * size)
    bound = (1 + 5**0.5) / 2 * np.linalg.norm(kept, 2) * np.linalg.norm(pinv(A), 2)
    assert np.linalg.norm(kept - pinv(A), 2) <= bound * 2 * size  # dropping adds an error of at most |E|


def test_an_error_that_leaves_the_rank_moves_it_by_the_error_over_the_smallest_value_squared():
    A, E = of_rank(6, 4, 4, smallest=1e-3), normal(6, 4, seed=5)
    E *= 1e-7 / np.linalg.norm(E, 2)
    change = np.linalg.norm(pinv(A + E) - pinv(A), 2)
    assert change <= (1 + 5**0.5) / 2 * 1e-7 / (1e-3 * (1e-3 - 1e-7))
    U, s, Vh = np.linalg.svd(A)
    E = 1e-7 * np.outer(U[:, 3], Vh[3])  # along the smallest, where the bound is nearly reached
    assert np.linalg.norm(pinv(A + E) - pinv(A), 2) == pytest.approx(1e-7 / 1e-6, rel=1e-3)


@pytest.mark.parametrize("factor", [1.9, 0.6])
def test_a_singular_value_at_the_threshold_is_told(factor):
    A = np.diag([1.0, 0.5, factor * 1e-6])
    with pytest.warns(NumericalWarning, match="1 singular value is within a factor of 2 of the threshold"):
        _, rank = pinv(A, rtol=1e-6, return_rank=True)
    assert rank == 2 + (factor > 1)


@pytest.mark.parametrize(("n", "p", "rank"), [(2, 2, 1), (3, 3, 2), (5, 3, 2), (20, 20, 10), (60, 40, 5)])
def test_zeros_that_are_rounded_bring_no_warning(n, p, rank, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(20):
            A = (normal(n, rank, seed=seed) @ normal(rank, p, seed=seed + 100)).astype(dtype)
            assert pinv(A, return_rank=True)[1] == rank
        pinv(np.eye(3), rtol=0.0)


def test_the_rank_says_where_its_threshold_is_and_what_stands_beside_it(dtype):
    eps = np.finfo(dtype).eps
    assert numerical_rank(np.array([4.0, 1.0, 1e-20], dtype), (3, 7)) == Rank(
        2, pytest.approx(28 * eps), 1.0, pytest.approx(1e-20)
    )
    assert numerical_rank([3.0, 2.0], (2, 2), rtol=0.9) == Rank(1, pytest.approx(2.7), 3.0, 2.0)
    assert numerical_rank([0.0, 0.0], (2, 2)) == Rank(0, 0.0, np.inf, 0.0)
    assert numerical_rank(torch.tensor([2.0, 1.0]), (2, 2)).rank == 2
    assert repr(numerical_rank([2.0, 1.0], (2, 2), rtol=0.1)) == "Rank(rank=2, threshold=0.2, kept=1, dropped=0)"


@pytest.mark.parametrize("rtol", [None, 1e-9, 0.4])
def test_both_count_alike(rtol):
    A = of_rank(8, 6, 6, smallest=1e-12)
    s = np.linalg.svd(A, compute_uv=False)
    assert numerical_rank(s, A.shape, rtol=rtol).rank == pinv(A, rtol=rtol, return_rank=True)[1]


# gradients, half precision


@pytest.mark.parametrize(("n", "p", "rank"), [(4, 3, 3), (3, 4, 3), (3, 3, 3)])
def test_gradients_are_right_also_where_singular_values_are_equal(n, p, rank):
    A = torch.from_numpy(of_rank(n, p, rank)).requires_grad_()
    assert torch.autograd.gradcheck(pinv, (A,))
    equal = torch.eye(n, p, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(pinv, (equal,))
    assert torch.autograd.gradgradcheck(pinv, (A,))
    assert torch.autograd.gradcheck(penrose_residuals, (A, torch.from_numpy(normal(p, n)).requires_grad_()))


def test_the_gradient_at_the_identity_is_that_of_the_inverse():
    X = torch.eye(3, dtype=torch.float64).requires_grad_()
    pinv(X).sum().backward()
    np.testing.assert_allclose(X.grad.numpy(), -np.ones((3, 3)), atol=1e-12)


def test_where_the_rank_stays_the_gradient_is_that_of_the_sum_of_three_terms():
    """dA⁺ = -A⁺ dA A⁺ + A⁺A⁺ᵀ dAᵀ (I - AA⁺) + (I - A⁺A) dAᵀ A⁺ᵀA⁺ (Golub & Pereyra 1973)."""
    A = of_rank(5, 4, 2)
    B, C = pinv(A), normal(4, 5, seed=9)
    left, right = np.eye(5) - A @ B, np.eye(4) - B @ A
    expected = -B.T @ C @ B.T + (B @ B.T @ C @ left).T + (right @ C @ B.T @ B).T
    for tensor in (torch.from_numpy(A), torch.from_numpy(A)[None]):
        X = tensor.clone().requires_grad_()
        (pinv(X) * torch.from_numpy(C)).sum().backward()
        np.testing.assert_allclose(X.grad.reshape(5, 4).numpy(), expected, atol=1e-12)
    got = torch.func.grad(lambda X: (pinv(X) * torch.from_numpy(C)).sum())(torch.from_numpy(A))
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


def test_it_vectorises_and_its_cores_compile():
    X = torch.from_numpy(np.stack([of_rank(5, 3, 3, seed=i) for i in range(4)]))
    torch.testing.assert_close(torch.func.vmap(pinv)(X), torch.linalg.pinv(X))
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(penrose, backend="aot_eager", fullgraph=True)(X, pinv(X))
        parts = torch.linalg.svd(X, full_matrices=False)
        B = torch.compile(inverse_by_svd, backend="aot_eager", fullgraph=True)(*parts, 1e-12)
    torch.testing.assert_close(compiled, penrose(X, pinv(X)))
    torch.testing.assert_close(B, pinv(X))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_float32_and_judged_by_its_own_eps(half):
    X = torch.from_numpy(of_rank(6, 4, 4)).to(getattr(torch, half))
    got = pinv(X)
    assert got.dtype == X.dtype
    assert torch.equal(got, pinv(X.float()).to(X.dtype))
    rounded = torch.from_numpy(of_rank(6, 4, 2)).to(getattr(torch, half))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumericalWarning)
        assert pinv(rounded, return_rank=True)[1] == 2
    assert pinv(rounded.double(), return_rank=True)[1] == 4
    assert pinv(np.ones((3000, 2), np.float16), return_rank=True)[1] == 1


def test_what_is_passed_stays_as_it_is(xp):
    values = of_rank(4, 3, 2)
    A = xp(values)
    pinv(A)
    penrose_residuals(A, xp(values.T.copy()))
    np.testing.assert_array_equal(xp.numpy(A), values)


# bad input


@pytest.mark.parametrize("scale", [1e-290, 1e-150, 1e150, 1e300, 1e307])
def test_huge_and_tiny_norms_are_exact(scale, xp):
    A = of_rank(5, 3, 2)
    B, rank = pinv(xp(A * scale), return_rank=True)
    assert rank == 2
    np.testing.assert_allclose(xp.numpy(B) * scale, np.linalg.pinv(A), atol=1e-12)
    assert xp.numpy(penrose_residuals(xp(A * scale), B)).max() < 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pinv(np.eye(2) * 1e-310), r"A⁺ must be within the range.*Scale A up"),
        (lambda: pinv(np.full((9, 9), 1.7e308)), r"singular values of A must be within the range.*Scale A down"),
        (lambda: pinv(np.full((2, 2), 1e-6, np.float16)), None),
        (lambda: pinv([[1.0, np.nan]]), r"A must be finite"),
        (lambda: pinv([1.0, 2.0]), r"A must be an array of shape"),
        (lambda: pinv(np.ones((0, 3))), r"A must be non-empty"),
        (lambda: pinv(np.ones((2, 2)) * 1j), r"A must be real"),
        (lambda: pinv(np.eye(2), rtol=-1e-3), r"rtol must be a non-negative finite number"),
        (lambda: pinv(np.eye(2), rtol=1.0), r"rtol must be less than 1; got 1.0"),
        (lambda: pinv(np.eye(2), rtol=np.nan), r"rtol must be a non-negative finite number"),
        (lambda: penrose_residuals(np.ones((2, 3)), np.ones((2, 3))), r"B must be of shape \(3, 2\)"),
        (lambda: penrose_residuals(np.eye(2), torch.eye(2)), r"A and B must be on the same backend"),
        (lambda: penrose_residuals(np.eye(2) * 1e200, np.eye(2) * 1e200), r"products of A and B must be within"),
        (lambda: numerical_rank([1.0, -2.0], (2, 2)), r"s must be made of singular values"),
        (lambda: numerical_rank(np.eye(2), (2, 2)), r"s must be a 1-D array"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, message):
    if message is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ValueError, match="range of its dtype"):
                call()
        return
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_the_same_values_give_the_same_conditions_on_every_backend(xp, dtype, close):
    A, B = normal(2, 5, 3).astype(dtype), normal(2, 3, 5, seed=1).astype(dtype)
    close(xp.numpy(penrose_residuals(xp(A), xp(B))), penrose(A.astype(float), B.astype(float)))
    norms = [np.linalg.norm(A[0] @ B[0] @ A[0] - A[0]) / np.linalg.norm(A[0])]
    norms.append(np.linalg.norm(B[0] @ A[0] @ B[0] - B[0]) / np.linalg.norm(B[0]))
    norms += [np.linalg.norm(P - P.T) / np.linalg.norm(P) for P in (A[0] @ B[0], B[0] @ A[0])]
    close(xp.numpy(penrose_residuals(xp(A[0]), xp(B[0]))), norms)
