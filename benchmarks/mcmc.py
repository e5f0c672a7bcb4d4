"""Metropolis–Hastings with Gaussian steps, ours beside blackjax, emcee and a tutorial's loop, on one thread.

All make the same steps: a normal proposal of the same scale, the same density, as many chains. A round is STEPS steps
of all chains; blackjax is compiled before, and the time of that is recorded apart. What the random numbers of a step
cost alone is the limit.

Usage: python benchmarks/mcmc.py benchmarks/results/mcmc.json
"""

import os
import sys
import time
import warnings

import timing

timing.one_thread(keep_memory=True)
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import blackjax  # noqa: E402
import emcee  # noqa: E402
import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import tutorial_program  # noqa: E402
from numpy.random import SFC64, Generator  # noqa: E402

from companion.frequencies import chains, draw, from_log_density  # noqa: E402
from companion.kernels import Gaussian  # noqa: E402
from companion.mcmc import gaussian_proposal, sample_chains  # noqa: E402

STEPS, ROUNDS = 64, 7
SOURCE_STEPS = 200  # of its one chain; times are scaled to as many as the others make


def normal(w, lib):
    """The standard normal law."""
    return -0.5 * (w * w).sum(-1)


def cauchy(w, lib):
    """A product of Cauchy laws."""
    return -lib.log1p(w * w).sum(-1)


def banana(w, lib):
    """Haario's bent normal law."""
    x, y = w[..., 0], w[..., 1]
    return -0.5 * (x * x / 100 + (y + 0.03 * x * x - 3) ** 2)


def bimodal(w, lib):
    """Two normal laws at -3 and 3 on each axis' diagonal."""
    return lib.logaddexp(-0.5 * ((w - 3) ** 2).sum(-1), -0.5 * ((w + 3) ** 2).sum(-1))


TARGETS = {
    "normal, d = 2": (normal, 2, 1.68), "normal, d = 10": (normal, 10, 0.75), "Cauchy, d = 2": (cauchy, 2, 2.4),
    "banana, d = 2": (banana, 2, 3.0), "two modes, d = 2": (bimodal, 2, 2.4),
}  # fmt: skip


def ours(target, n: int, like: str):
    """STEPS steps of n chains, of which only the last state is kept: NumPy in float64, or torch in float32."""
    log_p, d, scale = TARGETS[target]
    propose, start = gaussian_proposal(scale), np.random.default_rng(0).standard_normal((n, d))
    if like == "torch":
        initial, rng, lib = torch.from_numpy(start).float(), torch.Generator().manual_seed(0), torch
    else:
        initial, rng, lib = start, Generator(SFC64(0)), np
    return lambda: sample_chains(lambda w: log_p(w, lib), initial, 1, propose=propose, thin=STEPS, rng=rng)


def blackjax_run(target, n: int, compiled: dict):
    """The same by blackjax's random walk under vmap, in one compiled loop."""
    log_p, d, scale = TARGETS[target]
    kernel = blackjax.additive_step_random_walk.normal_random_walk(lambda w: log_p(w, jnp), scale * jnp.eye(d))

    @jax.jit
    def loop(key, positions):
        def one(states, key):
            return jax.vmap(kernel.step)(jax.random.split(key, n), states)[0], None

        states = jax.vmap(kernel.init)(positions)
        return jax.lax.scan(one, states, jax.random.split(key, STEPS))[0].position

    start = jnp.asarray(np.random.default_rng(0).standard_normal((n, d)), jnp.float32)
    began = time.process_time()
    loop(jax.random.key(0), start).block_until_ready()
    compiled[f"{target}, {n} chains"] = timing.median([time.process_time() - began])
    return lambda: loop(jax.random.key(1), start).block_until_ready()


def emcee_run(target, n: int):
    """The same by emcee's GaussianMove, all walkers in one call of the density."""
    log_p, d, scale = TARGETS[target]
    sampler = emcee.EnsembleSampler(
        n, d, lambda w: log_p(w, np), moves=emcee.moves.GaussianMove(scale**2), vectorize=True
    )
    start = np.random.default_rng(0).standard_normal((n, d))
    return lambda: sampler.run_mcmc(start, STEPS, store=False, skip_initial_state_check=True)


