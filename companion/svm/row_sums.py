"""Ridge regression on features from sums over rows: G = ΦᵀΦ and b = Φᵀy, whatever the number of rows.

The weights w that minimise |y - Φw|² + penalty |w|² solve (G + penalty I) w = b. G and b are sums over rows, so blocks
of rows can be added one after another, and those of a fold subtracted. With the eigenvectors G = U diag(λ) Uᵀ every
penalty costs D² more operations. What comes in float32 is multiplied in float32 and added in float64.

>>> blocks = [(np.eye(2), np.array([1.0, 2.0])), (np.ones((1, 2)), np.array([3.0]))]
>>> n, G, b, yy = row_sums_reference(blocks)
>>> n, G.tolist(), b.tolist(), float(yy)
(3, [[2.0, 1.0], [1.0, 2.0]], [4.0, 5.0], 14.0)
>>> w, used = ridge_from_sums_reference(G, b, [0.0, 1.0])
>>> w.round(3).tolist(), used.round(2).tolist()
([[1.0, 2.0], [0.875, 1.375]], [2.0, 1.25])
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def row_sums_reference(
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
) -> tuple[int, Any, Any, float]:
    """The sums n, ΦᵀΦ, Φᵀy and yᵀy over blocks (features (m, D), targets (m,)) of any sizes."""
    n, G, b, yy = 0, 0.0, 0.0, 0.0
    for phi, y in blocks:
        n, yy = n + len(y), yy + y @ y
        G = G + (phi.T @ phi).astype(np.float64)
        b = b + phi.T @ y
    return n, G, b, yy


def ridge_from_sums_reference(
    G: np.ndarray, b: np.ndarray, penalties: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Weights, a row for each penalty, and the effective dimension Σ λ_i / (λ_i + penalty) at each."""
    values, U = np.linalg.eigh(G)
    c = U.T @ b
    w = [U @ (c / (values + penalty)) for penalty in penalties]
    used = [np.sum(values / (values + penalty)) for penalty in penalties]
    return np.array(w), np.array(used)
