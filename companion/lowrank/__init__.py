"""Low rank: what stands for a matrix, the pseudo-inverse and singular values, terms of a product, columns, landmarks.

    the best of rank r    truncated_svd, nearly so randomized_svd    M ≈ U diag(s) Vᵀ
    terms of a product    column_row                                 AB = Σ_i a_i b_iᵀ, of which a sample is kept
    columns and rows      interpolative, cur                         M ≈ M[:, columns] Z
    points                nystroem, rp_cholesky                      K ≈ F Fᵀ from columns of a kernel matrix
    how many columns      columns_needed                             drawn blindly, and at best

Every approximation is a product of two thin factors; what differs is where their columns come from.

>>> pinv([[3.0], [4.0]])
array([[0.12, 0.16]])
>>> truncated_svd([[1.0, 2.0], [2.0, 4.0]], rank=1).s.round(6)
array([5.])
>>> column_row([[3.0, 0.0, 1.0]], [[2.0], [9.0], [6.0]], 1, probabilities="top").product  # 3 * 2 + 0 * 9 + 1 * 6
array([[6.]])
>>> cur([[1.0, 2.0], [2.0, 4.0]], 1, rng=0)
CUR(1 of 2 columns, 1 of 2 rows)
>>> from companion.kernels import Gaussian
>>> rp_cholesky(Gaussian(), [[0.0], [1.0], [1.0]], 3, rng=0).factor.shape
(3, 2)
"""

from companion.lowrank.choice import ColumnsNeeded, best_errors, columns_needed, drawn_error
from companion.lowrank.inverse import Rank, numerical_rank, penrose_residuals, pinv, pinv_reference
from companion.lowrank.landmarks import LowRank, nystroem, rp_cholesky, rp_cholesky_reference
from companion.lowrank.products import ColumnRow, column_row, column_row_error, column_row_reference
from companion.lowrank.skeleton import CUR, Interpolative, cur, cur_reference, interpolative, interpolative_reference
from companion.lowrank.svd import (
    SVD,
    ResidualNorms,
    randomized_svd,
    randomized_svd_reference,
    residual_norms,
    truncated_svd,
)

__all__: list[str] = []
__all__ += ["Rank", "numerical_rank", "penrose_residuals", "pinv", "pinv_reference"]
__all__ += ["SVD", "ResidualNorms", "randomized_svd", "randomized_svd_reference", "residual_norms", "truncated_svd"]
__all__ += ["ColumnRow", "column_row", "column_row_error", "column_row_reference"]
__all__ += ["CUR", "Interpolative", "cur", "cur_reference", "interpolative", "interpolative_reference"]
__all__ += ["ColumnsNeeded", "best_errors", "columns_needed", "drawn_error"]
__all__ += ["LowRank", "nystroem", "rp_cholesky", "rp_cholesky_reference"]
