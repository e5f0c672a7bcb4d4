"""Metropolis–Hastings: exact laws of one step and of many, the fast path against the plain one, and who refuses what.

A chain that starts with the law p has it after every step, so its states after a few steps are independent draws from p
whatever the mixing: their distance from p has a known law (the exact-start test). Every test of something random has a
false alarm of at most 1e-6. ``planted_samplers`` shows what the kinds of tests catch.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.random import MT19937, SFC64
from planted_samplers import ALARM, KILLS, LOG_P, PATH, SAMPLERS, TESTS, fits
from samples import dkw
from scipy import stats

from companion import mcmc
from companion._core.checks import ConvergenceWarning, NotPSDError, NumericalWarning
from companion.mcmc import (
    State,
    anneal,
    chains,
    gaussian_proposal,
    graph_proposal,
    independence_proposal,
    init,
    langevin_proposal,
    metropolis,
    noise,
    ring_proposal,
    sample_chains,
    site_proposal,
    step,
    transition_matrix,
)

torch = pytest.importorskip("torch")
COVARIANCE = np.array([[1.0, 0.6], [0.6, 2.0]])
PRECISION = np.linalg.inv(COVARIANCE)
FACTOR = np.linalg.cholesky(COVARIANCE)


def normal(x):
    """Log density of N(0, COVARIANCE), on any backend."""
    a, b = x[:, 0], x[:, 1]
    return -(PRECISION[0, 0] * a**2 + 2 * PRECISION[0, 1] * a * b + PRECISION[1, 1] * b**2) / 2


def normal_gradient(x):
    return -x @ PRECISION


def round_normal(x):
    return -(x**2).sum(1) / 2


def exact(n, seed=0):
    return np.random.default_rng([seed, 77]).standard_normal((n, 2)) @ FACTOR.T


# The step


def one(log_density=0.0, x=0.0):
    return State(np.array([[x]]), np.array([log_density]))


@pytest.mark.parametrize("log_ratio", [-3.0, -1e-3, -700.0])
def test_a_proposal_is_accepted_where_log_u_is_just_below_the_log_ratio(log_ratio):
    for edge, accepted in ((np.nextafter(-log_ratio, np.inf), True), (np.nextafter(-log_ratio, 0), False)):
        state, info = metropolis.metropolis(one(), one(log_ratio, 5.0), 0.0, np.array([edge]))
        assert info.accepted[0] == accepted and state.position[0, 0] == 5.0 * accepted
        assert state.log_density[0] == log_ratio * accepted and info.log_ratio[0] == log_ratio
        _, with_hastings = metropolis.metropolis(one(), one(0.0, 5.0), np.array([log_ratio]), np.array([edge]))
        assert with_hastings.accepted[0] == accepted


def test_equal_densities_are_always_accepted_and_a_density_of_zero_never():
    assert metropolis.metropolis(one(2.0), one(2.0), 0.0, np.zeros(1))[1].accepted[0]
    assert not metropolis.metropolis(one(), one(-np.inf), 0.0, np.full(1, 1e300))[1].accepted[0]


def runs_of(log_density, start=((0.0,), (1.0,)), **options):
    run = {"propose": gaussian_proposal(1.0), "rng": 0} | options
    return sample_chains(log_density, start, 40, **run)


def test_a_constant_in_the_log_density_changes_nothing():
    grid = lambda x: -np.round(8 * x[:, 0] ** 2) / 8  # noqa: E731 - multiples of 1/8, also after adding 2^40
    plain, shifted = runs_of(grid), runs_of(lambda x: grid(x) + 2.0**40)
    np.testing.assert_array_equal(plain.draws, shifted.draws)
    np.testing.assert_array_equal(plain.log_density, shifted.log_density - 2.0**40)


def test_a_log_ratio_that_overflows_is_accepted_or_rejected_as_it_should():
    cliff = lambda x: np.where(x[:, 0] > 0.5, 1.5e308, -1.5e308)  # noqa: E731
    trace = runs_of(cliff, ((0.0,), (0.0,), (1.0,)))
    assert (trace.log_density[:, 1:] >= trace.log_density[:, :-1]).all() and (trace.log_density[:, -1] > 0).all()
    uphill, _ = step(np.random.default_rng(0), init([[0.4]] * 50, cliff), cliff, gaussian_proposal(1.0))
    assert (uphill.log_density > 0).any()


@pytest.mark.parametrize("name", KILLS)
def test_the_table_of_tests_and_the_mistakes_they_catch(name):
    with np.errstate(over="ignore"):
        caught = {label for label, test in TESTS.items() if not test(name)}
    assert caught == KILLS[name]


def test_every_mistake_is_caught_by_a_test_and_one_is_not_by_taste():
    assert KILLS.keys() == SAMPLERS.keys() and sum(not n.startswith("right") for n in KILLS) >= 8
    assert all(KILLS[name] for name in KILLS if not name.startswith("right")) and "taste" not in KILLS["never-below"]


# Finitely many states


def matrix_of(proposal, n, noises, log_p):
    """P of a proposal on n states with equally likely noises: what is proposed, times the chance to accept it."""
    P, states = np.zeros((n, n)), np.arange(n)
    for z in noises:
        position, log_hastings = proposal.move(State(states[:, None].copy(), log_p), np.array(z))
        new = State(position, log_p[position[:, 0]])
        _, info = metropolis.metropolis(State(states[:, None], log_p), new, log_hastings, np.zeros(n))
        chance = np.exp(np.minimum(info.log_ratio, 0.0)) / len(noises)
        np.add.at(P, (states, position[:, 0]), chance)
        np.add.at(P, (states, states), 1 / len(noises) - chance)
    return P


RING = (np.roll(np.eye(5), 1, axis=1) + np.roll(np.eye(5), -1, axis=1)) / 2
FINITE = {
    "ring": (ring_proposal(5), np.array([[[-1]] * 5, [[1]] * 5]), RING),
    "path": (graph_proposal([[1], [0, 2], [1, 3], [2, 4], [3]]), np.array([[0] * 5, [1] * 5]), PATH),
    "site": (site_proposal(5), np.array([[k] * 5 for k in range(4)]), (1 - np.eye(5)) / 4),
}
finite = pytest.mark.parametrize(("proposal", "noises", "Q"), FINITE.values(), ids=FINITE.keys())


@finite
def test_the_exact_transition_matrix_leaves_the_density_as_it_is(proposal, noises, Q):
    P, p = matrix_of(proposal, 5, noises, LOG_P), np.exp(LOG_P) / np.exp(LOG_P).sum()
    np.testing.assert_allclose(P, transition_matrix(LOG_P, Q), atol=1e-15)
    np.testing.assert_allclose(p @ P, p, atol=1e-15)
    flow = p[:, None] * P
    np.testing.assert_allclose(flow, flow.T, atol=1e-16)


@finite
@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_steps_are_counted_against_the_exact_transition_matrix(proposal, noises, Q, backend):
    start, table = np.repeat(np.arange(5), 20_000)[:, None], LOG_P
    if backend == "torch":
        start, table = torch.from_numpy(start), torch.from_numpy(LOG_P)
    seed = 0 if backend == "numpy" else torch.Generator().manual_seed(0)
    trace = sample_chains(lambda x: table[x[:, 0]], start, 1, propose=proposal, rng=seed)
    counts = np.zeros((5, 5))
    np.add.at(counts, (np.asarray(start)[:, 0], np.asarray(trace.draws)[:, 0, 0]), 1)
    assert fits(counts, transition_matrix(LOG_P, Q)) and not fits(counts, transition_matrix(-LOG_P, Q))


def test_the_walk_on_sites_changes_one_coordinate_to_any_other_value():
    x = State(np.zeros((30_000, 3), dtype=np.int64), np.zeros(30_000))
    new, _ = site_proposal(4)(np.random.default_rng(0), x)
    assert ((new != 0).sum(axis=1) == 1).all()
    counts = np.array([(new[:, j] == v).sum() for j in range(3) for v in (1, 2, 3)])
    assert stats.chisquare(counts).pvalue > ALARM


# The law after several steps


def exact_start(propose, start, rng=1, log_density=normal, steps=5):
    trace = sample_chains(log_density, start, 1, thin=steps, propose=propose, rng=rng)
    assert 0.05 < float(trace.acceptance_rate.mean()) < 0.99
    white = np.asarray(trace.draws)[:, 0].astype(float) @ np.linalg.inv(FACTOR).T
    along = np.column_stack([white, white @ [0.6, 0.8]])
    distances = [stats.ks_1samp(column, stats.norm.cdf, method="asymp").statistic for column in along.T]
    return max(distances) <= dkw(len(white), ALARM / 3)


def draw_wide(rng, n):
    return 2.0 * rng.standard_normal((n, 2))


def log_wide(x):
    return -(x**2).sum(1) / 8


PROPOSALS = {
    "scale": gaussian_proposal(1.7), "diagonal": gaussian_proposal([1.0, 2.5]),
    "covariance": gaussian_proposal(1.7, covariance=COVARIANCE),
    "langevin": langevin_proposal([1.1, 1.4], gradient=normal_gradient),
    "independence": independence_proposal(draw_wide, log_wide),
    "by hand": lambda rng, state: (state.position + rng.uniform(-2, 2, state.position.shape), 0),
}  # fmt: skip


@pytest.mark.parametrize("propose", PROPOSALS.values(), ids=PROPOSALS.keys())
def test_exact_draws_stay_exact_draws(propose):
    assert exact_start(propose, exact(20_000))


TENSORS = ["scale", "diagonal", "covariance", "autograd"]


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_draws_stay_exact_draws_on_torch(name, dtype):
    propose = PROPOSALS.get(name) or langevin_proposal(1.2, log_density=normal)
    start = torch.from_numpy(exact(20_000)).to(dtype)
    assert exact_start(propose, start, torch.Generator().manual_seed(3))
    assert sample_chains(normal, start, 1, propose=propose, rng=0).draws.dtype == dtype


def test_the_law_after_several_steps_tells_a_missing_hastings_term(monkeypatch):
    for name in ("langevin", "independence"):
        moves = type(PROPOSALS[name]).move
        monkeypatch.setattr(type(PROPOSALS[name]), "move", lambda self, s, z, moves=moves: (moves(self, s, z)[0], 0.0))
        assert not exact_start(PROPOSALS[name], exact(20_000))


def test_a_density_that_ends_keeps_its_law():
    """exp(-x) for x > 0: half of the proposals have the density 0."""
    start = np.random.default_rng(8).standard_exponential((20_000, 1))
    half_line = lambda x: np.where(x[:, 0] > 0, -x[:, 0], -np.inf)  # noqa: E731
    last = sample_chains(half_line, start, 1, thin=5, propose=gaussian_proposal(2.0), rng=0).draws[:, 0, 0]
    assert stats.ks_1samp(last, stats.expon.cdf, method="asymp").statistic <= dkw(len(last), ALARM)


@pytest.mark.parametrize("n_warmup", [0, 400])
def test_averages_are_off_by_no_more_than_their_standard_errors(n_warmup):
    trace = sample_chains(normal, exact(300), 300, propose=gaussian_proposal(1.7), n_warmup=n_warmup, rng=5)
    moments = np.stack([trace.draws, trace.draws**2 - np.diag(COVARIANCE)], axis=-1).mean(axis=1).reshape(300, -1)
    z = moments.mean(axis=0) / (moments.std(axis=0, ddof=1) / np.sqrt(300))
    assert np.abs(z).max() <= stats.t(299).isf(ALARM / 8)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_the_rate_of_acceptance_has_its_exact_mean(scale):
    """In one dimension it is (2/π) arctan(2/s) for N(0, 1)."""
    start = np.random.default_rng(2).standard_normal((2000, 1))
    rates = sample_chains(round_normal, start, 50, propose=gaussian_proposal(scale), rng=0).acceptance_rate
    error = rates.mean() - 2 / np.pi * np.arctan(2 / scale)
    assert abs(error) <= stats.t(1999).isf(ALARM / 2) * rates.std(ddof=1) / np.sqrt(2000)


# The fast path


def by_steps(log_density, start, n, propose, rng):
    """The definition: a loop of single steps."""
    state, positions = init(start, log_density), []
    for _ in range(n):
        state, _ = step(rng, state, log_density, propose)
        positions.append(np.asarray(state.position).copy())
    return np.stack(positions, axis=1)


@pytest.mark.parametrize("name", PROPOSALS)
def test_many_steps_are_single_steps_on_the_same_noise(name, monkeypatch):
    monkeypatch.setattr(chains, "BLOCK", 1)
    start, propose = exact(7), PROPOSALS[name]
    fast = sample_chains(normal, start, 30, propose=propose, rng=np.random.default_rng(4)).draws
    np.testing.assert_array_equal(fast, by_steps(normal, start, 30, propose, np.random.default_rng(4)))


@pytest.mark.parametrize("name", ["scale", "autograd"])
def test_many_steps_are_single_steps_on_the_same_noise_of_torch(name, monkeypatch):
    monkeypatch.setattr(chains, "BLOCK", 1)
    propose = PROPOSALS.get(name) or langevin_proposal(1.2, log_density=normal)
    start = torch.from_numpy(exact(7)).float()
    first, second = (torch.Generator().manual_seed(9) for _ in range(2))
    fast = sample_chains(normal, start, 30, propose=propose, rng=first).draws
    np.testing.assert_array_equal(fast, by_steps(normal, start, 30, propose, second))


@pytest.mark.parametrize(("n_warmup", "thin"), [(0, 1), (0, 3), (13, 1), (40, 2)])
def test_a_run_is_its_blocks_of_noise_through_the_plain_formula(n_warmup, thin):
    propose, start = gaussian_proposal([1.0, 2.5]), exact(5)
    trace = sample_chains(normal, start, 40, propose=propose, n_warmup=n_warmup, thin=thin, rng=6)
    rng, state, done, states, hits = noise.source(6, "mcmc.chains", start), init(start, normal), 0, [], []
    while done < n_warmup + 40 * thin:
        n = min(8, n_warmup - done) if done < n_warmup else min(32, n_warmup + 40 * thin - done)
        exponentials, jumps = rng.standard_exponential((n, 5)), propose.noise(rng, (n, *start.shape), start)
        for z, e in zip(jumps, exponentials, strict=True):
            position, _ = propose.move(state, z)
            state, info = metropolis.metropolis(state, State(position, normal(position)), 0.0, e)
            states, hits = [*states, state], [*hits, info.accepted]
        if done < n_warmup:
            propose = propose.scaled(float(np.exp(2 * (1 + done // 8) ** -0.6 * (np.mean(hits[-n:]) - 0.339))))
        done += n
    kept = states[n_warmup + thin - 1 :: thin]
    np.testing.assert_array_equal(trace.draws, np.stack([s.position for s in kept], axis=1))
    np.testing.assert_array_equal(trace.log_density, np.stack([s.log_density for s in kept], axis=1))
    np.testing.assert_array_equal(trace.acceptance_rate, np.mean(hits[n_warmup:], axis=0))
    np.testing.assert_array_equal(trace.accepted, np.stack(hits[n_warmup + thin - 1 :: thin], axis=1))
    np.testing.assert_allclose(trace.propose.scale, propose.scale, rtol=1e-12)


def test_numpy_and_torch_make_the_same_chain_of_the_same_seed():
    on_numpy = sample_chains(normal, exact(50), 100, propose=gaussian_proposal(1.7), n_warmup=20, rng=3)
    start = torch.from_numpy(exact(50))
    on_torch = sample_chains(normal, start, 100, propose=gaussian_proposal(1.7), n_warmup=20, rng=3)
    np.testing.assert_allclose(on_torch.draws, on_numpy.draws, atol=1e-12)
    np.testing.assert_array_equal(on_torch.acceptance_rate, on_numpy.acceptance_rate)
    assert isinstance(on_torch.draws, torch.Tensor) and on_torch.draws.dtype == torch.float64


def test_float32_stays_float32_and_integers_become_float64():
    start = exact(5).astype(np.float32)
    trace = sample_chains(normal, start, 3, propose=gaussian_proposal(1.0), rng=0)
    assert trace.draws.dtype == np.float32 and trace.draws.shape == (5, 3, 2)
    assert runs_of(round_normal, [[0], [1]]).draws.dtype == np.float64


def test_seeds_generators_and_what_is_left_alone():
    start = exact(4)
    start.flags.writeable, before = False, start.copy()
    runs = [sample_chains(normal, start, 60, propose=gaussian_proposal(1.0), rng=rng).draws for rng in (0, 0, 1, None)]
    np.testing.assert_array_equal(runs[0], runs[1])
    runs = [draws[:, -1] for draws in runs]
    assert not any(np.isin(runs[0], other).any() for other in runs[2:])
    np.testing.assert_array_equal(start, before)


def test_uniform_numbers_of_torch_are_never_zero():
    for like in (torch.zeros(1), torch.zeros(1, dtype=torch.float64)):
        drawn = noise.exponential(torch.Generator().manual_seed(0), (2**18,), like)
        assert torch.isfinite(drawn).all() and (drawn >= 0).all()
        distance = stats.ks_1samp(drawn.double(), stats.expon.cdf, method="asymp").statistic
        assert distance <= dkw(2**18, ALARM)


# Warm-up


@pytest.mark.parametrize("scale", [0.01, 2.0, 100.0])
def test_warm_up_finds_the_scale_whose_rate_is_the_target_and_keeps_it(scale):
    start = np.random.default_rng(3).standard_normal((500, 1))
    trace = sample_chains(round_normal, start, 100, propose=gaussian_proposal(scale), n_warmup=800, rng=0)
    best = 2 / np.tan(np.pi / 2 * 0.444)  # of (2/π) arctan(2/s) = 0.444
    assert abs(np.log(trace.propose.scale / best)) < 0.1
    assert sample_chains(round_normal, start, 9, propose=gaussian_proposal(scale), rng=0).propose.scale == scale


# Diagnosis


def test_chains_that_do_not_move_are_told():
    with pytest.warns(
        ConvergenceWarning, match="^none of 80 proposals was accepted: the draws are the start. Make the"
    ):
        runs_of(lambda x: -1e9 * x[:, 0] ** 2, ((0.0,), (0.0,)))
    stuck = lambda x: np.where(x[:, 0] < 50, -(x[:, 0] ** 2) / 2, -1e9 * (x[:, 0] - 100) ** 2)  # noqa: E731
    with pytest.warns(ConvergenceWarning, match="^1 of 2 chains never moved in 40 steps. Make the scale"):
        runs_of(stuck, ((0.0,), (100.0,)))


def test_proposals_that_are_all_accepted_are_told_unless_they_may_be():
    with pytest.warns(NumericalWarning, match="^all 200 proposals were accepted: steps are too short. Make the scale"):
        runs_of(lambda x: 0.0 * x[:, 0], [[0.0]] * 5)
    same = independence_proposal(lambda rng, n: rng.standard_normal((n, 1)), round_normal)
    assert runs_of(round_normal, [[0.0]] * 5, propose=same).acceptance_rate.mean() == 1


# A record to resume from


class Stop(Exception):
    """The machine was switched off."""


def broken(density, after):
    """A density that stops the run after so many calls."""
    calls = []

    def log_density(x):
        calls.append(0)
        if len(calls) > after:
            raise Stop
        return density(x)

    return log_density


GENERATORS = {
    "seed": lambda: 5, "pcg": lambda: np.random.default_rng(5), "torch": lambda: torch.Generator().manual_seed(5),
    "sfc": lambda: np.random.Generator(SFC64(5)),
    "twister": lambda: np.random.Generator(MT19937(5)),
}  # fmt: skip


@pytest.mark.parametrize("after", [30, 150, 260])
@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS.keys())
def test_a_run_that_was_broken_goes_on_as_if_it_had_not_been(make, after, tmp_path):
    start = torch.from_numpy(exact(6)).float() if isinstance(make(), torch.Generator) else exact(6)
    options = {"propose": gaussian_proposal(0.4), "n_warmup": 100, "thin": 2}
    whole = sample_chains(normal, start, 100, rng=make(), **options)
    record = {"checkpoint": tmp_path / "run", "every": 40}
    with pytest.raises(Stop):
        sample_chains(broken(normal, after), start, 100, rng=make(), **options, **record)
    resumed = sample_chains(normal, start, 100, rng=make(), **options, **record)
    for name in ("draws", "log_density", "acceptance_rate", "accepted"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
    assert resumed.propose.scale == whole.propose.scale
    again = sample_chains(broken(normal, 1), start, 100, rng=make(), **options, **record)  # it is finished
    np.testing.assert_array_equal(again.draws, whole.draws)


KILLED = """
import os, signal, sys
import numpy as np
from companion.mcmc import gaussian_proposal, sample_chains

