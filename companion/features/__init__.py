"""What is done with the projections XWᵀ: features φ with ⟨φ(x), φ(y)⟩ ≈ k(x, y), and the exact error of each entry.

``cosines`` holds random Fourier features, ``positive`` exponentials for the softmax kernel, ``optimal`` those of rows
that suit the data's norms, ``binning`` random binning, ``simple`` maps of one line, ``errors`` the variances.

>>> fourier([[0.0], [1.0]], W=[[1.0], [2.0]]).shape
(2, 4)
"""

from companion.features.binning import Grids, draw_grids, random_binning, random_binning_reference
from companion.features.cosines import (
    cosine_average_reference,
    draw_offsets,
    fourier,
    fourier_offset,
    fourier_reference,
)
from companion.features.errors import COLUMNS, MAPS, features_needed, standard_error
from companion.features.optimal import mean_square, optimal_hyperbolic, optimal_positive
from companion.features.positive import hyperbolic, positive
from companion.features.simple import elu_plus_one, relu, taylor

__all__ = ["COLUMNS", "MAPS", "Grids", "cosine_average_reference", "draw_grids", "draw_offsets", "elu_plus_one"]
__all__ += ["features_needed", "fourier", "fourier_offset", "fourier_reference", "hyperbolic", "mean_square"]
__all__ += ["optimal_hyperbolic", "optimal_positive", "positive", "random_binning", "random_binning_reference"]
__all__ += ["relu", "standard_error", "taylor"]
