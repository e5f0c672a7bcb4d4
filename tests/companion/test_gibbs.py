"""Gibbs sampling and annealing: exact laws on finite spaces, and the same noise through the plain step."""

import numpy as np
import pytest
from planted_samplers import ALARM, fits
from samples import dkw
from scipy import stats

from companion.mcmc import (
    anneal,
    by_enumeration,
    categorical,
    gaussian_proposal,
    geometric_schedule,
    gibbs,
    graph_proposal,
    init,
    logarithmic_schedule,
    noise,
    ring_proposal,
    site_proposal,
    step,
    transition_matrix,
)

TABLE = np.array([[0.0, 1.0, -0.5], [0.3, -np.inf, 2.0], [1.5, 0.2, 0.1]])  # log p of two coordinates
P = np.exp(TABLE) / np.exp(TABLE).sum()


def table(x):
    return TABLE[x[:, 0], x[:, 1]]


def drawn(n, seed=0):
    """Exact draws from P, of shape (n, 2)."""
    cells = np.random.default_rng([seed, 9]).choice(9, n, p=P.ravel())
    return np.column_stack([cells // 3, cells % 3])


def sweep_matrix():
    """One sweep: first coordinate 0, then coordinate 1, each from its conditional."""
    first, second = P / P.sum(axis=0), P / P.sum(axis=1, keepdims=True)
    sweep = np.einsum("ab,ac->bac", first, second)  # from coordinate 1 = b, whatever coordinate 0 was
    return np.broadcast_to(sweep, (3, 3, 3, 3)).reshape(9, 9)


def test_the_exact_matrix_of_a_sweep_leaves_the_density_as_it_is():
    np.testing.assert_allclose(P.ravel() @ sweep_matrix(), P.ravel(), atol=1e-15)


def test_sweeps_are_counted_against_their_exact_matrix():
    start = np.repeat(np.delete(np.arange(9), 4), 10_000)  # state 4 is impossible
    x = np.column_stack([start // 3, start % 3])
    last = gibbs(by_enumeration(table, 3), x, 1, rng=0).draws[:, 0]
    counts = np.zeros((9, 9))
    np.add.at(counts, (start, 3 * last[:, 0] + last[:, 1]), 1)
    kept = np.delete(np.arange(9), 4)
    assert not counts[:, 4].any() and fits(counts[np.ix_(kept, kept)], sweep_matrix()[np.ix_(kept, kept)])


def test_exact_draws_stay_exact_draws():
    last = gibbs(by_enumeration(table, 3), drawn(30_000), 1, thin=3, rng=1).draws[:, 0]
    counts = np.bincount(3 * last[:, 0] + last[:, 1], minlength=9)
    assert counts[4] == 0 and stats.chisquare(np.delete(counts, 4), 30_000 * np.delete(P.ravel(), 4)).pvalue > ALARM


def test_normal_coordinates_keep_their_law():
    r, start = 0.8, np.random.default_rng(3).standard_normal((20_000, 2))
    start[:, 1] = r * start[:, 0] + np.sqrt(1 - r**2) * start[:, 1]
    conditional = lambda rng, x, j: r * x[:, 1 - j] + np.sqrt(1 - r**2) * rng.standard_normal(len(x))  # noqa: E731
    x = gibbs(conditional, start, 1, thin=3, rng=0).draws[:, 0]
    for column in (x[:, 0], x[:, 1], (x[:, 1] - r * x[:, 0]) / np.sqrt(1 - r**2)):
        assert stats.ks_1samp(column, stats.norm.cdf, method="asymp").statistic <= dkw(len(x), ALARM / 3)


def test_gibbs_keeps_every_thin_th_sweep_after_the_warm_up():
    count = lambda rng, x, j: x[:, j] + 1  # noqa: E731
    trace = gibbs(count, [[0, 0]], 3, n_warmup=4, thin=2)
    np.testing.assert_array_equal(trace.draws, [[[6, 6], [8, 8], [10, 10]]])
    assert trace.draws.dtype == np.int64 and trace.log_density is None
    assert gibbs(count, [[0.0]], 1).draws.dtype == np.float64


def test_categorical_draws_have_their_probabilities_whatever_the_constant():
    logs = np.array([0.0, -np.inf, 1.0, -700.0])
    counts = np.bincount(categorical(np.random.default_rng(0), np.tile(logs + 1e4, (100_000, 1))), minlength=4)
    assert counts[1] == counts[3] == 0
    assert stats.binomtest(int(counts[0]), 100_000, 1 / (1 + np.e)).pvalue > ALARM


CONDITIONALS = {
    "column": (lambda rng, x, j: x, ValueError, r"conditional\(rng, x, 0\) must be one number for each chain"),
    "nan": (lambda rng, x, j: x[:, j] * np.nan, ValueError, r"conditional\(rng, x, 0\) must be finite; got 2 NaN"),
    "halves": (lambda rng, x, j: x[:, j] + 0.5, ValueError, r"conditional\(rng, x, 0\) must be made of integers"),
    "range": (by_enumeration(table, 2), ValueError, "initial must be made of the states 0, ..., 1; got 2 at chain 1"),
    "nothing": (by_enumeration(lambda x: np.full(len(x), -np.inf), 3), ValueError, "log_weights must be below"),
}


@pytest.mark.parametrize(("bad", "error", "message"), CONDITIONALS.values(), ids=CONDITIONALS.keys())
def test_bad_conditionals_are_refused(bad, error, message):
    with pytest.raises(error, match="^" + message):
        gibbs(bad, [[0, 0], [2, 0]], 2, rng=0)


def test_a_conditional_cannot_change_the_positions():
    with pytest.raises(ValueError, match="read-only"):
        gibbs(lambda rng, x, j: x.__iadd__(1)[:, j], [[0, 0]], 1)
    for name in ("n_draws", "thin"):
        with pytest.raises(ValueError, match=f"^{name} must be an integer >= 1"):
            gibbs(by_enumeration(table, 3), [[0, 0]], **({"n_draws": 1} | {name: 0}))


# Annealing


def hills(x):
    return np.logaddexp(-((x[:, 0] - 3) ** 2), 1 - (x[:, 0] + 3) ** 2)


def test_at_temperature_one_annealing_is_the_chain_itself():
    found = anneal(hills, np.zeros((50, 1)), np.ones(30), propose=gaussian_proposal(1.0), rng=2)
    state = init(np.zeros((50, 1)), hills)
    rng, best, moves = noise.source(2, "mcmc.anneal", state.position), state.log_density, 0
    for _ in range(30):
        state, info = step(rng, state, hills, gaussian_proposal(1.0))
        best, moves = np.maximum(best, state.log_density), moves + info.accepted
    np.testing.assert_array_equal(found.position, state.position)
    np.testing.assert_array_equal(found.log_density, state.log_density)
    np.testing.assert_array_equal(found.best_log_density, best)
    np.testing.assert_array_equal(found.best_log_density, hills(found.best))
    np.testing.assert_allclose(found.acceptance_rate, moves / 30)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_at_another_temperature_it_has_the_law_of_the_power(temperature):
    """p^(1/T), also with a Hastings term, which has no temperature: a walk on a path, from exact draws."""
    logs, neighbours = np.array([0.0, 1.0, -1.0, 0.5]), [[1], [0, 2], [1, 3], [2]]
    p = np.exp(logs / temperature) / np.exp(logs / temperature).sum()
    start = np.random.default_rng(1).choice(4, (40_000, 1), p=p)
    found = anneal(lambda x: logs[x[:, 0]], start, np.full(4, temperature), propose=graph_proposal(neighbours), rng=0)
    assert stats.chisquare(np.bincount(found.position[:, 0]), 40_000 * p).pvalue > ALARM
    Q = np.array([[0, 1, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 1, 0]])
    np.testing.assert_allclose(p @ transition_matrix(logs / temperature, Q), p, atol=1e-15)


def test_annealing_finds_the_higher_hill_from_the_lower_and_greed_does_not():
    start, walk = np.full((100, 1), 3.0), gaussian_proposal(1.0)
    found = anneal(hills, start, geometric_schedule(10.0, 0.01, 600), propose=walk, rng=0)
    greedy = anneal(hills, start, np.full(600, 1e-6), propose=walk, rng=0)
    assert (found.best < 0).mean() > 0.5 > 0.05 > (greedy.best < 0).mean()
    assert (found.best_log_density >= found.log_density).all()
    assert repr(found).startswith("Annealed(100 chains, best_log_density=1, acceptance_rate=")


def test_annealing_on_words_and_on_tensors():
    target = np.array([3, 1, 4, 1, 5])
    words = lambda x: -(x != target).sum(axis=1).astype(float)  # noqa: E731
    found = anneal(words, np.zeros((20, 5), int), geometric_schedule(1.0, 0.05, 1500), propose=site_proposal(6), rng=0)
    np.testing.assert_array_equal(found.best, np.tile(target, (20, 1)))
    torch = pytest.importorskip("torch")
    density = lambda x: -((x - 1) ** 2).sum(1)  # noqa: E731
    options = {"temperatures": geometric_schedule(1.0, 1e-3, 200), "propose": gaussian_proposal(0.3), "rng": 0}
    tensors, numbers = (
        anneal(density, torch.zeros(8, 2).double(), **options),
        anneal(density, np.zeros((8, 2)), **options),
    )
    np.testing.assert_allclose(tensors.best, numbers.best, atol=1e-12)


def test_schedules():
    np.testing.assert_allclose(geometric_schedule(8.0, 1.0, 4), [8, 4, 2, 1])
    np.testing.assert_allclose(logarithmic_schedule(2.0, 3), 2 / np.log([2, 3, 4]))
    for make in (lambda: geometric_schedule(0.0, 1.0, 3), lambda: logarithmic_schedule(-1.0, 3)):
        with pytest.raises(ValueError, match="must be a positive finite number"):
            make()


def test_bad_temperatures_and_states_are_refused():
    with pytest.raises(ValueError, match="^temperatures must be a positive finite number"):
        anneal(hills, [[0.0]], [1.0, 0.0], propose=gaussian_proposal(1.0))
    with pytest.raises(ValueError, match="^initial must be made of the states 0, ..., 2; got 3"):
        anneal(hills, [[3]], [1.0], propose=ring_proposal(3))
    with pytest.raises(ValueError, match=r"^log_density\(x\) must be a number or -inf; got nan for chain 0 at x"):
        anneal(lambda x: np.where(x[:, 0] == 0, 0.0, np.nan), [[0.0]], [1.0], propose=gaussian_proposal(1.0))