folder, kind = sys.argv[1:]
start, make = np.random.default_rng(1).standard_normal((6, 2)), lambda: 5
if kind == "torch":
    import torch
    start, make = torch.from_numpy(start).float(), lambda: torch.Generator().manual_seed(5)

def normal(x):
    return -(x**2).sum(-1) / 2

def run(after=None, **record):
    left = iter(range(after or 10**9))
    def log_density(x):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return normal(x)
    return sample_chains(log_density, start, 100, propose=gaussian_proposal(0.4), n_warmup=100, rng=make(), **record)

whole = run()
for after in np.random.default_rng(11).choice(np.arange(2, 200), 20, replace=False).tolist():
    record = {"checkpoint": os.path.join(folder, f"{kind}-{after}"), "every": 20}
    child = os.fork()
    if not child:
        run(after, **record)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    resumed = run(**record)
    for name in ("draws", "log_density", "accepted"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_chains_that_are_killed_at_20_moments_go_on_bit_for_bit(kind, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path), kind]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


OTHERS = {
    "rng": {"rng": 1}, "n_draws": {"n_draws": 41}, "initial and its log density": {"initial": exact(3, seed=1)},
    "initial": {"log_density": round_normal}, "propose": {"propose": gaussian_proposal(2.0)},
}  # fmt: skip


