"""Kernel machines f(x) = Σ_i a_i k(x, x_i): kernel ridge regression, and the support vector machine through its dual.

Ridge: the a with (K + penalty I) a = y minimises |y - K a|² + penalty aᵀ K a. Support vector machine: the α that
maximises Σ_i α_i - Σ_ij α_i α_j y_i y_j K_ij / 2 subject to Σ_i α_i y_i = 0 and 0 <= α_i <= C has f(x) = Σ_i α_i y_i
k(x, x_i) + b. On features φ, ``solve_primal`` minimises |w|²/2 + C Σ_i max(0, 1 - y_i ⟨w, φ_i⟩)² and ``ridge_path`` the
ridge objective by sums over the rows, which are streamed. Solutions carry their accuracy: the residual of the system,
and the duality gap.

>>> from companion.kernels import Gaussian
>>> K = Gaussian()([[0.0], [1.0]])
>>> solve_ridge(K, [0.0, 1.0], penalty=0.1).coef.round(3)
array([-0.72 ,  1.306])
>>> solve_dual(K, [-1.0, 1.0], C=10.0)
DualSolution(alpha=array([2.541, 2.541]), intercept=0, gap=0, n_iter=1, converged=True)
"""

from companion._core.checks import ConvergenceWarning, NotPSDError, NumericalWarning
from companion.svm.dual import DualSolution, dual_reference, intercept_reference, objectives_reference, solve_dual
from companion.svm.path import RidgePath, ridge_from_sums_reference, ridge_path, row_sums_reference
from companion.svm.primal import PrimalSolution, primal_reference, solve_primal
from companion.svm.psd import require_psd as require_psd
from companion.svm.ridge import RidgeSolution, ridge_reference, solve_ridge
from companion.svm.smo import intercept as intercept
from companion.svm.smo import working_pair as working_pair
from companion.svm.sums import Sums, block_sums, reduce_by_index

__all__ = ["ConvergenceWarning", "DualSolution", "NotPSDError", "NumericalWarning", "PrimalSolution", "RidgePath"]
__all__ += ["RidgeSolution", "Sums", "block_sums", "dual_reference", "intercept_reference", "objectives_reference"]
__all__ += ["primal_reference", "reduce_by_index", "ridge_path", "ridge_reference", "solve_dual", "solve_primal"]
__all__ += ["ridge_from_sums_reference", "row_sums_reference", "solve_ridge"]