def source_run(target):
    """The tutorial's loop with a corrected density, one chain."""
    log_p, d, _ = TARGETS[target]
    density = tutorial_program.with_square if log_p is normal else lambda w: np.exp(cauchy(w, np))
    rng = np.random.default_rng(0)
    return lambda: tutorial_program.chain(density, d, SOURCE_STEPS, rng)


def noise(target, n: int, like: str):
    """The random numbers of the steps alone: d normal ones and an exponential one (a logarithm of a uniform one)."""
    d = TARGETS[target][1]
    if like == "torch":
        rng = torch.Generator().manual_seed(0)
        z, u = torch.empty(32, d, n), torch.empty(32, n)
        block = lambda: (z.normal_(generator=rng), u.uniform_(generator=rng).log_())  # noqa: E731
    else:
        rng = Generator(SFC64(0))
        z, u = np.empty((32, d, n)), np.empty((32, n))
        block = lambda: (rng.standard_normal(out=z), rng.standard_exponential(out=u))  # noqa: E731
    return lambda: [block() for _ in range(STEPS // 32)]


def steps(target, n: int, compiled: dict, base: str, shares: dict) -> dict:
    """Times of the same steps by all who make them, over those of ``base``, and the part of ours that draws numbers."""
    limits = {"companion, torch": "random numbers, torch", "companion": "random numbers, NumPy"}
    competitors = {
        "companion, torch": ours(target, n, "torch"),
        "companion": ours(target, n, "numpy"),
        "blackjax": blackjax_run(target, n, compiled),
        "random numbers, torch": noise(target, n, "torch"),
        "random numbers, NumPy": noise(target, n, "numpy"),
    }
    if n == 4096:
        competitors["emcee, GaussianMove"] = emcee_run(target, n)
        if "banana" not in target and "modes" not in target:
            competitors["tutorial, density corrected"] = source_run(target)
    seconds = timing.interleaved(competitors, ROUNDS)
    for own, limit in limits.items():
        ratios = [part / whole for part, whole in zip(seconds[limit], seconds[own], strict=True)]
        shares.setdefault(f"{n:,} chains, {own}", {})[target] = timing.median(ratios)
    seconds["random numbers"] = seconds[limits[base]]
    seconds = {name: times for name, times in seconds.items() if name not in limits.values()}
    if "tutorial, density corrected" in seconds:
        scale = n * STEPS / SOURCE_STEPS
        seconds["tutorial, density corrected"] = [scale * s for s in seconds["tutorial, density corrected"]]
    return timing.summary(seconds, base)


def frequencies(d: int, m: int = 500) -> dict:
    """Five hundred frequencies of the Gaussian kernel."""
    rng = np.random.default_rng(0)

    def density(w):
        return -0.5 * np.einsum("ij,ij->i", w, w)

    start, walk = np.zeros((m, d)), gaussian_proposal(2.38 / d**0.5)
    competitors = {
        "companion, last states, checked": lambda: from_log_density(density, m, d, rng=rng),
        "companion, last states, by kernel": lambda: chains(Gaussian(), m, d, rng),
        "companion, last states alone": lambda: sample_chains(
            density, start, 1, propose=walk, thin=max(30, 15 * d), rng=rng
        ),
        "companion, direct draw": lambda: draw(Gaussian(), m, d, scheme="iid", rng=rng),
        "tutorial, one chain of 1,000 steps": lambda: tutorial_program.chain(
            tutorial_program.with_square, d, 1000, rng
        ),
    }
    seconds = timing.interleaved(competitors, 11, least=0.01)
    return timing.summary(seconds, "companion, last states, checked")


def main(output_path: str) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    compiled: dict[str, float] = {}
    shares: dict[str, dict] = {}
    many = {target: steps(target, 4096, compiled, "companion, torch", shares) for target in list(TARGETS)[:3]}
    few = {target: steps(target, 1024, compiled, "companion", shares) for target in TARGETS}
    timing.write(
        output_path,
        ["numpy", "torch", "blackjax", "jax", "emcee"],
        setting={
            "steps": STEPS, "rounds": ROUNDS, "many": 4096, "few": 1024, "frequencies": 500,
            "unit": "seconds of process time; times_ours: paired ratio",
        },
        many_chains=many,
        few_chains=few,
        compile_seconds=compiled,
        share_of_random_numbers=shares,
        frequencies={f"d = {d}": frequencies(d) for d in (2, 16)},
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1])
