"""How the frequencies w_1, ..., w_m of random features are drawn: the rows of a matrix W of shape (m, d).

A stationary kernel with k(0) = 1 is an average of cosines over its spectral law, k(δ) = E cos⟨w, δ⟩ (Bochner's theorem;
Rahimi & Recht 2007, "Random features for large-scale kernel machines", equation 2). The estimator is the mean of
cos⟨w_i, δ⟩ over the rows, or their weighted mean. It is unbiased wherever each row alone has the spectral law, however
the rows depend on each other. With independent rows its variance is (1 + k(2δ) - 2 k(δ)²) / (2m). Dependence is there
to lower it: rows in random orthogonal directions with independent lengths (Yu et al. 2016, "Orthogonal random
features", section 3), for the Gaussian, z = |δ| / lengthscale and m <= d, lower it by the factor

    1 + (m - 1) [1F1(d; d/2; -z²/2) - exp(-z²)] / [(1 - exp(-z²))² / 2]

(the series of Choromanski et al. 2018, "The geometry of random features", summed). Rows that are points of a quadrature
rule or of a low-discrepancy sequence have an error of smaller order than 1/√m while d is small.

>>> from companion.kernels import Gaussian
>>> W = draw(Gaussian(lengthscale=2.0), n_frequencies=5, dim=3, rng=0)
>>> W.shape, W.scheme, W.project([[0.0, 1.0, 2.0]]).shape
((5, 3), 'orthogonal', (1, 5))
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import roots_hermitenorm
from scipy.stats import qmc

from companion import _arrays, _checks, _hadamard, _refusals
from companion._arrays import Array, Seed
from companion._gram import only_for
from companion._hadamard import Hadamard, fastfood_reference, hadamard_reference, sorf_reference
from companion._spectra import uniform
from companion.kernels import Constant, Gaussian, Kernel, Polynomial, Precomputed, Product, Softmax, Stationary, Sum

__all__ = ["SCHEMES", "Frequencies", "draw", "fastfood", "fastfood_reference", "gauss_hermite"]
__all__ += ["gauss_hermite_reference", "haar_reference", "hadamard_reference", "halton", "iid", "orthogonal"]
__all__ += ["orthogonal_coupled", "orthogonal_reference", "orthogonal_stratified", "sobol", "sorf", "sorf_reference"]

_FASTFOOD_COST, _SORF_COST = 400, 450  # of a row, measured in multiplications of a plain matrix product
_SOBOL_BITS = 30
_HALTON_AXES = 2000
_ANY = "use 'iid', 'sobol' or 'halton'"
_ISOTROPIC = f"kernels whose spectrum is isotropic ({_ANY} for one that is a product of laws per feature)"
_GAUSSIAN = f"the Gaussian kernel ('orthogonal' and 'fastfood' take every isotropic one; for any, {_ANY})"
_ADVICE: dict[type, str] = {
    Sum: "Draw for each term and put their features side by side.",
    Product: "numpy.asarray(W1) + numpy.asarray(W2), drawn for its factors with different seeds, has its spectrum; the "
    "features of c * k are sqrt(c) times those of k.",
    Constant: "Its one feature is sqrt(value): append that column.",
    Polynomial: "Its features are monomials, not waves: expand them, or use the exact kernel.",
    Precomputed: "A matrix of similarities has no frequencies: use it as it is, or factorise it.",
    Softmax: "Multiply X by sqrt(scale) and draw for Softmax().",
}


@dataclass(frozen=True, eq=False, repr=False)
class Frequencies:
    """The matrix W of frequencies, as every feature map takes it; ``numpy.asarray`` gives its entries.

    Parameters
    ----------
    rows : array of shape (m, d)
        W, or what multiplies as W does.
    scheme : str
        How it was drawn.
    unbiased : bool
        Whether every row has the spectral law of the kernel, so that the mean of the estimate is the kernel exactly.
    weights : ndarray of shape (m,), optional
        The weights of the rows in the estimate, where they are not 1/m: not negative, of sum 1.

    Raises
    ------
    TypeError, ValueError
        If ``rows`` is not a finite matrix, or ``weights`` are not such numbers, one for each row.

    Examples
    --------
    >>> W = Frequencies([[1.0, 2.0]], scheme="by hand", unbiased=False)
    >>> W.project([[1.0, 1.0], [0.0, 1.0]])
    array([[3.],
           [2.]])
    """

    rows: Any
    scheme: str
    unbiased: bool
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not self.structured:
            object.__setattr__(self, "rows", np.array(_arrays.host_data("rows", self.rows)[0], np.float64))
        if self.weights is not None:
            weights = np.array(_arrays.host_data("weights", self.weights, ndim=(1,))[0], np.float64)
            _checks.one_each("weights", weights.shape, "W", self.shape)
            _refusals.weights("weights", weights)
            object.__setattr__(self, "weights", weights)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d): the numbers of frequencies and of features of the data."""
        return self.rows.shape

    @property
    def structured(self) -> bool:
        """Whether W is kept as factors, because ``project`` is faster with them than with W itself."""
        return isinstance(self.rows, Hadamard)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape))
        return f"Frequencies(<{size} matrix>, scheme={self.scheme!r}, unbiased={self.unbiased})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.rows, dtype=dtype, copy=copy)

    def project(self, X: Any) -> Array:
        """X Wᵀ: the inner products ⟨x_i, w_j⟩ of all samples and all frequencies.

        Parameters
        ----------
        X : array of shape (n, d)
            Samples.

        Returns
        -------
        array of shape (n, m)
            On the backend and device and in the dtype of X (float16 is computed in float32); gradients pass.

        Raises
        ------
        TypeError, ValueError
            If X is not a finite dense real matrix of d columns, or if a product overflows.
        """
        X, dtype = _arrays.data("X", X)
        _checks.same_features("X", tuple(X.shape), "W", self.shape)
        xp = _arrays.namespace(X)
        with np.errstate(over="ignore", invalid="ignore"):
            P = self.rows.project(X) if self.structured else X @ _arrays.follow(self.rows, X).T
            P = xp.astype(P, dtype, copy=False)
        if _arrays.checks_values(P) and not bool(xp.all(xp.isfinite(_arrays.detached(P)))):
            _checks.no_overflow("X Wᵀ", float(xp.finfo(dtype).max), "Scale the data, or use float64.")
        return P


