"""Draws from a density p that is only known point by point, up to a constant.

    without a chain   rejection, importance       independent draws from a proposal, corrected by p / q
    one step          init, step                  Metropolis–Hastings, in a loop of yours
    many steps        sample_chains               all chains in one array, warm-up, a record to resume from
    proposals         gaussian_proposal, ...      where a chain may go next
    coordinates       gibbs                       from exact conditionals
    maxima            anneal                      p^(1/T) with falling T; the best is kept
    has it worked?    Trace.to_datatree           arviz's layout; rhat_reference, ess_reference, mcse_reference

``log_density`` maps positions of shape (chains, dim) to (chains,), ``initial`` has the shape (chains, dim), the draws
of a trace have the shape (chain, draw, dim). The law of a chain is right after any number of steps if it was right at
the start; if it was not, no number of steps makes it exactly right, and diagnostics can only find that chains disagree.

>>> log_density = lambda x: -abs(x).sum(axis=1)
>>> sample_chains(log_density, [[0.0]] * 50, 200, propose=gaussian_proposal(2.4), n_warmup=100, rng=0)
Trace(50 chains, 200 draws, dim 1, acceptance_rate=0.472)
"""

from companion.mcmc.anneal import Annealed, anneal, geometric_schedule, logarithmic_schedule
from companion.mcmc.chains import sample_chains
from companion.mcmc.diagnostics import ess_reference, mcse_reference, rhat_reference
from companion.mcmc.direct import (
    Estimate,
    Importance,
    Rejection,
    importance,
    importance_reference,
    rejection,
    rejection_reference,
)
from companion.mcmc.gibbs import by_enumeration, categorical, gibbs
from companion.mcmc.metropolis import Info, State, init, step, transition_matrix
from companion.mcmc.proposals import (
    gaussian_proposal,
    graph_proposal,
    independence_proposal,
    langevin_proposal,
    ring_proposal,
    site_proposal,
)
from companion.mcmc.trace import Trace

__all__ = ["Estimate", "Importance", "Rejection", "importance", "importance_reference", "rejection"]
__all__ += ["rejection_reference", "Info", "State", "init", "step", "transition_matrix", "sample_chains", "Trace"]
__all__ += ["gaussian_proposal", "graph_proposal", "independence_proposal", "langevin_proposal", "ring_proposal"]
__all__ += ["site_proposal", "by_enumeration", "categorical", "gibbs", "Annealed", "anneal", "geometric_schedule"]
__all__ += ["logarithmic_schedule", "ess_reference", "mcse_reference", "rhat_reference"]
