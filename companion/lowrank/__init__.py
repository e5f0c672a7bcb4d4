"""Low rank: what stands for a matrix, the pseudo-inverse and singular values, terms of a product, columns, landmarks.

    the best of rank r    truncated_svd, nearly so randomized_svd    M ≈ U diag(s) Vᵀ
    terms of a product    column_row                                 AB = Σ_i a_i b_iᵀ, of which a sample is kept
    columns and rows      interpolative, cur                         M ≈ M[:, columns] Z
    points                nystroem, rp_cholesky                      K ≈ F Fᵀ from columns of a kernel matrix

Every approximation is a product of two thin factors; what differs is where their columns come from.

>>> cur([[1.0, 2.0], [2.0, 4.0]], 1, rng=0)
CUR(1 of 2 columns, 1 of 2 rows)
"""

from companion.lowrank.skeleton import CUR, Interpolative, cur, cur_reference, interpolative, interpolative_reference

__all__: list[str] = []
__all__ += ["CUR", "Interpolative", "cur", "cur_reference", "interpolative", "interpolative_reference"]
