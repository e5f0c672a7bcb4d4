"""The pairs of ``cosines.pairs`` on the host, a few rows at a time: angles, cosines and sines stay in the cache.

Both come from one tangent u = tan(t/2): cos t = 2/(1 + u²) - 1 and sin t = 2u/(1 + u²), and neither magnifies an error:
the derivatives by log u are at most 1 and 1/2. With AVX-512 that is NumPy's own tangent, for float64; for float32 its
cosine and sine are as fast, and for float64 tensors torch's. Without AVX-512 the tangent is a quotient of polynomials,

    tan(πt) = f A(f²) / ((1/4 - f²) B(f²))     for an angle of t turns, of which f = t - rint(t) loses nothing.

A and B minimise the largest error of the angle (Remez's exchange, in 60 digits): 1e-15 in float64, and 2e-8 radians in
float32, where they are the best of the float32 numbers nearby. Rounding adds to that up to 3e-7 and 1e-15.

>>> t, out = np.array([[0.0, 3.0]]), np.empty((1, 2, 2))
>>> by_tangent(quotient, t / TURN, 1.0, out)
>>> np.allclose(out, [[np.cos(t[0]), np.sin(t[0])]])
True
"""

import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from companion._core.arrays import Array, from_host, host
from companion.frequencies.hadamard import Hadamard

ROWS = 128  # of a product's block: its angles stay in the level-2 cache
TURN = 2 * np.pi
_BYTES = 2**18  # of each array of a block of tangents
_A_AND_B = {  # from the highest power on; a common factor makes A's first coefficient 1
    "float32": ([-10.076888084411621, 9.109658241271973], [-4.593568325042725, 11.598774909973145]),
    "float64": (
        [-19.1852101079223778, 75.3679155485917897, -57.1827241124206574],
        [0.088797936431523313, -5.49118703563003946, 44.258622663453269, -72.8073056156152892],
    ),
}


def has_fast_tangent() -> bool:
    """Whether NumPy computes the tangent of float64 with AVX-512: everywhere else it is scalar."""
    loops = np.lib.introspect.opt_func_info(func_name="^tan$", signature="float64").get("tan", {})
    return any(re.search("AVX512|X86_V4", loop["current"]) for loop in loops.values())


FAST_TANGENT = has_fast_tangent()


def pairs(X: Array, W: Any, amplitude: Any, angles: Callable, short: bool) -> Array:
    """``cosines.pairs`` for X and W with which NumPy may compute; where angles are not short, W is in float64.

    X may be in SciPy's CSR format: its product with Wᵀ is dense.
    """
    tensor = hasattr(X, "detach")
    x = host(X) if tensor else X
    x = x.reshape(-1, x.shape[-1]) if x.ndim > 2 else x
    (n, _), m = x.shape, W.shape[0]
    write, unit, rows = by_cosine_and_sine, 1.0, ROWS
    if short and not FAST_TANGENT:
        write, unit, rows = partial(by_tangent, quotient), TURN, max(ROWS, _BYTES // (m * x.dtype.itemsize))
    elif not tensor and x.dtype == np.float64:
        write, unit = partial(by_tangent, np.tan), 2.0
    if isinstance(W, Hadamard):
        W = W / np.asarray(unit)
    else:
        W = np.divide(W if isinstance(W, np.ndarray) else host(W), unit, dtype=np.float64)
        W = np.asfortranarray(W, x.dtype if short else None)  # Wᵀ without strides
    phi, amplitude = np.empty((n, 2, m), x.dtype), np.asarray(amplitude, x.dtype)
    for i in range(0, n, rows):
        write(angles(x[i : i + rows], W), amplitude, phi[i : i + rows])
    phi = phi.reshape(*X.shape[:-1], 2 * m)
    return from_host(phi, X) if tensor else phi


def by_tangent(tangent: Callable, t: np.ndarray, amplitude: Any, out: np.ndarray) -> None:
    """Write cosines and sines, times the amplitude, by the function (t, its place) -> tan(t/2); overwrites t."""
    rows = max(1, _BYTES // t[0].nbytes)
    for i in range(0, len(t), rows):
        u, part = t[i : i + rows], out[i : i + rows]
        tangent(u, u)
        v = u * u
        v += 1
        np.divide(2 * amplitude, v, out=v)
        np.subtract(v, amplitude, out=part[:, 0])
        np.multiply(u, v, out=part[:, 1])


def quotient(t: np.ndarray, out: np.ndarray) -> None:
    """Write tan(πt)."""
    (A, B), (z, N, P) = _A_AND_B[t.dtype.name], np.empty((3, *t.shape), t.dtype)
    np.subtract(t, np.rint(t, out=z), out=out)
    np.multiply(out, out, out=z)
    np.add(z, A[0], out=N)
    for a in A[1:]:
        N *= z
        N += a
    np.multiply(z, B[0], out=P)
    for b in B[1:-1]:
        P += b
        P *= z
    P += B[-1]
    P *= np.subtract(np.nextafter(t.dtype.type(0.25), t.dtype.type(1)), z, out=z)  # never 0
    N /= P
    out *= N


def by_cosine_and_sine(t: np.ndarray, amplitude: Any, out: np.ndarray) -> None:
    """The same by the functions of NumPy, for float64 by those of torch."""
    torch = sys.modules["torch"] if t.dtype == np.float64 else None
    for i, name in enumerate(("cos", "sin")):
        if torch is None:
            getattr(np, name)(t, out=out[:, i])
        else:
            getattr(torch, name)(torch.from_numpy(t), out=torch.from_numpy(out)[:, i])
    out *= amplitude