def draw(kernel: Kernel, n_frequencies: int, dim: int, *, scheme: str | None = None, rng: Seed = None) -> Frequencies:
    """Draw frequencies for a kernel.

    Parameters
    ----------
    kernel : Kernel
        A stationary kernel, or ``Softmax()``, for which rows are drawn from N(0, I).
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
        scheme = "orthogonal" if _stationary(kernel).isotropic else "iid"
    _checks.known("scheme", scheme, list(SCHEMES))
    return SCHEMES[scheme](kernel, n_frequencies, dim, rng)


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

    Examples
    --------
    >>> iid(Gaussian(), 4, 2, rng=0).shape
    (4, 2)
    """
    kernel, m, d, rng = _checked("iid", kernel, n_frequencies, dim, rng)
    return _for_lengthscale(kernel, "iid", kernel._spectrum().sample(rng, m, d))


def haar_reference(dim: int, rng: np.random.Generator) -> np.ndarray:
    """An orthogonal matrix whose law no rotation changes (Haar): Q of G = QR with diag(R) > 0, for a Gaussian G.

    Parameters
    ----------
    dim : int
        The number of rows and columns.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (dim, dim)

    Notes
    -----
    Page: ``random-features/orthogonal-frequencies``. Stewart 1980, "The efficient generation of random orthogonal
    matrices"; Mezzadri 2007, "How to generate random matrices from the classical compact groups", on what goes wrong
    without the signs.

    Examples
    --------
    >>> Q = haar_reference(3, np.random.default_rng(0))
    >>> np.allclose(Q @ Q.T, np.eye(3))
    True
    """
    Q, R = np.linalg.qr(rng.standard_normal((dim, dim)))
    return Q * np.sign(np.diag(R))


