"""Softmax attention and its estimates: ours, performer-pytorch's and torch's, on the same arrays, with the same W.

performer-pytorch is asked for its core, ``FastAttention``: no layers, no local attention. On a CPU its causal form is
its own fallback in torch, since the kernel of pytorch-fast-transformers that it prefers needs CUDA: that package cannot
be installed beside a torch without CUDA, whose absence its setup.py refuses, so its product on the CPU is not timed.
x-transformers has exact attention only, by torch's SDPA, which stands here. flex_attention is compiled, which needs a
C++ compiler; without one it forms the matrix and is left out. It has no gradients on a CPU.
"""

import contextlib
import io
from collections.abc import Callable

import numpy as np
import torch
from performer_pytorch import FastAttention
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention as sdpa

from companion.attention import _fast, block_mean_attention, performer_attention, performer_attention_step
from companion.attention.performer import host_maps
from companion.frequencies import draw
from companion.frequencies.base import Frequencies
from companion.kernels import Softmax

HEADS, DIM, FEATURES = 4, 64, 128
CORE = "performer-pytorch"
NUMPY, BARE = "companion, NumPy", "companion, NumPy, unchecked"
MEANS, PLAIN, WINDOW = "companion, block means", "companion, no window", 64
SDPA, FLEX = "torch, SDPA", "torch, flex_attention"
Call = Callable[[], object]


def sample(n: int, sigma: float = 0.5, dim: int = DIM, seed: int = 0, dtype: torch.dtype = torch.float32) -> list:
    """Query and key from N(0, sigma² I), value from N(0, I): tensors of shape (1, HEADS, n, dim)."""
    rng = np.random.default_rng(seed)
    arrays = (scale * rng.standard_normal((1, HEADS, n, dim)) for scale in (sigma, sigma, 1.0))
    return [torch.from_numpy(x).to(dtype) for x in arrays]


def frequencies(rows: int = FEATURES, dim: int = DIM, seed: int = 0) -> Frequencies:
    """W, in Haar blocks."""
    return draw(Softmax(), rows, dim, rng=seed)


def core(W: Frequencies | None, is_causal: bool = False, rows: int = FEATURES, dim: int = DIM) -> FastAttention:
    """performer-pytorch's attention, with W as its projection matrix or, of None, with one that it draws."""
    with contextlib.redirect_stdout(io.StringIO()):  # it reports that its CUDA kernel is missing
        module = FastAttention(dim_heads=dim, nb_features=rows, causal=is_causal)
    if W is not None:
        module.projection_matrix.copy_(torch.from_numpy(np.asarray(W)))
    return module


def compiles() -> bool:
    """Whether flex_attention can be compiled here."""
    try:
        torch.compile(flex_attention)(*sample(128))
    except Exception:  # no compiler, no headers: torch raises what it finds
        return False
    return True


def flex(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, is_causal: bool) -> Call:
    """flex_attention, compiled for these shapes."""
    torch.compiler.reset()
    n, mask = query.shape[-2], None
    if is_causal:
        mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, n, n, device=query.device)
    call = torch.compile(flex_attention, dynamic=False)
    return lambda: call(query, key, value, block_mask=mask)


def calls(tensors: list, is_causal: bool) -> dict[str, Call]:
    """Attention of these tensors: ours, performer-pytorch's and torch's."""
    W = frequencies()
    cast, module = W.to(tensors[0]), core(W, is_causal).to(tensors[0])
    return {
        "companion": lambda: performer_attention(*tensors, cast, is_causal=is_causal),
        CORE: lambda: module(*tensors),
        SDPA: lambda: sdpa(*tensors, is_causal=is_causal),
    }


def windowed(tensors: list) -> dict[str, Call]:
    """Causal attention with near keys exact and features or block means for the others; without a window; exactly."""
    W = frequencies().to(tensors[0])
    return {
        "companion": lambda: performer_attention(*tensors, W, is_causal=True, window=WINDOW),
        MEANS: lambda: block_mean_attention(*tensors, window=WINDOW, block=4 * WINDOW),
        PLAIN: lambda: performer_attention(*tensors, W, is_causal=True),
        SDPA: lambda: sdpa(*tensors, is_causal=True),
    }


def numpy_call(tensors: list, is_causal: bool) -> Call:
    """Ours on the same numbers as NumPy arrays."""
    arrays = [x.numpy() for x in tensors]
    W = frequencies().to(arrays[0])
    return lambda: performer_attention(*arrays, W, is_causal=is_causal)


def decoding(n: int, steps: int) -> tuple[dict[str, Call], dict[str, int]]:
    """``steps`` times the token after n others: ours from the state, torch's from all keys and values; and their bytes.

    Nobody appends to the cache, which is there whole; ours makes the new state each time. Unchecked is what a module
    calls that has read W once.
    """
    tensors, calls = sample(n), {}
    arrays = [x.numpy() for x in tensors]
    for name, values in {"companion": tensors, NUMPY: arrays}.items():
        W = frequencies().to(values[0])
        _, state = performer_attention_step(None, *values, W)
        token = [x[..., -1:, :] for x in values]
        calls[name] = lambda state=state, token=token, W=W: [
            performer_attention_step(state, *token, W) for _ in range(steps)
        ]
    maps, sums, maxima = host_maps(W.rows, None, DIM**-0.5, "positive"), state.sums, state.maxima.mT
    calls[BARE] = lambda: [_fast.step(*token, maps, sums, maxima) for _ in range(steps)]
    query, key, value = tensors
    calls[SDPA] = lambda: [sdpa(query[..., -1:, :], key, value) for _ in range(steps)]
    return calls, {"companion": state.sums.nbytes + state.maxima.nbytes, SDPA: key.nbytes + value.nbytes}
