"""What every form of attention asks of its arguments: equal backends and shapes, and a mask that leaves a key to each.

Axis -2 is the length, axis -1 the dimension, all axes before them are batches and heads, equal in all arguments.

>>> (q, k, v), dtype = read_all(query=[[0.0, 1.0]], key=[[1.0, 0.0]], value=[[2.0]])
>>> read_mask([True], q, k, is_causal=False)
array([ True])
"""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat as compat
import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Array, host, namespace

REFUSED = {
    "key_padding_mask": "It marks what to leave out: pass key_mask=~key_padding_mask, True where a key is attended to.",
    "attn_mask": "Pass key_mask, of shape (..., length of key), or is_causal: no mask over pairs is taken.",
    "dropout_p": "The weights have no dropout here: drop entries of the output.",
    "enable_gqa": "Repeat the heads of key and value: key.repeat_interleave(groups, dim=-3).",
}
"""Arguments of torch that are not taken, and what to do instead."""

PLAIN = ("float32", "float64")


def refuse(kwargs: dict[str, Any]) -> None:
    """Refuse, with advice, arguments that other libraries have."""
    for name in kwargs:
        advice = REFUSED.get(name, "Take it out: no such argument is known.")
        checks.fail(name, "left out", "it as an argument", advice, TypeError)


def read_all(**values: Any) -> tuple[list[Array], Any]:
    """Query, key and value, by their names, in a common dtype; and the dtype that the result must have."""
    for name, value in values.items():
        if getattr(value, "is_nested", False):
            fix = "Pad it, torch.nested.to_padded_tensor(x, 0.0), and pass key_mask."
            checks.fail(name, "one array of equally long sequences", "a nested tensor", fix, TypeError)
    read, dtypes = zip(*(arrays.read(name, value, arrays.BATCHES) for name, value in values.items()), strict=True)
    fix = "them, for example torch.as_tensor(key), or move them, key.to(query.device)."
    arrays.require_one_place(", ".join(values), read, fix)
    _check_shapes(list(values), [tuple(x.shape) for x in read])
    xp = namespace(read[0])
    common = xp.result_type(*read)
    return [xp.astype(x, common, copy=False) for x in read], xp.result_type(*dtypes)


def _check_shapes(names: list[str], shapes: list[tuple[int, ...]]) -> None:
    """Equal leading axes, equal dimensions of query and key, equal lengths of key and value."""
    (query, key, value), got = shapes, f"shapes {', '.join(map(str, shapes))}"
    order = "The order of the axes is (..., heads, length, dim)"
    if not query[:-2] == key[:-2] == value[:-2]:
        fix = f"{order}; where heads share keys, repeat those: key.repeat_interleave(groups, dim=-3)."
        checks.fail(", ".join(names), "equal in all axes before the last two", got, fix)
    if query[-1] != key[-1]:
        checks.fail(f"{names[0]} and {names[1]}", "equal in their last axis", got, f"{order}.")
    if key[-2] != value[-2]:
        fix = f"{order}: swap heads and length if they are the other way round."
        checks.fail(f"{names[1]} and {names[2]}", "equally long: axis -2 is the length", got, fix)


def check_causal(query: Array, key: Array) -> None:
    """Refuse causal attention between sequences of different lengths."""
    if query.shape[-2] != key.shape[-2]:
        got = f"lengths {query.shape[-2]} and {key.shape[-2]}"
        fix = "Pass all queries and keep the last rows, or leave is_causal out if every query may see every key."
        checks.fail("query and key", "equally long where is_causal, query i beside key i", got, fix)


def read_window(window: Any, query: Array, key: Array) -> int:
    """The size of a block of keys, at most the length; 0 for none. Refuses sequences of different lengths."""
    checks.integer("window", window, minimum=0)
    if window and query.shape[-2] != key.shape[-2]:
        got, fix = f"lengths {query.shape[-2]} and {key.shape[-2]}", "Leave window out."
        checks.fail("query and key", "equally long where there is a window: keys near a position", got, fix)
    return min(int(window), query.shape[-2])


def read_scale(scale: float | None, query: Array) -> float:
    """The factor of the inner products: at least 0, 1/√d if left out."""
    return query.shape[-1] ** -0.5 if scale is None else arrays.number("scale", scale, allow_zero=True)


def read_mask(key_mask: Any, query: Any, key: Any, is_causal: bool) -> Array | None:
    """The mask, beside ``key``; refuses one of another dtype or shape, and one that leaves a query without a key."""
    if key_mask is None:
        return None
    mask = key_mask if compat.is_array_api_obj(key_mask) else np.asarray(key_mask)
    if arrays.dtype_name(mask) != "bool":
        fix = "True marks a key to attend to; for example key_mask = numbers > 0."
        checks.fail("key_mask", "of dtype bool", f"dtype {arrays.dtype_name(mask)}", fix, TypeError)
    whole, got = tuple(key.shape[:-1]), tuple(mask.shape)
    fits = (g in (1, w) for g, w in zip(got, whole[-len(got) :], strict=False))
    if len(got) not in (1, len(whole)) or got[-1] != whole[-1] or not all(fits):
        fix = "A mask of one row for each sequence and any head is key_mask[:, None, :]."
        checks.fail("key_mask", f"of shape {whole[-1:]} or {whole} (or 1 in a leading axis)", f"shape {got}", fix)
    if arrays.readable(mask):
        _require_keys(host(mask), is_causal)
    if compat.is_torch_array(mask) and compat.is_torch_array(key):
        return mask.to(key.device)
    return namespace(key).asarray(host(mask), device=compat.device(key))


def _require_keys(mask: np.ndarray, is_causal: bool) -> None:
    """Refuse a query that may attend to no key: in causal attention the first one sees the first key only."""
    bad = np.argwhere(~(mask[..., 0] if is_causal else mask.any(axis=-1)))
    if len(bad):
        place = f" of the sequence at {tuple(bad[0].tolist())}" if mask.ndim > 1 else ""
        row, why = ("row 0", ", which sees key 0 only") if is_causal else ("every row", "")
        fix = "Take empty sequences out; in causal attention put the padding at the end."
        checks.fail("key_mask", "True for a key of each row", f"no key for {row} of query{place}{why}", fix)


def full_precision(x: Array) -> AbstractContextManager:
    """Products in the dtype of ``x`` also inside ``torch.autocast``, whose bfloat16 has three digits."""
    if not compat.is_torch_array(x):
        return nullcontext()
    return sys.modules["torch"].autocast(x.device.type, enabled=False)


def are_plain_tensors(*values: Any) -> bool:
    """Whether all are tensors that NumPy can read as they are, of which no gradient is asked: NumPy checks faster."""
    for x in values:
        if not (compat.is_torch_array(x) and arrays.is_plain(x) and arrays.dtype_name(x) in PLAIN):
            return False
        if x.requires_grad or x.is_nested or str(x.layout) != "torch.strided":
            return False
    return True