@pytest.mark.parametrize(("field", "other"), OTHERS.items(), ids=OTHERS.keys())
def test_the_record_of_another_run_is_refused(field, other, tmp_path):
    same = {"log_density": normal, "initial": exact(3), "n_draws": 40, "propose": gaussian_proposal(1.0), "rng": 0}
    sample_chains(**same, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match=f"^the field {field}.* must be .*record of another run"):
        sample_chains(**(same | other), checkpoint=tmp_path / "run")


def test_a_bar_of_tqdm_hears_every_block_and_is_asked_for_by_name(monkeypatch):
    shown = []

    class Bar:
        def __init__(self, **options):
            shown.append(options)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            shown.append("closed")

        def update(self, n):
            shown.append(n)

    module = ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    runs_of(round_normal, n_warmup=10, progress=True)
    assert shown == [{"total": 50, "initial": 0, "unit": " steps"}, 8, 2, 32, 8, "closed"]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r'progress=True needs tqdm: pip install "kernels-to-performers\[progress\]"'):
        runs_of(round_normal, progress=True)


# Bad input


def changes(x):
    x += 1.0
    return round_normal(x)


def after_start(value):
    """A density with a hole beside the start: the run meets it later."""
    return lambda x: np.where(np.abs(x[:, 0] - 0.5) < 0.5, -(x[:, 0] ** 2), value)


