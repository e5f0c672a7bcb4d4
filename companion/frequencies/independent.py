"""Rows drawn one by one (iid), or points of a low-discrepancy sequence mapped to the law of the kernel (sobol, halton).

The estimate is the mean of cos⟨w_j, δ⟩ over the rows. It is unbiased, since each row alone has the spectral law. With
independent rows its variance is (1 + k(2δ) - 2 k(δ)²) / (2m). Scrambled points of a sequence fill the unit cube more
evenly than chance does; while d is small their error is of smaller order than 1/√m (Avron et al. 2016, "Quasi-Monte
Carlo feature maps for shift-invariant kernels").

>>> from companion.kernels import Gaussian
>>> iid(Gaussian(), 4, 2, rng=0).shape, sobol(Gaussian(), 8, 2, rng=0).shape
((4, 2), (8, 2))
"""

import numpy as np

from companion._core import checks
from companion._core.arrays import Seed
from companion.frequencies.base import Frequencies, arguments, inside
from companion.kernels.base import Kernel
from companion.kernels.spectra import uniform
from companion.kernels.stationary import for_lengthscale

_SOBOL_BITS = 30
_HALTON_AXES = 2000


def iid(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """Independent rows from the spectral law of the kernel.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every stationary kernel. Drawing costs m d random numbers, projecting m d multiplications per
        sample.

    Notes
    -----
    Rahimi & Recht 2007, "Random features for large-scale kernel machines", algorithm 1.
    """
    kernel, m, d, rng = arguments("iid", kernel, n_frequencies, dim, rng, copies=2)
    return Frequencies(for_lengthscale(kernel, kernel.spectrum.sample(rng, m, d)), "iid", True)


def sobol(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """The first m points of a scrambled Sobol sequence, mapped to the spectral law by its quantile functions.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every stationary kernel: each scrambled point is uniform. Best with m a power of 2: other m cut
        the sequence, without a warning. Drawing costs O(m d), projecting m d multiplications per sample.

    Notes
    -----
    Page: ``random-features/quasi-random-frequencies``. Avron et al. 2016, "Quasi-Monte Carlo feature maps for
    shift-invariant kernels". SciPy's scrambling is a random linear matrix and a digital shift (Matoušek
    1998, "On the L2-discrepancy for anchored boxes") and gives multiples of 2^-30; a uniform shift inside its cell
    makes each point exactly uniform.
    """
    from scipy.stats import qmc  # it costs half a second

    kernel, m, d, rng = arguments("sobol", kernel, n_frequencies, dim, rng, copies=5)
    spectrum = kernel.spectrum
    n_axes = spectrum.uniforms(d)
    checks.at_most("n_frequencies", m, 2**_SOBOL_BITS, "The sequence has no more points: use 'halton'.")
    checks.at_most("dim", n_axes, qmc.Sobol.MAXDIM, "There are no more axes of a Sobol sequence: use 'orthogonal'.")
    cells = qmc.Sobol(n_axes, bits=_SOBOL_BITS, rng=_child(rng)).random_base2((m - 1).bit_length())[:m]
    U = cells + uniform(rng, cells.shape) * 2.0**-_SOBOL_BITS
    return Frequencies(for_lengthscale(kernel, spectrum.from_uniform(inside(U), d)), "sobol", True)


def halton(kernel: Kernel, n_frequencies: int, dim: int, rng: Seed = None) -> Frequencies:
    """The first m points of a scrambled Halton sequence, mapped to the spectral law by its quantile functions.

    Parameters
    ----------
    kernel, n_frequencies, dim, rng : as in ``draw``

    Returns
    -------
    Frequencies
        Unbiased for every stationary kernel: each scrambled point is uniform. Any m will do. Drawing costs O(m d), and
        O(d² log d) for the permutations of digits; projecting m d multiplications per sample.

    Notes
    -----
    Page: ``random-features/quasi-random-frequencies``. Avron et al. 2016, "Quasi-Monte Carlo feature maps for
    shift-invariant kernels"; digits are permuted at random as in Owen 2017, "A randomized Halton algorithm
    in R".
    """
    from scipy.stats import qmc  # it costs half a second

    kernel, m, d, rng = arguments("halton", kernel, n_frequencies, dim, rng, copies=7)
    spectrum = kernel.spectrum
    checks.at_most("dim", spectrum.uniforms(d), _HALTON_AXES, "Permuting digits takes too long: use 'sobol'.")
    U = qmc.Halton(spectrum.uniforms(d), rng=_child(rng)).random(m)
    return Frequencies(for_lengthscale(kernel, spectrum.from_uniform(inside(U), d)), "halton", True)


def _child(rng: np.random.Generator) -> np.random.Generator:
    """A generator that the state of ``rng`` decides; SciPy would look at its seed only."""
    return np.random.default_rng(rng.integers(2**32, size=4))
