"""Columns drawn blindly and columns at best: the exact error before the draw, and the floor of the spectrum."""

import array_api_strict
import numpy as np
import pytest
import torch

from companion import features, frequencies, kernels
from companion.lowrank import best_errors, columns_needed, drawn_error
from companion.lowrank.choice import best_errors_reference, drawn_error_reference

CLOUD = np.random.default_rng(0).standard_normal((120, 5))
KERNELS = [kernels.Gaussian(1.7), kernels.Matern(1.5, 2.0), kernels.Laplacian(3.0), kernels.Cauchy(1.0, 2.0)]


def test_best_errors_are_the_reference_on_every_backend():
    M = np.random.default_rng(1).standard_normal((30, 50)) * 1e3
    M.flags.writeable = False
    wanted = best_errors_reference(M)
    assert np.allclose(best_errors(M), wanted, rtol=1e-12)
    assert np.allclose(best_errors(torch.from_numpy(M.copy())).numpy(), wanted, rtol=1e-12)
    strict = best_errors(array_api_strict.asarray(M))
    assert np.allclose(np.asarray(strict), wanted, rtol=1e-12)
    single = best_errors(M.astype(np.float32))
    assert single.dtype == np.float32 and np.allclose(single, wanted, atol=1e-5)
    half = best_errors(torch.from_numpy(M.copy()).half())
    assert half.dtype == torch.float16 and np.allclose(half.float().numpy(), wanted, atol=2e-3)


def test_best_errors_are_those_of_truncated_decompositions():
    M = np.random.default_rng(2).standard_normal((12, 9))
    U, s, Vt = np.linalg.svd(M, full_matrices=False)
    errors = [np.linalg.norm(M - (U[:, :r] * s[:r]) @ Vt[:r]) for r in range(9)]
    assert np.allclose(best_errors(M), np.divide(errors, np.linalg.norm(M)), rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_best_errors_do_not_depend_on_the_scale(scale):
    assert np.allclose(best_errors(scale * np.diag([4.0, 3.0])), [1, 0.6], rtol=1e-12)


def test_a_matrix_of_known_rank_has_no_error_from_there_on():
    low = np.outer(np.arange(1, 6), np.arange(1, 8))
    assert best_errors(low)[1] < 1e-14 and best_errors([[3.0]]).tolist() == [1.0]


@pytest.mark.parametrize("kernel", KERNELS, ids=repr)
def test_the_drawn_error_is_the_reference(kernel):
    for D in (2, 64, 1000):
        assert np.isclose(drawn_error(kernel, CLOUD, D), drawn_error_reference(kernel, CLOUD, D), rtol=1e-10)
    assert np.isclose(drawn_error(kernel, CLOUD + 1e6, 64), drawn_error(kernel, CLOUD, 64), rtol=1e-6)


@pytest.mark.parametrize("scheme", ["iid", "orthogonal"])
def test_the_mean_square_of_draws_is_what_was_predicted(scheme):
    """400 means of squares, each in [0, b]: the central limit at 5 standard errors, one false alarm in 1.7 million."""
    kernel, squares = kernels.Gaussian(1.7), []
    K = kernel(CLOUD)
    for seed in range(400):
        phi = features.fourier(CLOUD, frequencies.draw(kernel, 10, 5, scheme=scheme, rng=seed))
        squares.append((np.linalg.norm(phi @ phi.T - K) / np.linalg.norm(K)) ** 2)
    error = np.std(squares, ddof=1) / np.sqrt(400)
    assert abs(np.mean(squares) - drawn_error(kernel, CLOUD, 20, scheme=scheme) ** 2) < 5 * error
    assert error < 0.05 * np.mean(squares), "too few draws to see a wrong factor"


def test_columns_needed_are_the_least_that_do():
    kernel = kernels.Gaussian(1.7)
    for error in (0.3, 0.07, 0.011):
        drawn, best = columns_needed(kernel, CLOUD, error)
        assert drawn % 2 == 0 and drawn_error(kernel, CLOUD, drawn) <= error * (1 + 1e-9)
        assert drawn == 2 or drawn_error(kernel, CLOUD, drawn - 2) > error
        floor = best_errors(kernel(CLOUD))
        assert floor[best] <= error < floor[best - 1]


def test_what_is_one_point_needs_one_column():
    assert columns_needed(kernels.Gaussian(), np.zeros((5, 2)), 0.5) == (2, 1)


def test_tensors_count_as_arrays():
    X = torch.from_numpy(CLOUD)
    assert columns_needed(kernels.Gaussian(1.7), X, 0.1) == columns_needed(kernels.Gaussian(1.7), CLOUD, 0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: best_errors(np.zeros((3, 3))), "not zero"),
        (lambda: best_errors([[1.0, np.nan]]), "finite"),
        (lambda: best_errors([1.0, 2.0]), "K"),
        (lambda: drawn_error(kernels.Gaussian(), CLOUD, 7), "even"),
        (lambda: drawn_error(kernels.Gaussian(), CLOUD, 0), "n_columns"),
        (lambda: drawn_error(kernels.Polynomial(2), CLOUD, 8), "stationary"),
        (lambda: drawn_error(kernels.Matern(1.5), CLOUD, 8, scheme="orthogonal"), "Gaussian"),
        (lambda: columns_needed(kernels.Gaussian(), CLOUD, 0.0), "error"),
        (lambda: columns_needed(kernels.Gaussian(), CLOUD, 1.5), "between"),
        (lambda: columns_needed(kernels.Gaussian(), CLOUD, 1e-20), "between"),
        (lambda: columns_needed(kernels.Gaussian(), CLOUD[:, 0], 0.1), "X"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(call, words):
    with pytest.raises((TypeError, ValueError), match=words):
        call()