DENSITIES = {
    "B2-60-column": (lambda x: -(x**2), ValueError, r"one number for each chain, of shape \(2,\); got shape \(2, 1\)"),
    "B2-60-list": (lambda x: "no", ValueError, "one number for each chain"),
    "complex": (lambda x: 1j * x[:, 0], ValueError, "made of real numbers; got dtype complex128"),
    "bool": (lambda x: x[:, 0] > 9, ValueError, "made of real numbers; got dtype bool"),
    "B2-60-tensor": (lambda x: torch.zeros(2), TypeError, "a NumPy array .or a list.; got a tensor on cpu"),
    "in-place": (changes, ValueError, "computed without changing x; got x changed by the call. Copy x first"),
    "B2-58-nan": (after_start(np.nan), ValueError, r"a number or -inf; got nan for chain \d at x = \["),
    "infinite": (after_start(np.inf), ValueError, r"a number or -inf; got inf for chain \d at x = \["),
}


@pytest.mark.parametrize(("bad", "error", "message"), DENSITIES.values(), ids=DENSITIES.keys())
def test_bad_log_densities_are_refused(bad, error, message):
    with pytest.raises(error, match=r"^log_density\(x\) must be " + message):
        runs_of(bad, [[0.25], [0.75]])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_single_step_refuses_nan_too(value):
    density, rng = after_start(value), np.random.default_rng(0)
    state = init([[0.5]] * 9, density)
    with pytest.raises(ValueError, match=rf"^log_density\(x\) must be a number or -inf; got {value} for chain \d at x"):
        step(rng, state, density, gaussian_proposal(9.0))


