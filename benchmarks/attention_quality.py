"""What attention returns, ours and performer-pytorch's: against its own formula, and against softmax attention."""

import numpy as np
import torch
from attention_peers import CORE, DIM, FEATURES, core, frequencies, sample, sdpa
from performer_pytorch.performer_pytorch import gaussian_orthogonal_random_matrix
from timing import median

from companion.attention import performer_attention
from companion.features import mean_square
from companion.frequencies import draw
from companion.kernels import Softmax

OURS, PAIRS = "companion", "companion, hyperbolic"
OPTIMAL, OPTIMAL_PAIRS = "companion, optimal positive", "companion, optimal hyperbolic"
N, SIGMAS, SCALES = 1024, (0.5, 0.7, 1.0), (1, 2, 4, 8, 16, 32)


def digits(value: float) -> float:
    return float(f"{float(value):.3g}")


def error(output: torch.Tensor, right: torch.Tensor) -> float:
    """The relative error in the Frobenius norm."""
    return digits((output.double() - right).norm() / right.norm())


def attentions(is_causal: bool) -> dict:
    """Ours and performer-pytorch's, with the same W."""
    W = frequencies()
    return {OURS: lambda *x: performer_attention(*x, W, is_causal=is_causal), CORE: core(W, is_causal)}


def formula(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, is_causal: bool = False) -> torch.Tensor:
    """The estimate that both packages name, in float64: positive features, then averages by their inner products."""
    W = torch.from_numpy(np.asarray(frequencies()))
    x, y = (z.double() * DIM**-0.25 for z in (query, key))
    phi_x, phi_y = (torch.exp(z @ W.T - (z * z).sum(-1, keepdim=True) / 2) for z in (x, y))
    weights = phi_x @ phi_y.mT
    weights = weights.tril() if is_causal else weights
    return weights @ value.double() / weights.sum(-1, keepdim=True)


def same_estimator() -> dict:
    """The relative error against the formula with the same W, by the scale of query and key."""
    table: dict = {}
    for sigma in SIGMAS:
        tensors = sample(N, sigma)
        for name, attention in attentions(is_causal=False).items():
            table.setdefault(f"σ = {sigma}", {})[name] = error(attention(*tensors), formula(*tensors))
    return table


def past_of_a_later_key() -> dict:
    """The largest relative change of a row before the last, in causal attention, when the last key is times 3."""
    table: dict = {}
    for sigma in SIGMAS:
        query, key, value = sample(N, sigma)
        changed = key.clone()
        changed[..., -1, :] *= 3
        for name, attention in attentions(is_causal=True).items():
            before, after = (attention(query, k, value)[..., :-1, :] for k in (key, changed))
            moved = (after - before).norm(dim=-1) / before.norm(dim=-1)
            table.setdefault(f"σ = {sigma}", {})[name] = digits(moved.max())
    return table


def first_row() -> dict:
    """|output_0 - v_0| / |v_0| of causal attention, the largest of the heads: the first query sees one key only."""
    table: dict = {}
    for sigma in SIGMAS:
        tensors = sample(N, sigma)
        first = tensors[2][..., 0, :]
        for name, attention in attentions(is_causal=True).items():
            off = (attention(*tensors)[..., 0, :] - first).norm(dim=-1) / first.norm(dim=-1)
            table.setdefault(f"σ = {sigma}", {})[name] = digits(off.max())
    return table


def padding() -> dict:
    """Half of the keys are padding: the norm of the output over the right one, and the relative error.

    performer-pytorch's layer sets the values of padding to zero, and so it is done here.
    """
    query, key, value = sample(N)
    mask = torch.arange(N) < N // 2
    right = formula(query[..., mask, :], key[..., mask, :], value[..., mask, :])
    outputs = {
        OURS: performer_attention(query, key, value, frequencies(), key_mask=mask),
        CORE: core(frequencies())(query, key, value.masked_fill(~mask[:, None], 0.0)),
    }
    rows = {name: output[..., mask, :] for name, output in outputs.items()}
    return {
        name: {"norm over the right one": digits(row.norm() / right.norm()), "relative error": error(row, right)}
        for name, row in rows.items()
    }


