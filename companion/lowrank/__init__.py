"""Low rank: what stands for a matrix, the pseudo-inverse and singular values, terms of a product, columns, landmarks.

    the best of rank r    truncated_svd, nearly so randomized_svd    M ≈ U diag(s) Vᵀ
    terms of a product    column_row                                 AB = Σ_i a_i b_iᵀ, of which a sample is kept
    columns and rows      interpolative, cur                         M ≈ M[:, columns] Z
    points                nystroem, rp_cholesky                      K ≈ F Fᵀ from columns of a kernel matrix
    how many columns      columns_needed                             drawn blindly, and at best

Every approximation is a product of two thin factors; what differs is where their columns come from.

>>> from companion.kernels import Gaussian
>>> rp_cholesky(Gaussian(), [[0.0], [1.0], [1.0]], 3, rng=0).factor.shape
(3, 2)
"""

from companion.lowrank.choice import ColumnsNeeded, best_errors, columns_needed, drawn_error
from companion.lowrank.landmarks import LowRank, nystroem, rp_cholesky, rp_cholesky_reference

__all__: list[str] = []
__all__ += ["ColumnsNeeded", "best_errors", "columns_needed", "drawn_error"]
__all__ += ["LowRank", "nystroem", "rp_cholesky", "rp_cholesky_reference"]
