"""How the frequencies w_1, ..., w_m of random features are drawn: the rows of a matrix W of shape (m, d).

A stationary kernel with k(0) = 1 is an average of cosines over its spectral law, k(δ) = E cos⟨w, δ⟩ (Bochner's theorem;
Rahimi & Recht 2007, "Random features for large-scale kernel machines", equation 2). The estimator is the mean of
cos⟨w_i, δ⟩ over the rows, or their weighted mean. It is unbiased wherever each row alone has the spectral law, however
the rows depend on each other; dependence is there to lower the variance. One file holds each family of schemes.

>>> from companion.kernels import Gaussian
>>> W = draw(Gaussian(lengthscale=2.0), n_frequencies=5, dim=3, rng=0)
>>> W.shape, W.scheme, W.project([[0.0, 1.0, 2.0]]).shape
((5, 3), 'orthogonal', (1, 5))
"""

from collections.abc import Callable
from typing import Any

from companion._core import checks
from companion._core.arrays import Seed
from companion.frequencies.base import Frequencies, stationary
from companion.frequencies.chains import chains, from_log_density
from companion.frequencies.grids import gauss_hermite, gauss_hermite_reference
from companion.frequencies.hadamard import fastfood_reference, hadamard_reference, sorf_reference
from companion.frequencies.independent import halton, iid, sobol
from companion.frequencies.orthogonal import (
    haar_reference,
    orthogonal,
    orthogonal_coupled,
    orthogonal_reference,
    orthogonal_stratified,
)
from companion.frequencies.structured import fastfood, sorf

__all__ = ["SCHEMES", "Frequencies", "chains", "draw", "fastfood", "fastfood_reference"]
__all__ += [
    "from_log_density",
    "gauss_hermite",
    "gauss_hermite_reference",
    "haar_reference",
    "hadamard_reference",
    "halton",
]
__all__ += ["iid", "orthogonal", "orthogonal_coupled", "orthogonal_reference"]
__all__ += ["orthogonal_stratified", "sobol", "sorf", "sorf_reference"]


def draw(kernel: Any, n_frequencies: int, dim: int, *, scheme: str | None = None, rng: Seed = None) -> Frequencies:
    """Draw frequencies for a kernel.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel, or ``Softmax()``, for which rows are drawn from N(0, I); for ``"chains"`` any object with
        the method ``spectral_log_density``.
    n_frequencies : int
        m, the number of rows: twice as many feature columns for pairs of cosine and sine.
    dim : int
        d, the number of features of the data.
    scheme : str, optional
        A key of ``SCHEMES``, each of which is a function of this module. If left out, ``"orthogonal"`` where the
        spectrum of the kernel is isotropic and ``"iid"`` otherwise.
    rng : int, numpy.random.Generator, numpy.random.RandomState or None
        Seed.

    Returns
    -------
    Frequencies

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range, or the scheme cannot draw for this kernel.

    Notes
    -----
    Page: ``random-features/random-fourier-features``.

    Examples
    --------
    >>> from companion.kernels import Laplacian
    >>> draw(Laplacian(), n_frequencies=4, dim=2, rng=0).scheme
    'iid'
    """
    if scheme is None:
        scheme = "orthogonal" if stationary(kernel).isotropic else "iid"
    if scheme not in SCHEMES:
        checks.known("scheme", scheme, list(SCHEMES))
    return SCHEMES[scheme](kernel, n_frequencies, dim, rng)


SCHEMES: dict[str, Callable[..., Frequencies]] = {
    scheme.__name__: scheme
    for scheme in [iid, orthogonal, orthogonal_coupled, orthogonal_stratified, sorf, fastfood]
    + [sobol, halton, gauss_hermite, chains]
}
