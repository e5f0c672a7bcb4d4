"""R-hat, effective sample sizes and standard errors: against arviz-stats, and against what is known exactly."""

import sys

import numpy as np
import pytest
from scipy import signal, stats

from companion._core.checks import NumericalWarning
from companion.mcmc import (
    Trace,
    ess_reference,
    gaussian_proposal,
    gibbs,
    mcse_reference,
    rhat_reference,
    sample_chains,
)

ALARM = 1e-6


def autoregressive(chains, draws, phi, seed=0):
    """x_t = phi x_t-1 + sqrt(1 - phi²) z_t from its own law: N(0, 1), with τ = (1 + phi) / (1 - phi)."""
    z = np.random.default_rng([seed, 5]).standard_normal((chains, draws))
    z[:, 1:] *= np.sqrt(1 - phi**2)
    return signal.lfilter([1], [1, -phi], z, axis=1)


CASES = [
    (2, 4, 0.5),
    (3, 5, 0.0),
    (1, 6, 0.3),
    (2, 7, -0.9),
    (4, 100, -0.5),
    (4, 101, 0.9),
    (3, 400, 0.99),
    (5, 333, 0.0),
]


@pytest.mark.parametrize(("chains", "draws", "phi"), CASES)
@pytest.mark.parametrize("kind", ["plain", "ties", "heavy", "shifted"])
@pytest.mark.filterwarnings("ignore::companion._core.checks.NumericalWarning")
def test_the_formulas_give_the_numbers_of_arviz(chains, draws, phi, kind):
    peer = pytest.importorskip("arviz_stats.base.diagnostics")._DiagnosticsBase()
    x = autoregressive(chains, draws, phi)
    x = {"plain": x, "ties": np.round(2 * x), "heavy": np.tan(x), "shifted": x + 2 * np.arange(chains)[:, None]}[kind]
    if chains > 1:
        np.testing.assert_allclose(rhat_reference(x), peer._rhat_rank(x), rtol=1e-12)
    for name, theirs in (("bulk", peer._ess_bulk(x)), ("mean", peer._ess_mean(x)), ("tail", peer._ess_tail(x, 0.05))):
        np.testing.assert_allclose(ess_reference(x, kind=name), theirs, rtol=1e-10, err_msg=name)
    np.testing.assert_allclose(mcse_reference(x), peer._mcse_mean(x), rtol=1e-10)


def test_chains_that_do_not_move_give_the_numbers_of_arviz():
    peer = pytest.importorskip("arviz_stats.base.diagnostics")._DiagnosticsBase()
    x = np.ones((2, 10))
    assert ess_reference(x) == peer._ess_bulk(x) == 20


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_standard_error_is_that_of_the_mean(phi):
    """The mean of n draws has the variance (1/n) Σ_t (1 - |t|/n) phi^|t|, exactly."""
    n, t = 2000, np.arange(1, 2000)
    exact = np.sqrt((1 + 2 * ((1 - t / n) * phi**t).sum()) / n / 4)
    errors = [mcse_reference(autoregressive(4, n, phi, seed)) for seed in range(20)]
    spread = np.std(errors, ddof=1) / np.sqrt(20)
    assert abs(np.mean(errors) - exact) <= stats.t(19).isf(ALARM / 2) * spread


def test_r_hat_sees_chains_at_different_places_and_of_different_width():
    x = autoregressive(4, 500, 0.0)
    assert rhat_reference(x) < 1.01
    assert rhat_reference(x + np.array([[0], [0], [0], [1]])) > 1.05
    assert rhat_reference(x * np.array([[1], [1], [1], [3]])) > 1.05
    assert rhat_reference(np.linspace(0, 3, 500) + x) > 1.05  # halves of a chain that drifts


def test_one_number_for_each_coordinate_of_a_trace():
    trace = sample_chains(lambda x: -(x**2).sum(1) / 2, np.zeros((4, 2)), 60, propose=gaussian_proposal(1.7), rng=0)
    for formula in (rhat_reference, ess_reference, mcse_reference):
        each = formula(trace.draws)
        assert each.shape == (2,) and each[1] == formula(trace.draws[:, :, 1])


@pytest.mark.parametrize("formula", [rhat_reference, ess_reference, mcse_reference])
def test_one_chain_warns_and_too_few_draws_are_refused(formula):
    with pytest.warns(NumericalWarning, match="chain.* Run several chains.$"):
        value = formula(autoregressive(1, 50, 0.5))
    assert np.isnan(value) == (formula is rhat_reference)
    with pytest.raises(ValueError, match=r"^draws must be of shape .* with 4 draws; got shape \(2, 3\)"):
        formula(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="^draws must be finite"):
        formula(np.full((2, 9), np.nan))
    with pytest.raises(ValueError, match="^kind must be one of bulk, mean, tail; got 'head'"):
        ess_reference(np.zeros((2, 9)), kind="head")


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_trace_becomes_a_datatree_in_arvizs_layout(backend):
    arviz = pytest.importorskip("arviz_stats")
    start = np.random.default_rng(0).standard_normal((4, 2))
    if backend == "torch":
        start = pytest.importorskip("torch").from_numpy(start)
    density = lambda x: -(x**2).sum(1) / 2  # noqa: E731
    trace = sample_chains(density, start, 200, propose=gaussian_proposal(1.7), thin=2, rng=0)
    tree = trace.to_datatree()
    assert tree.posterior.x.dims == ("chain", "draw", "dim") and tree.posterior.x.shape == (4, 200, 2)
    np.testing.assert_array_equal(tree.posterior.x, np.asarray(trace.draws))
    np.testing.assert_array_equal(tree.sample_stats.lp, np.asarray(trace.log_density))
    assert set(tree.sample_stats) == {"lp", "acceptance_rate"} and tree.posterior.attrs["thin"] == 2
    assert tree.sample_stats.acceptance_rate.dims == ("chain", "draw")
    np.testing.assert_allclose(arviz.rhat(tree).x, rhat_reference(trace.draws), rtol=1e-12)
    np.testing.assert_allclose(arviz.ess(tree).x, ess_reference(trace.draws), rtol=1e-10)
    np.testing.assert_allclose(arviz.mcse(tree).x, mcse_reference(trace.draws), rtol=1e-10)


def test_a_trace_of_gibbs_has_no_sample_stats():
    pytest.importorskip("arviz_base")
    tree = gibbs(lambda rng, x, j: rng.standard_normal(len(x)), np.zeros((2, 3)), 5, rng=0).to_datatree()
    assert tree.posterior.x.shape == (2, 5, 3) and "sample_stats" not in tree.children


def test_arviz_is_asked_for_by_the_name_of_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz_base", None)
    message = r'^Trace.to_datatree needs arviz-base: pip install "kernels-to-performers\[mcmc\]"'
    with pytest.raises(ImportError, match=message):
        Trace(np.zeros((1, 1, 1)), None, np.zeros(1)).to_datatree()
