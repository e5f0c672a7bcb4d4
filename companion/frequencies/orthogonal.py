"""Rows in random orthogonal directions: blocks of d rows, whose lengths follow the radius law of the kernel.

A row of a Haar matrix has a uniform direction, so each row alone has the spectral law and the estimate is unbiased.
For the Gaussian, z = |δ| / lengthscale and m <= d, the variance is that of independent rows times

    1 + (m - 1) [1F1(d; d/2; -z²/2) - exp(-z²)] / [(1 - exp(-z²))² / 2]

(Yu et al. 2016, "Orthogonal random features", section 3; the series of Choromanski et al. 2018, "The geometry of random
features", summed). The lengths may be independent, coupled in pairs, or stratified.

>>> from companion.kernels import Gaussian
>>> W = np.asarray(orthogonal(Gaussian(), 2, 2, rng=0))
>>> bool(abs(W[0] @ W[1]) < 1e-12)
True
"""

from typing import cast

import numpy as np

from companion._core.arrays import Seed, fits_memory
from companion.frequencies.base import Frequencies, arguments, inside
from companion.kernels.base import Kernel
from companion.kernels.spectra import Mixture, uniform
from companion.kernels.stationary import for_lengthscale


def haar_reference(dim: int, rng: np.random.Generator) -> np.ndarray:
    """An orthogonal matrix whose law no rotation changes (Haar): Q of G = QR with diag(R) > 0, for a Gaussian G."""
    Q, R = np.linalg.qr(rng.standard_normal((dim, dim)))
    return Q * np.sign(np.diag(R))


def orthogonal_reference(n_frequencies: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Frequencies of the Gaussian kernel with lengthscale 1 in orthogonal blocks, straight from the definition."""
    n_blocks = -(-n_frequencies // dim)
    blocks = [haar_reference(dim, rng).T for _ in range(n_blocks)]
    directions = np.concatenate(blocks)[:n_frequencies]
    radii = np.sqrt(rng.chisquare(dim, n_frequencies))
    return radii[:, None] * directions


def orthogonal(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """Blocks of d rows in orthogonal directions, with independent lengths from the radius law of the kernel.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every isotropic kernel: a row of a Haar matrix has a uniform direction. The last block is cut.
        Drawing costs m d random numbers and up to 2 m d min(m, d) multiplications; projecting m d per sample.

    Notes
    -----
    Page: ``random-features/orthogonal-frequencies``. Reference: ``orthogonal_reference``. Yu et al. 2016, "Orthogonal
    random features", section 3; the same with one length for all rows estimates another kernel.
    """
    kernel, m, d, rng = arguments("orthogonal", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = orthonormal_blocks(rng, m, d)
    spectrum = cast(Mixture, kernel.spectrum)
    radii = spectrum.radius(uniform(rng, (m, spectrum.radius_uniforms)), d)
    return Frequencies(for_lengthscale(kernel, radii[:, None] * directions), "orthogonal", True)


def orthogonal_coupled(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """As ``orthogonal``, with the lengths of two neighbours in a block coupled: if one is long, the other is short.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every isotropic kernel, at the cost of ``orthogonal``. Uniform numbers u and 1 - u make the lengths
        of a pair; a row without a partner, every one if d = 1, is independent.

    Notes
    -----
    Reid et al. 2025, "Variance-reducing couplings for random features", who find this pair by optimal transport.
    Kernels whose radius takes several uniform numbers have all of them mirrored.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> lengths = np.linalg.norm(orthogonal_coupled(Gaussian(), 2, 2, rng=0), axis=1)
    >>> float(np.exp(-(lengths**2) / 2).sum().round(6))
    1.0
    """
    kernel, m, d, rng = arguments("orthogonal_coupled", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = orthonormal_blocks(rng, m, d)
    spectrum = cast(Mixture, kernel.spectrum)
    U = uniform(rng, (m, spectrum.radius_uniforms))
    second = np.flatnonzero(np.arange(m) % d % 2)  # rows 1, 3, 5, ... of each block
    U[second] = 1 - U[second - 1]
    return Frequencies(
        for_lengthscale(kernel, spectrum.radius(inside(U), d)[:, None] * directions), "orthogonal_coupled", True
    )


def orthogonal_stratified(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """As ``orthogonal``, with the lengths of all m rows spread evenly over their law.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every isotropic kernel, at the cost of ``orthogonal``: the quantiles are (π(i) + u_i) / m with a
        random permutation π, one in each m-th part of (0, 1).

    Notes
    -----
    Stratified sampling (Owen 2013, "Monte Carlo theory, methods and examples", section 8.4) of the radius alone.

    Examples
    --------
    >>> from companion.kernels import Gaussian
    >>> lengths = np.linalg.norm(orthogonal_stratified(Gaussian(), 4, 2, rng=0), axis=1)
    >>> np.sort(np.floor(4 * np.exp(-(lengths**2) / 2)))
    array([0., 1., 2., 3.])
    """
    kernel, m, d, rng = arguments("orthogonal_stratified", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = orthonormal_blocks(rng, m, d)
    spectrum = cast(Mixture, kernel.spectrum)
    strata = np.tile(np.arange(m)[:, None], (1, spectrum.radius_uniforms))
    U = (rng.permuted(strata, axis=0) + uniform(rng, strata.shape)) / m
    radii = spectrum.radius(inside(U), d)
    return Frequencies(for_lengthscale(kernel, radii[:, None] * directions), "orthogonal_stratified", True)


def orthonormal_blocks(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """n directions: the columns of Haar matrices, of the last one only those that are needed."""
    n_whole, rest = divmod(n, dim)
    fix = "Use scheme='fastfood', or 'iid'."
    fits_memory("Gaussian matrices for orthogonal directions", n, dim, np.empty(0), fix, copies=5)
    parts = [haar(rng.standard_normal((n_whole, dim, dim)))] if n_whole else []
    parts += [haar(rng.standard_normal((1, dim, rest)))] if rest else []
    return np.concatenate(parts)


def haar(G: np.ndarray) -> np.ndarray:
    """The orthonormalised columns of the blocks G (n_blocks, d, r), as rows; diag(R) > 0 makes them unique."""
    Q, R = np.linalg.qr(G)
    Q *= np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
    return Q.transpose(0, 2, 1).reshape(-1, G.shape[1])
