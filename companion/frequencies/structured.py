"""Blocks kept as factors: SORF and Fastfood, whose rows come from Hadamard matrices, signs and permutations.

``hadamard`` holds the formulas and the fast products. SORF is biased: all lengths are √p and directions are not uniform
(Yu et al. 2016, "Orthogonal random features", section 4). Fastfood is not (Le, Sarlós & Smola 2013, "Fastfood:
approximating kernel expansions in loglinear time"): row i of H G is a Gaussian vector (signs of g_j changed), which the
orthogonal matrix P H B / √p turns into another one of the same length |g|, so row i of W is (radius_i / |g|) times an
isotropic vector of length |g|: a uniform direction times a length of its own. And for d < p the first d coordinates of
√V z, z ~ N(0, I_p), are √V z with z ~ N(0, I_d): the radius law in dimension p is the right one.

>>> from companion.kernels import Gaussian
>>> np.linalg.norm(sorf(Gaussian(), 4, 4, rng=0), axis=1)
array([2., 2., 2., 2.])
"""

from typing import Any, cast

import numpy as np

from companion._core.arrays import Seed
from companion.frequencies import hadamard
from companion.frequencies.base import Frequencies, arguments
from companion.frequencies.hadamard import Hadamard
from companion.kernels.base import Kernel
from companion.kernels.spectra import Mixture, uniform
from companion.kernels.stationary import for_lengthscale

FASTFOOD_COST, SORF_COST = 400, 450  # of a row, measured in multiplications of a plain matrix product


def sorf(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """Blocks √p H D1 H D2 H D3: normalised Hadamard matrices H and random signs D; p is the power of 2 from d on.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Biased, for the Gaussian only: all lengths are √p and directions are not uniform. For d = 2 the rows are
        (±1, ±1), which estimates cos δ_1 cos δ_2; the bias falls as d grows. Drawing costs 3 m signs, projecting about
        6 m √p multiplications per sample where that is faster than m d.

    Notes
    -----
    Reference: ``sorf_reference``. Yu et al. 2016, "Orthogonal random features", section 4. ``fastfood`` costs less and
    has no bias.
    """
    kernel, m, d, rng = arguments("sorf", kernel, n_frequencies, dim, rng, gaussian=True)
    signs = rng.choice([-1.0, 1.0], size=(3, *_blocks(m, d)))
    rows = hadamard.sorf(signs, (m, d))
    return Frequencies(for_lengthscale(kernel, _cheaper(rows, SORF_COST)), "sorf", False)


def fastfood(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """Blocks S H G P H B / √p: Hadamard H, lengths S, Gaussian diagonal G, permutation P, signs B; p as in ``sorf``.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every isotropic kernel; rows of a block depend on each other. Drawing costs 4 m random numbers,
        projecting about 4 m √p multiplications per sample where that is faster than m d.

    Notes
    -----
    Reference: ``fastfood_reference``. Le, Sarlós & Smola 2013, "Fastfood: approximating kernel expansions in loglinear
    time".
    """
    kernel, m, d, rng = arguments("fastfood", kernel, n_frequencies, dim, rng, isotropic=True)
    spectrum, (n_blocks, p) = cast(Mixture, kernel.spectrum), _blocks(m, d)
    signs = rng.choice([-1.0, 1.0], size=(n_blocks, p))
    order = rng.permuted(np.tile(np.arange(p), (n_blocks, 1)), axis=1)
    g = rng.standard_normal((n_blocks, p))
    radii = spectrum.radius(uniform(rng, (n_blocks * p, spectrum.radius_uniforms)), p).reshape(n_blocks, p)
    rows = hadamard.fastfood(radii, g, order, signs, (m, d))
    return Frequencies(for_lengthscale(kernel, _cheaper(rows, FASTFOOD_COST)), "fastfood", True)


def _blocks(n: int, dim: int) -> tuple[int, int]:
    """The number of blocks, and their size p: the power of 2 from dim on."""
    p = 1 << (dim - 1).bit_length()
    return -(-n // p), p


def _cheaper(rows: Hadamard, cost: int) -> Any:
    """The factors, or the matrix where a plain product with it is faster."""
    n_blocks, p = rows.scales.shape[1:]
    return rows if rows.shape[0] * rows.shape[1] > cost * n_blocks * p else np.asarray(rows)
