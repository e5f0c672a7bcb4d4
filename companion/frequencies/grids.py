"""Frequencies as the nodes of a quadrature rule: a Gauss-Hermite grid, with weights, for the Gaussian kernel.

Nothing is random. A grid of q nodes along each axis is exact for polynomials of degree below 2q (Dao, De Sa & Ré 2017,
"Gaussian quadrature for kernel features"). Since cos⟨w, δ⟩ = cos⟨-w, δ⟩, half of the nodes are enough.

>>> from companion.kernels import Gaussian
>>> W = gauss_hermite(Gaussian(), 10, 1)
>>> bool(abs(np.sum(W.weights * np.cos(W.project([[1.0]]))) - np.exp(-0.5)) < 1e-12)
True
"""

import itertools
import math

import numpy as np
from scipy.special import roots_hermitenorm

from companion._core import checks
from companion._core.arrays import Seed
from companion.frequencies.base import Frequencies, arguments
from companion.kernels.base import Kernel
from companion.kernels.stationary import for_lengthscale

_ROUNDED_UP = 2**10  # rows


def gauss_hermite_reference(n_nodes: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """All nodes (q^d, d) of the tensor Gauss rule for N(0, I), in lexicographic order, and their weights, of sum 1."""
    x, w = np.polynomial.hermite_e.hermegauss(n_nodes)
    nodes = np.array(list(itertools.product(x, repeat=dim)))
    weights = np.array([np.prod(factors) for factors in itertools.product(w / w.sum(), repeat=dim)])
    return nodes, weights


def gauss_hermite(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """The heaviest nodes of a Gauss rule, a grid of q per axis that is exact for polynomials of degree below 2q.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``
        Nothing is random.

    Returns
    -------
    Frequencies
        With weights. Deterministic, so biased, for the Gaussian only. Since cos⟨w, δ⟩ = cos⟨-w, δ⟩, half of the nodes
        are enough; of these the ``n_frequencies`` heaviest are kept, or all if there are fewer. The smallest grid, of
        2 nodes per axis, has 2^(d-1): where ``n_frequencies`` is less, it is taken as a whole up to d = 11, since a
        part of it, with equal weights, is another kernel; above d = 11 that is refused. Drawing costs at most a few
        million products, projecting m d multiplications per sample.

    Notes
    -----
    Page: ``random-features/quasi-random-frequencies``. Reference: ``gauss_hermite_reference``, the whole grid. Dao, De
    Sa & Ré 2017, "Gaussian quadrature for kernel features". The rule itself is off by at most q!/(2q)! Σ_c z_c^(2q) for
    z_c = δ_c / lengthscale_c (the remainder of the Gauss rule for cos), what is dropped costs at most twice its weight.
    q is such that the weight and the remainder at one z_c = 3 are least together, and the weight is at most 0.001.
    """
    kernel, m, d, _ = arguments("gauss_hermite", kernel, n_frequencies, dim, rng, gaussian=True)
    if m < 2 ** (d - 1) <= _ROUNDED_UP:
        m = 2 ** (d - 1)
    elif m < 2 ** (d - 1):
        fix = f"Raise it or use 'orthogonal': a grid has at least 2 nodes along each of the {d} axes."
        checks.fail("n_frequencies", f"at least 2**{d - 1} for scheme='gauss_hermite'", str(m), fix)
    losses = {}
    for q in range(2, 65):
        if q > 2 and q**d > max(2 * m, 2**20):
            break
        dropped = 1.0 - np.sum(heaviest_half(q, d)[1][:m])
        if dropped <= 1e-3:
            losses[q] = max(dropped, 0.0) + math.exp(math.lgamma(q + 1) - math.lgamma(2 * q + 1) + 2 * q * math.log(3))
    nodes, weights = heaviest_half(min(losses, key=lambda q: losses[q]), d)
    return Frequencies(for_lengthscale(kernel, nodes[:m]), "gauss_hermite", False, weights[:m] / np.sum(weights[:m]))


def heaviest_half(q: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The first half of the grid of q nodes per axis, which the other half mirrors, by falling weight."""
    x, w = roots_hermitenorm(q)
    index = np.unravel_index(np.arange((q**d + 1) // 2), (q,) * d)
    weights = 2 * np.prod([(w / w.sum())[i] for i in index], axis=0)
    weights[q**d // 2 :] /= 2  # the origin, which is its own mirror image, if q is odd
    order = np.argsort(-np.log(weights).round(9), kind="stable")
    return np.stack([x[i] for i in index], axis=1)[order], weights[order]