def test_a_single_step_refuses_a_ratio_that_is_none():
    jump, state = lambda rng, s: (s.position + 1, np.array([0.0, np.nan])), init([[0.0], [1.0]], round_normal)  # noqa: E731
    message = "^the log Hastings ratio must be a number or -inf; got nan for chain 1"
    with pytest.raises(ValueError, match=message):
        step(np.random.default_rng(0), state, round_normal, jump)
    with pytest.raises(ValueError, match=message):
        anneal(round_normal, [[0.0], [1.0]], [1.0], propose=jump, rng=0)
    wall = lambda x: np.where(x[:, 0] < 1.5, 0.0, -np.inf)  # noqa: E731 - chain 1 meets it, and its ratio does not matter
    moved, _ = step(np.random.default_rng(0), init([[0.0], [1.0]], wall), wall, jump)
    assert moved.position.ravel().tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [np.nan, -np.inf, np.inf])
def test_a_start_without_density_is_refused_with_the_chain(value):
    message = rf"^log_density\(initial\) must be finite for every chain; got {value} for chain 1 at x = \[9.\]. Start"
    with pytest.raises(ValueError, match=message):
        runs_of(lambda x: np.where(x[:, 0] < 5, 0.0, value), [[0.0], [9.0]])


def changes_later():
    calls = []

    def density(x):
        calls.append(0)
        return changes(x) if len(calls) > 1 else round_normal(x)

    return density