def orthogonal_reference(n_frequencies: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Frequencies of the Gaussian kernel with lengthscale 1 in orthogonal blocks, straight from the definition.

    Parameters
    ----------
    n_frequencies : int
        The number of rows.
    dim : int
        The number of columns, and of rows in a block.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray of shape (n_frequencies, dim)

    Examples
    --------
    >>> W = orthogonal_reference(3, 3, np.random.default_rng(0))
    >>> (W @ W.T).round(10).astype(bool)
    array([[ True, False, False],
           [False,  True, False],
           [False, False,  True]])
    """
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
        Drawing costs about (4/3) m d² multiplications, and d² random numbers at least; projecting m d per sample.

    Notes
    -----
    Page: ``random-features/orthogonal-frequencies``. Reference: ``orthogonal_reference``. Yu et al. 2016, "Orthogonal
    random features", section 3; the same with one length for all rows estimates another kernel.

    Examples
    --------
    >>> W = np.asarray(orthogonal(Gaussian(), 2, 2, rng=0))
    >>> bool(abs(W[0] @ W[1]) < 1e-12)
    True
    """
    kernel, m, d, rng = _checked("orthogonal", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = _orthonormal_blocks(rng, m, d)
    spectrum = kernel._mixture()
    radii = spectrum.radius(uniform(rng, (m, spectrum.radius_uniforms)), d)
    return _for_lengthscale(kernel, "orthogonal", radii[:, None] * directions)


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
    >>> lengths = np.linalg.norm(orthogonal_coupled(Gaussian(), 2, 2, rng=0), axis=1)
    >>> float(np.exp(-(lengths**2) / 2).sum().round(6))
    1.0
    """
    kernel, m, d, rng = _checked("orthogonal_coupled", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = _orthonormal_blocks(rng, m, d)
    spectrum = kernel._mixture()
    U = uniform(rng, (m, spectrum.radius_uniforms))
    second = np.flatnonzero(np.arange(m) % d % 2)  # rows 1, 3, 5, ... of each block
    U[second] = 1 - U[second - 1]
    return _for_lengthscale(kernel, "orthogonal_coupled", spectrum.radius(_inside(U), d)[:, None] * directions)


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
    >>> lengths = np.linalg.norm(orthogonal_stratified(Gaussian(), 4, 2, rng=0), axis=1)
    >>> np.sort(np.floor(4 * np.exp(-(lengths**2) / 2)))
    array([0., 1., 2., 3.])
    """
    kernel, m, d, rng = _checked("orthogonal_stratified", kernel, n_frequencies, dim, rng, isotropic=True)
    directions = _orthonormal_blocks(rng, m, d)
    spectrum = kernel._mixture()
    strata = np.tile(np.arange(m)[:, None], (1, spectrum.radius_uniforms))
    U = (rng.permuted(strata, axis=0) + uniform(rng, strata.shape)) / m
    radii = spectrum.radius(_inside(U), d)
    return _for_lengthscale(kernel, "orthogonal_stratified", radii[:, None] * directions)


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

    Examples
    --------
    >>> np.linalg.norm(sorf(Gaussian(), 4, 4, rng=0), axis=1)
    array([2., 2., 2., 2.])
    """
    kernel, m, d, rng = _checked("sorf", kernel, n_frequencies, dim, rng, gaussian=True)
    signs = rng.choice([-1.0, 1.0], size=(3, *_blocks(m, d)))
    rows = _hadamard.sorf(signs, (m, d))
    return _for_lengthscale(kernel, "sorf", _cheaper(rows, _SORF_COST), unbiased=False)


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
    time". Without bias: row i of H G is a Gaussian vector (signs of g_j changed), which the orthogonal matrix
    P H B / √p turns into another one of the same length |g|, so row i of W is (radius_i / |g|) times an isotropic
    vector of length |g|: a uniform direction times a length of its own. And for d < p the first d coordinates of
    √V z, z ~ N(0, I_p), are √V z with z ~ N(0, I_d): the radius law in dimension p is the right one.

    Examples
    --------
    >>> fastfood(Gaussian(), 5, 3, rng=0).shape
    (5, 3)
    """
    kernel, m, d, rng = _checked("fastfood", kernel, n_frequencies, dim, rng, isotropic=True)
    spectrum, (n_blocks, p) = kernel._mixture(), _blocks(m, d)
    signs = rng.choice([-1.0, 1.0], size=(n_blocks, p))
    order = rng.permuted(np.tile(np.arange(p), (n_blocks, 1)), axis=1)
    g = rng.standard_normal((n_blocks, p))
    radii = spectrum.radius(uniform(rng, (n_blocks * p, spectrum.radius_uniforms)), p).reshape(n_blocks, p)
    rows = _hadamard.fastfood(radii, g, order, signs, (m, d))
    return _for_lengthscale(kernel, "fastfood", _cheaper(rows, _FASTFOOD_COST))


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

    Examples
    --------
    >>> sobol(Gaussian(), 8, 2, rng=0).shape
    (8, 2)
    """
    kernel, m, d, rng = _checked("sobol", kernel, n_frequencies, dim, rng)
    spectrum = kernel._spectrum()
    n_axes = spectrum.uniforms(d)
    _checks.at_most("n_frequencies", m, 2**_SOBOL_BITS, "The sequence has no more points: use 'halton'.")
    _checks.at_most("dim", n_axes, qmc.Sobol.MAXDIM, "There are no more axes of a Sobol sequence: use 'orthogonal'.")
    cells = qmc.Sobol(n_axes, bits=_SOBOL_BITS, rng=_child(rng)).random_base2((m - 1).bit_length())[:m]
    U = cells + uniform(rng, cells.shape) * 2.0**-_SOBOL_BITS
    return _for_lengthscale(kernel, "sobol", spectrum.from_uniform(_inside(U), d))


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

    Examples
    --------
    >>> halton(Gaussian(), 7, 2, rng=0).shape
    (7, 2)
    """
    kernel, m, d, rng = _checked("halton", kernel, n_frequencies, dim, rng)
    spectrum = kernel._spectrum()
    _checks.at_most("dim", spectrum.uniforms(d), _HALTON_AXES, "Permuting digits takes too long: use 'sobol'.")
    U = qmc.Halton(spectrum.uniforms(d), rng=_child(rng)).random(m)
    return _for_lengthscale(kernel, "halton", spectrum.from_uniform(_inside(U), d))


def gauss_hermite_reference(n_nodes: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The tensor grid of the Gauss rule for N(0, I), straight from the definition: all nodes, and their weights.

    Parameters
    ----------
    n_nodes : int
        q, the number of nodes along each axis.
    dim : int
        d.

    Returns
    -------
    nodes : ndarray of shape (q^d, d)
        In lexicographic order.
    weights : ndarray of shape (q^d,)
        They sum to 1.

    Examples
    --------
    >>> gauss_hermite_reference(2, dim=1)
    (array([[-1.],
           [ 1.]]), array([0.5, 0.5]))
    """
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
        are enough; of these the ``n_frequencies`` heaviest are kept, or all if there are fewer. Drawing costs at most
        a few million products, projecting m d multiplications per sample.

    Notes
    -----
    Page: ``random-features/quasi-random-frequencies``. Reference: ``gauss_hermite_reference``, the whole grid. Dao, De
    Sa & Ré 2017, "Gaussian quadrature for kernel features". The rule itself is off by at most q!/(2q)! Σ_c z_c^(2q) for
    z_c = δ_c / lengthscale_c (the remainder of the Gauss rule for cos), what is dropped costs at most twice its weight.
    q is such that the weight and the remainder at one z_c = 3 are least together, and the weight is at most 0.001.

    Examples
    --------
    >>> W = gauss_hermite(Gaussian(), 10, 1)
    >>> estimate = np.sum(W.weights * np.cos(W.project([[1.0]])))
    >>> bool(abs(estimate - np.exp(-0.5)) < 1e-12)
    True
    """
    kernel, m, d, _ = _checked("gauss_hermite", kernel, n_frequencies, dim, rng, gaussian=True)
    if m < 2 ** (d - 1):
        fix = f"Raise it or use 'orthogonal': a grid has at least 2 nodes along each of the {d} axes."
        _checks.fail("n_frequencies", f"at least 2**{d - 1} for scheme='gauss_hermite'", str(m), fix)
    losses = {}
    for q in range(2, 65):
        if q > 2 and q**d > max(2 * m, 2**20):
            break
        dropped = 1.0 - np.sum(_heaviest_half(q, d)[1][:m])
        if dropped <= 1e-3:
            losses[q] = max(dropped, 0.0) + math.exp(math.lgamma(q + 1) - math.lgamma(2 * q + 1) + 2 * q * math.log(3))
    nodes, weights = _heaviest_half(min(losses, key=lambda q: losses[q]), d)
    return _for_lengthscale(kernel, "gauss_hermite", nodes[:m], False, weights[:m] / np.sum(weights[:m]))


def _heaviest_half(q: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The first half of the grid of q nodes per axis, which the other half mirrors, by falling weight."""
    x, w = roots_hermitenorm(q)
    index = np.unravel_index(np.arange((q**d + 1) // 2), (q,) * d)
    weights = 2 * np.prod([(w / w.sum())[i] for i in index], axis=0)
    weights[q**d // 2 :] /= 2  # the origin, which is its own mirror image, if q is odd
    order = np.argsort(-np.log(weights).round(9), kind="stable")
    return np.stack([x[i] for i in index], axis=1)[order], weights[order]


def _stationary(kernel: Any) -> Stationary:
    """The kernel whose spectrum is drawn from; N(0, I) for the softmax kernel."""
    if isinstance(kernel, Softmax) and float(_arrays.host(kernel.scale)) == 1.0:
        return Gaussian()
    if not isinstance(kernel, Stationary):
        fix = _ADVICE.get(type(kernel), "For example companion.kernels.Gaussian(lengthscale=2.0).")
        error = ValueError if isinstance(kernel, Kernel) else TypeError
        _checks.fail("kernel", "stationary, or Softmax(scale=1.0)", repr(kernel), fix, error)
    return kernel


def _checked(
    scheme: str, kernel: Any, n: Any, dim: Any, rng: Seed, *, isotropic: bool = False, gaussian: bool = False
) -> tuple[Stationary, int, int, np.random.Generator]:
    """The arguments of a scheme, or the reason why it cannot draw."""
    kernel = _stationary(kernel)
    if gaussian and not isinstance(kernel, Gaussian):
        only_for(f"scheme={scheme!r}", kernel, _GAUSSIAN)
    if isotropic and not kernel.isotropic:
        only_for(f"scheme={scheme!r}", kernel, _ISOTROPIC)
    _checks.integer("n_frequencies", n, minimum=1)
    _checks.integer("dim", dim, minimum=1)
    _checks.fits_memory("W", (n, dim), 8, _arrays.memory(np.empty(0)), "Draw fewer frequencies.")
    kernel._host_lengthscale(dim)
    return kernel, int(n), int(dim), _arrays.generator(rng, "frequencies")


def _for_lengthscale(
    kernel: Stationary, scheme: str, rows: Any, unbiased: bool = True, weights: np.ndarray | None = None
) -> Frequencies:
    return Frequencies(kernel._for_lengthscale(rows), scheme, unbiased, weights)


def _child(rng: np.random.Generator) -> np.random.Generator:
    """A generator that the state of ``rng`` decides; SciPy would look at its seed only."""
    return np.random.default_rng(rng.integers(2**32, size=4))


def _inside(U: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1] without the two ends, where quantiles are infinite; a change with probability below 1e-15."""
    return np.clip(U, 2.0**-54, 1 - 2.0**-53)


def _orthonormal_blocks(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """n directions: the columns of Haar matrices, the last one cut."""
    shape, fix = (-(-n // dim) * dim, dim), "Use scheme='fastfood', or 'iid'."
    _checks.fits_memory("Gaussian matrices for orthogonal directions", shape, 8, _arrays.memory(np.empty(0)), fix)
    G = rng.standard_normal((-(-n // dim), dim, dim))
    n_whole = n // dim
    parts = [_haar(G[:n_whole])] if n_whole else []
    parts += [_haar(G[n_whole:, :, : n % dim])] if n % dim else []
    return np.concatenate(parts)


def _haar(G: np.ndarray) -> np.ndarray:
    """The orthonormalised columns of the blocks G (n_blocks, d, r), as rows; diag(R) > 0 makes them unique."""
    Q, R = np.linalg.qr(G)
    Q *= np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
    return Q.transpose(0, 2, 1).reshape(-1, G.shape[1])


def _blocks(n: int, dim: int) -> tuple[int, int]:
    """The number of blocks, and their size p: the power of 2 from dim on."""
    p = 1 << (dim - 1).bit_length()
    return -(-n // p), p


def _cheaper(rows: Hadamard, cost: int) -> Any:
    """The factors, or the matrix where a plain product with it is faster."""
    n_blocks, p = rows.scales.shape[1:]
    return rows if rows.shape[0] * rows.shape[1] > cost * n_blocks * p else np.asarray(rows)


SCHEMES: dict[str, Callable[..., Frequencies]] = {
    scheme.__name__: scheme
    for scheme in [iid, orthogonal, orthogonal_coupled, orthogonal_stratified, sorf, fastfood]
    + [sobol, halton, gauss_hermite]
}
