"""Noise in the last bits of what the package returns: what another processor would do to a page, and a little more.

A printed digit or a picture that hinges on last bits changes from one processor to the next. So every page is executed
a second time, on another instruction set and with every floating-point number that a public function or method of the
package returns multiplied by 1 + u, where u is uniform in ± `EPS` eps and seeded. What is printed and drawn must stay
as it is stored.

The noise lies at the border of the package: a wrapper around its public names changes what leaves for a page, a figure
or another library, and nothing that one module of the package gives to another. Of a folder only the names that it
exports are wrapped, in its ``__init__``, so that its files keep calling each other without noise.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import course
from tools import api

EPS = 4.0
LEAVES = ("companion.plotting", "companion.show", "companion.figures")  # they draw: noise goes into them


def other_instructions() -> dict[str, str]:
    """The variables that make this processor compute as the next older kind does."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return (
        course.INSTRUCTIONS["avx2"] if "X86_V4" in found else course.INSTRUCTIONS["none"] if "X86_V3" in found else {}
    )


def noisy(value: Any, rng: np.random.Generator, eps: float, clipped: bool = False) -> Any:
    """``value`` with noise in its floating-point numbers: arrays, numbers, and the fields of results that hold them.

    What is exact on every processor stays: labels, and in the fields of a result (``clipped``) the largest value, where
    it occurs more than once: the bound at which a solver cuts its coefficients.
    """
    if isinstance(value, tuple | list):
        items = [noisy(item, rng, eps) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and value.__dataclass_params__.frozen:
        result = copy.copy(value)
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if not dataclasses.is_dataclass(item):
                object.__setattr__(result, field.name, noisy(item, rng, eps, clipped=True))
        return result
    if type(value) is float:
        return value * (1 + eps * 2.0**-52 * rng.uniform(-1, 1))
    if isinstance(value, np.ndarray | np.floating) and np.issubdtype(value.dtype, np.floating):
        if value.ndim == 1 and np.all(np.abs(value) == 1) and np.ptp(value) == 2:
            return value  # labels
        factor = uniform(value, rng)
        factor *= eps * float(np.finfo(value.dtype).eps)
        factor += 1
        if clipped and np.count_nonzero(at_bound := value == np.max(value, initial=-np.inf)) > 1:
            factor[at_bound] = 1
        return (value * factor).astype(value.dtype, copy=False)
    if type(value).__module__ == "torch" and hasattr(value, "is_floating_point") and value.is_floating_point():
        torch = sys.modules["torch"]
        factor = 1 + eps * torch.finfo(value.dtype).eps * uniform(value.detach().cpu().numpy(), rng)
        return (value.double() * torch.from_numpy(factor).to(value.device)).to(value.dtype)
    return value


def uniform(value: Any, rng: np.random.Generator) -> np.ndarray:
    """Numbers in ± 1, in steps of 1/128, of the shape of ``value``: symmetric where it is."""
    u = np.frombuffer(rng.bytes(np.size(value)), np.int8).reshape(np.shape(value)) / 128
    if u.ndim == 2 and u.shape[0] == u.shape[1] and np.array_equal(value, np.transpose(value)):
        return np.triu(u) + np.triu(u, 1).T
    return u


def install(seed: int = 0, eps: float = EPS) -> list[str]:
    """Put the noise around the public names of the package, in this process; returns them."""
    rng, names = np.random.default_rng(seed), []

    def wrapped(function: Callable) -> Callable:
        @functools.wraps(function)
        def noisily(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            caller = sys._getframe(1).f_globals.get("__name__", "")
            inside = caller.startswith("companion.") and not caller.startswith(LEAVES)
            return result if inside else noisy(result, rng, eps)

        noisily.is_noisy = True
        return noisily

    for module in map(importlib.import_module, computing_modules()):
        for name in [found.name for found in api.public(module.__name__)]:
            value = getattr(module, name)
            names.append(f"{module.__name__}.{name}")
            if inspect.isclass(value):
                wrap_methods(value, wrapped)
            else:
                setattr(module, name, wrapped(value))
    return names


def computing_modules() -> list[str]:
    """The public modules of the package whose results pages print, those that cannot be imported here left out."""
    names = [f"companion.{name}" for name in importlib.import_module("companion").__all__]
    return [name for name in names if not name.startswith(LEAVES)]


def wrap_methods(cls: type, wrapped: Callable) -> None:
    """Wrap the methods and properties that a class or a base of it in the package defines, each once.

    A property that is an object of the package, as a kernel's spectrum, holds parameters and no results: it stays.
    """
    for owner in (base for base in cls.__mro__ if base.__module__.startswith("companion")):
        for name, value in list(vars(owner).items()):
            if name.startswith("_") and name not in ("__call__", "__array__"):
                continue
            getter = value.fget if isinstance(value, property) else value
            if not inspect.isfunction(getter) or hasattr(getter, "is_noisy"):
                continue
            kind = getter.__annotations__.get("return")
            if isinstance(value, property) and getattr(kind, "__module__", "").startswith("companion."):
                continue
            setattr(owner, name, property(wrapped(getter)) if isinstance(value, property) else wrapped(getter))