def test_a_density_that_changes_its_argument_later_is_refused():
    with pytest.raises(ValueError, match="read-only"):
        runs_of(changes_later())
    with pytest.raises(ValueError, match=r"^log_density\(x\) must be computed without changing x"):
        runs_of(changes_later(), torch.zeros(2, 1))


def test_tensors_and_arrays_are_not_mixed():
    with pytest.raises(TypeError, match=r"^log_density\(x\) must be a tensor, as x is; got ndarray"):
        runs_of(lambda x: np.zeros(2), torch.zeros(2, 1))
    with pytest.raises(TypeError, match="^rng must be a seed or a NumPy generator for NumPy positions; got a torch"):
        runs_of(round_normal, rng=torch.Generator())
    with pytest.raises(ValueError, match=r"^log_density\(x\) and x must be on the same device; got meta and cpu"):
        runs_of(lambda x: torch.zeros(2, device="meta"), torch.zeros(2, 1))
    with pytest.raises(TypeError, match="^initial must be a tensor for a gradient by torch; got a NumPy array"):
        runs_of(round_normal, propose=langevin_proposal(1.0, log_density=round_normal))
    with pytest.raises(TypeError, match="^rng must be a generator; got 0. Make one outside the loop"):
        step(0, init([[0.0]], round_normal), round_normal, gaussian_proposal(1.0))


