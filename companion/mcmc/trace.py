"""What a run of many chains leaves: its draws, and what is known about them.

>>> trace = Trace(np.zeros((4, 10, 2)), np.zeros((4, 10)), np.full(4, 0.25))
>>> trace
Trace(4 chains, 10 draws, dim 2, acceptance_rate=0.25)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array

__all__ = ["Trace"]


@dataclass(frozen=True, eq=False)
class Trace:
    """Draws of many chains.

    Parameters
    ----------
    draws : array of shape (chain, draw, dim)
        After warm-up. In memory the chains are the last axis.
    log_density : array of shape (chain, draw), or None
        At the draws; None where no density was evaluated.
    acceptance_rate : array of shape (chain,)
        The share of accepted proposals after warm-up.
    accepted : bool array of shape (chain, draw), or None
        Whether the proposal that came before the draw was accepted.
    propose : callable or None
        The proposal as warm-up left it.
    thin : int
        Steps from draw to draw.
    """

    draws: Array
    log_density: Array | None
    acceptance_rate: Array
    accepted: Array | None = None
    propose: Any = None
    thin: int = 1

    def __repr__(self) -> str:
        chains, draws, dim = self.draws.shape
        rate = float(arrays.host(self.acceptance_rate).mean())
        return f"Trace({chains} chains, {draws} draws, dim {dim}, acceptance_rate={rate:.3g})"

    def to_datatree(self) -> Any:
        """The trace in arviz's layout, on the host.

        Returns
        -------
        xarray.DataTree
            Group ``posterior`` holds ``x`` with the dimensions chain, draw, dim; group ``sample_stats`` holds ``lp``,
            the log density, and ``acceptance_rate`` (0 or 1: whether the draw is a proposal that was accepted).
            ``arviz_stats.rhat``, ``ess`` and ``mcse`` take it.

        Raises
        ------
        ImportError
            If arviz-base is missing.

        Notes
        -----
        Page: ``sampling/tuning-and-diagnosing``.
        """
        with checks.needs("Trace.to_datatree", "arviz-base", extra="mcmc"):
            from arviz_base import from_dict
        stats = {"lp": self.log_density, "acceptance_rate": self.accepted}
        on_host = {name: arrays.host(x).astype(np.float64) for name, x in stats.items() if x is not None}
        groups = {"posterior": {"x": arrays.host(self.draws)}} | ({"sample_stats": on_host} if on_host else {})
        return from_dict(groups, dims={"x": ["dim"]}, attrs={"posterior": {"thin": self.thin}})
