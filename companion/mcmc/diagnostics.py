"""Has it worked? R-hat compares chains, the effective sample size (ESS) counts, the MCSE is the error of the mean.

With m chains of n draws (each chain is split into two halves first), W the mean of their variances and B/n the variance
of their means,

    R̂² = (n - 1)/n + (B/n)/W            1 if the chains agree
    ESS = m n / τ,  τ = -1 + 2 Σ_k P_k    P_k = ρ_2k + ρ_2k+1, while they are positive, and never larger than the last
    MCSE = sd / √ESS

ρ_t = 1 - (W - mean of the autocovariances at lag t) / (W (n - 1)/n + B/n). Draws are replaced by the normal scores of
their ranks first, which makes R-hat and the ESS sane for heavy tails. Vehtari, Gelman, Simpson, Carpenter & Bürkner
2021, "Rank-normalization, folding, and localization: an improved R-hat", sections 3 and 4; Geyer 1992, "Practical
Markov chain Monte Carlo", section 3.3. These are the plain formulas; ``Trace.to_datatree`` hands the draws to arviz,
whose numbers are the same.

>>> draws = np.random.default_rng(0).standard_normal((4, 1000))
>>> round(rhat_reference(draws), 3), round(ess_reference(draws)), round(mcse_reference(draws), 4)
(1.0, 3926, 0.0159)
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import fft, stats

from companion._core import arrays, checks

__all__ = ["ess_reference", "mcse_reference", "rhat_reference"]


def rhat_reference(draws: Any) -> Any:
    """Rank-normalised split R-hat of draws of shape (chain, draw), or one for each dim of (chain, draw, dim).

    The larger of two: of the draws, and of their distances from the median, which sees chains of different width. It
    warns, and is NaN, for a single chain.
    """
    return _each(_rhat, draws, single="R-hat compares chains, and there is one: it is NaN. Run several chains.")


def ess_reference(draws: Any, *, kind: str = "bulk") -> Any:
    """Effective sample size of draws of shape (chain, draw), or one for each dim of (chain, draw, dim).

    ``kind`` is ``"bulk"``, of the normal scores, ``"mean"``, of the draws themselves, or ``"tail"``, the smaller of
    those of the indicators of the 5 % and 95 % quantiles. It warns for a single chain, which cannot see other modes.
    """
    checks.known("kind", kind, list(_KINDS))
    return _each(_KINDS[kind], draws, single="One chain cannot tell that it missed a part. Run several chains.")


def mcse_reference(draws: Any) -> Any:
    """Monte Carlo standard error of the mean: the standard deviation over the root of the ESS of the mean."""
    return _each(_mcse, draws, single="One chain cannot tell that it missed a part. Run several chains.")


def _each(formula: Callable[[np.ndarray], float], draws: Any, single: str) -> Any:
    x, _ = arrays.read("draws", arrays.host(draws), ndim=(2, 3))
    if x.shape[1] < 4:
        checks.fail("draws", "of shape (chain, draw) or (chain, draw, dim) with 4 draws", f"shape {x.shape}", "")
    if len(x) == 1:
        warnings.warn(single, checks.NumericalWarning, stacklevel=3)
    x = x.astype(np.float64)
    return formula(x) if x.ndim == 2 else np.array([formula(x[:, :, j]) for j in range(x.shape[2])])


def split(x: np.ndarray) -> np.ndarray:
    """Each chain (m, n) as two, (2 m, n // 2); the middle draw of an odd number is left out."""
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


def scores(x: np.ndarray) -> np.ndarray:
    """Normal scores of the ranks; ties, which rejections make, share their mean rank."""
    ranks = stats.rankdata(x).reshape(x.shape)
    return stats.norm.ppf((ranks - 3 / 8) / (x.size + 1 / 4))


def _rhat(x: np.ndarray) -> float:
    if len(x) == 1:
        return np.nan
    halves = split(x)
    return max(_spread(scores(halves)), _spread(scores(np.abs(halves - np.median(halves)))))


def _spread(z: np.ndarray) -> float:
    n = z.shape[1]
    within, between = z.var(axis=1, ddof=1).mean(), z.mean(axis=1).var(ddof=1)  # W and B/n
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.sqrt((n * between / within + n - 1) / n))


def autocovariance(z: np.ndarray) -> np.ndarray:
    """(1/n) Σ_i (z_i - mean)(z_i+t - mean) of each chain, for every lag t: (m, n) to (m, n)."""
    n = z.shape[1]
    length = fft.next_fast_len(2 * n, real=True)
    spectrum = np.abs(fft.rfft(z - z.mean(axis=1, keepdims=True), length)) ** 2
    return fft.irfft(spectrum, length)[:, :n] / n


def _ess(z: np.ndarray) -> float:
    m, n = z.shape
    if np.ptp(z) < np.finfo(float).resolution:
        return float(m * n)
    lags = autocovariance(z).mean(axis=0)  # (n,)
    within = lags[0] * n / (n - 1)
    rho = 1 - (within - lags) / (lags[0] + z.mean(axis=1).var(ddof=1))
    rho[0] = 1.0
    return m * n / max(_tau(rho), 1 / np.log10(m * n))


def _tau(rho: np.ndarray) -> float:
    """-1 + 2 Σ_k P_k, and the first half of the pair at which the sum stops, where that is positive."""
    last = max((len(rho) - 1) // 2 - 1, 0)  # the last pair that may be looked at
    pairs = rho[: 2 * (last + 1)].reshape(-1, 2).sum(axis=1)
    stop = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else last
    half = rho[2 * stop] if rho[2 * stop] > 0 or pairs[stop] >= 0 else 0.0
    return float(-1 + 2 * np.minimum.accumulate(pairs[:stop]).sum() + half)


def _tail(x: np.ndarray) -> float:
    return min(_ess(split(x <= np.quantile(x, q)).astype(float)) for q in (0.05, 0.95))


def _mcse(x: np.ndarray) -> float:
    return float(x.std(ddof=1) / np.sqrt(_KINDS["mean"](x)))


_KINDS: dict[str, Callable[[np.ndarray], float]] = {
    "bulk": lambda x: _ess(scores(split(x))),
    "mean": lambda x: _ess(split(x)),
    "tail": _tail,
}
