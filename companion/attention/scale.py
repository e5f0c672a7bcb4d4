"""The scale of softmax attention that grows with the logarithm of the number of keys.

    scale(n) = log n / log n_train / √dim,    1/√dim at n = n_train,    0 for a single key

(Su 2021, kexue.fm/archives/8823; Nakanishi 2025, "Scalable-Softmax is superior for attention", learns the factor of
log n). With a fixed scale more keys share the weight as n grows. For Gaussian scores of standard deviation σ at
n_train the entropy of the weights is about log n − (σ log n / log n_train)² / 2, a parabola in log n, while the spread
σ log n / log n_train is well below √(2 log n). Nearer to √(2 log n), where the scores freeze, it is larger than this.

>>> entropy_scale(512, dim=64)
0.125
"""

from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import checks


def entropy_scale_reference(n: np.ndarray, dim: int, n_train: int = 512) -> np.ndarray:
    """log n / log n_train / √dim, straight from the formula."""
    return np.log(n) / np.log(n_train) / np.sqrt(dim)


def entropy_scale(n: Any, dim: int, n_train: int = 512) -> Any:
    """The scale log n / log n_train / √dim of the inner products of a query with n keys.

    Parameters
    ----------
    n : int, or array of int of any shape
        Number of keys that a query may attend to, at least 1: without padding, and i + 1 for row i of causal attention.
    dim : int
        Coordinates d of a query.
    n_train : int
        Number of keys for which the scale is 1/√d, at least 2: the length at which the usual scale is right.

    Returns
    -------
    float, or array of the shape of n
        In float64, on the host.

    Raises
    ------
    TypeError, ValueError
        If a number is not an integer or too small, or n is a tensor.

    Notes
    -----
    Page: ``attention/entropy-scale``. ``softmax_attention`` and ``performer_attention`` take one number as ``scale``.
    A scale for each row goes into the query: ``softmax_attention(query * scale[:, None], key, value, scale=1.0)``.

    Examples
    --------
    >>> entropy_scale([1, 8, 64], dim=4, n_train=64)
    array([0.  , 0.25, 0.5 ])
    """
    checks.integer("dim", dim, 1)
    checks.integer("n_train", n_train, 2)
    scale = entropy_scale_reference(_read_counts(n), dim, n_train)
    return scale if scale.ndim else float(scale)


def _read_counts(n: Any) -> np.ndarray:
    """Numbers of keys, at least 1 each."""
    if compat.is_torch_array(n):
        checks.on_host("n", "a tensor", "an integer, or n.numpy()")
    counts = np.asarray(n)
    expected = "an integer >= 1, or an array of such"
    if counts.dtype.kind not in "iu":
        checks.fail("n", expected, f"dtype {counts.dtype}", "It counts keys: int(n), n.astype(int).", TypeError)
    if counts.size == 0 or counts.min() < 1:
        got = f"the number {counts.min()}" if counts.size else f"shape {counts.shape}"
        checks.fail("n", expected, got, "Row i of causal attention has i + 1 keys.")
    return counts.astype(np.float64)  # the logarithm of a uint8 is a float16