ARGUMENTS = {
    "n_draws-0": ({"n_draws": 0}, ValueError, "n_draws must be an integer >= 1; got 0"),
    "thin-0": ({"thin": 0}, ValueError, "thin must be an integer >= 1; got 0"),
    "every-0": ({"every": 0}, ValueError, "every must be an integer >= 1; got 0"),
    "n_warmup": ({"n_warmup": -1}, ValueError, "n_warmup must be an integer >= 0; got -1"),
    "B2-10-1-d": ({"initial": [0.0]}, ValueError, "initial must be a 2-D array"),
    "B2-01-nan": ({"initial": [[np.nan]]}, ValueError, "initial must be finite; got 1 NaN"),
    "half": ({"initial": np.zeros((2, 1), np.float16)}, ValueError, "initial must be in float32 or float64"),
    "gradient": ({"initial": torch.zeros(2, 1, requires_grad=True)}, TypeError, "initial must be without gradient"),
    "B2-63-seed": ({"rng": -1}, ValueError, "rng must be a non-negative integer"),
    "scale-shape": ({"propose": gaussian_proposal([1.0, 2.0])}, ValueError, "scale must be for 1 coordinates"),
    "covariance-shape": ({"propose": gaussian_proposal(1.0, covariance=np.eye(2))}, ValueError, "covariance must be f"),
    "ring-range": ({"initial": [[5]], "propose": ring_proposal(5)}, ValueError,
                   r"initial must be made of the states 0, ..., 4; got 5 at chain 0, coordinate 0"),
    "ring-half": ({"initial": [[0.5]], "propose": ring_proposal(5)}, ValueError, "initial must be made of integers"),
    "graph-dim": ({"initial": [[0, 1]], "propose": FINITE["path"][0]}, ValueError, r"initial must be of shape \(chai"),
    "propose-shape": ({"propose": lambda rng, s: (s.position[:1], 0.0)}, ValueError, "the proposed position must be l"),
    "propose-ratio": ({"propose": lambda rng, s: (s.position + 1, np.zeros((2, 1)))}, ValueError,
                      r"the log Hastings ratio must be one number for each chain, of shape \(2,\)"),
    "propose-nan": ({"propose": lambda rng, s: (s.position + 1, np.array([0.0, np.nan]))}, ValueError,
                    "the log Hastings ratio must be a number or -inf; got nan for chain 1"),
    "langevin": ({"propose": langevin_proposal(1.0, gradient=lambda x: x[:, 0])}, ValueError,
                 r"gradient\(x\) must be of the shape of x, \(2, 1\); got shape \(2,\)"),
    "sample": ({"propose": independence_proposal(lambda rng, n: rng.random(n), round_normal)}, ValueError,
               r"sample\(rng, n\) must be of shape \(\d+, 1\)"),
    "outside": ({"propose": independence_proposal(draw_wide, lambda x: np.full(2, -np.inf))}, ValueError,
                "initial must be where the independence proposal draws"),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "error", "message"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_bad_arguments_are_refused(bad, error, message):
    right = {"log_density": round_normal, "initial": [[0.0], [1.0]], "n_draws": 3, "propose": gaussian_proposal(1.0)}
    with pytest.raises(error, match="^" + message):
        sample_chains(**(right | {"rng": 0} | bad))


MADE = {
    "scale-0": (lambda: gaussian_proposal(0.0), ValueError, "scale must be a positive finite number"),
    "scale-2-d": (lambda: gaussian_proposal(np.eye(2)), ValueError, "scale must be .* got shape"),
    "square": (lambda: gaussian_proposal(1.0, covariance=np.ones((1, 2))), ValueError, "covariance must be square"),
    "symmetric": (lambda: gaussian_proposal(1.0, covariance=[[1, 1], [0, 1]]), ValueError, "covariance must be symm"),
    "definite": (
        lambda: gaussian_proposal(1.0, covariance=[[1, 2], [2, 1]]),
        NotPSDError,
        "covariance must be positive",
    ),
    "gradients": (
        lambda: langevin_proposal(1.0),
        TypeError,
        "gradient or log_density must be given, one of them; got nei",
    ),
    "ring": (lambda: ring_proposal(2), ValueError, "n_values must be an integer >= 3"),
    "one-way": (lambda: graph_proposal([[1], []]), ValueError, r"neighbours must be .* got \[1\] for state 0"),
    "alone": (lambda: graph_proposal([[], []]), ValueError, "neighbours must be"),
    "matrix": (lambda: transition_matrix([0.0, 0.0], np.ones((2, 2))), ValueError, "proposal must be made of rows"),
}


@pytest.mark.parametrize(("make", "error", "message"), MADE.values(), ids=MADE.keys())
def test_bad_proposals_are_refused_where_they_are_made(make, error, message):
    with pytest.raises(error, match="^" + message):
        make()


def test_names_stay_what_they_were():
    assert re.fullmatch(r"Trace\(2 chains, 40 draws, dim 1, acceptance_rate=0\.\d+\)", repr(runs_of(round_normal)))
    assert {"rejection", "importance", "Rejection", "Importance", "Estimate"} <= set(mcmc.__all__)