def diagonal(draws: int) -> dict:
    """The mean estimate of exp(⟨x, x⟩) over the truth, less 1, for x along (1, ..., 1), with its standard error.

    An estimate has one orthogonal block of d rows: each package's own.
    """
    table: dict = {OURS: {}, CORE: {}}
    for dim in (4, 16, 64):
        torch.manual_seed(dim)
        theirs = (gaussian_orthogonal_random_matrix(dim, dim).double().sum(dim=1) for _ in range(draws))
        sums = {CORE: torch.stack(list(theirs)).numpy(), OURS: np.empty((draws, dim))}
        for i, some in enumerate(np.array_split(np.arange(draws), 20)):
            sums[OURS][some] = np.asarray(draw(Softmax(), len(some) * dim, dim, rng=i)).sum(axis=1).reshape(-1, dim)
        for name, total in sums.items():  # ⟨w, x⟩ is the sum of w times |x| / √d
            for norm in (0.5, 1.0):
                estimate = np.exp(2 * norm * total / dim**0.5 - 2 * norm**2).mean(axis=1)
                off, spread = estimate.mean() - 1, estimate.std() / draws**0.5
                row = {"bias": digits(off), "standard_error": digits(spread)}
                table[name][f"d = {dim}, norm {norm:g}"] = row
    return table


def share_finite(name: str, tensors: list, is_causal: bool) -> float:
    return digits(attentions(is_causal)[name](*tensors).isfinite().double().mean())


def float16() -> dict:
    """The share of outputs in float16 that are not finite, of standard normal arguments."""
    tensors, tasks = sample(N, 1.0, dtype=torch.float16), {"full": False, "causal": True}
    shares = {name: {task: share_finite(name, tensors, flag) for task, flag in tasks.items()} for name in (OURS, CORE)}
    return {name: {task: digits(1 - share) for task, share in row.items()} for name, row in shares.items()}


def finite() -> dict:
    """The share of outputs of causal attention that are finite, by the scale of standard normal arguments."""
    return {
        str(dtype).removeprefix("torch."): {
            name: {f"× {scale}": share_finite(name, sample(512, scale, dtype=dtype), True) for scale in SCALES}
            for name in (OURS, CORE)
        }
        for dtype in (torch.float32, torch.bfloat16)
    }


def checks(draws: int) -> dict:
    """What holds of the formula, and by how much it is missed."""
    return {
        "same_estimator": same_estimator(),
        "later_key": past_of_a_later_key(),
        "first_row": first_row(),
        "padding": padding(),
        "diagonal": diagonal(draws),
        "float16": float16(),
    }


def estimates(tensors: list, columns: int, seed: int) -> dict[str, torch.Tensor]:
    """Softmax attention, estimated with as many feature columns; and two that draw nothing."""
    query, key, value = tensors
    dim = query.shape[-1]
    W, half = (frequencies(rows, dim, seed) for rows in (columns, columns // 2))
    torch.manual_seed(seed)
    linear = 1 + query @ key.mT / dim**0.5
    moment = mean_square(query * dim**-0.25, key * dim**-0.25)
    return {
        "mean of the values": value.mean(dim=-2, keepdim=True).expand_as(value),
        "1 + ⟨q, k⟩/√d": linear @ value / linear.sum(dim=-1, keepdim=True),
        CORE: core(None, rows=columns, dim=dim)(*tensors),
        OURS: performer_attention(*tensors, W),
        PAIRS: performer_attention(*tensors, half, feature="hyperbolic"),
        OPTIMAL: performer_attention(*tensors, W, feature="optimal_positive", second_moment=moment),
        OPTIMAL_PAIRS: performer_attention(*tensors, half, feature="optimal_hyperbolic", second_moment=moment),
    }


def accuracy(draws: int, columns: int = 2 * FEATURES) -> dict:
    """The relative error of the output against softmax attention, medians over draws of the arguments and of W."""
    table: dict = {}
    for dim, sigma in ((16, 0.25), (16, 0.35), (16, 0.5), (64, 0.25), (64, 0.35), (64, 0.5)):
        errors: dict[str, list[float]] = {}
        for seed in range(draws):
            tensors = sample(N, sigma, dim, seed)
            exact = sdpa(*(x.double() for x in tensors))
            for name, output in estimates(tensors, columns, seed).items():
                errors.setdefault(name, []).append(error(output, exact))
        row = {name: digits(median(found)) for name, found in errors.items()}
        table.setdefault(f"d = {dim}", {})[f"σ = {sigma}"] = row
    return table
