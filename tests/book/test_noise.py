"""The noise of the second execution: on every public name, of the size it claims, and only at the border."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from tools import noise
from tools.pages import ROOT

INSTALL = """
import importlib, inspect, json, sys
import numpy as np
from tools import noise
names = noise.install()
modules = [importlib.import_module(name) for name in noise.computing_modules()]
kinds = lambda value: inspect.isclass(value) or inspect.isfunction(value)
own = lambda m: [key for key, value in vars(m).items() if getattr(value, "__module__", "") == m.__name__ and key[0] != "_"]
listed = [f"{m.__name__}.{name}" for m in modules for name in getattr(m, "__all__", None) or own(m) if kinds(getattr(m, name))]
from companion import kernels
k, X = kernels.Gaussian(), np.arange(6.0).reshape(3, 2) / 7
K, again = k(X), k(X)
module = {"__name__": "companion.estimators", "k": k, "X": X}
exec("K, again = k(X), k(X)", module)  # as that module would call it
noisy = {name for name, module in sys.modules.items() if name.startswith("companion.") and any(
    hasattr(value, "is_noisy") and value.__module__ == name for value in vars(module).values())}
print(json.dumps({
    "names": names, "listed": listed, "noisy": bool(np.any(K != again)), "symmetric": bool(np.all(K == K.T)),
    "inside": bool(np.all(module["K"] == module["again"])), "spectrum": kernels.Matern(2.5).spectrum.nu,
    "files": sorted(name for name in noisy if name.count(".") > 1),
}))
"""


def test_it_lies_on_every_public_name_and_not_within_the_package():
    done = subprocess.run([sys.executable, "-c", INSTALL], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["noisy"] and found["symmetric"] and found["inside"]
    assert set(found["names"]) == set(found["listed"]) and len(found["names"]) > 40
    assert found["files"] == [], "the files of a folder call each other without noise"
    assert found["spectrum"] == 2.5, "parameters of a law are exact"


@dataclass(frozen=True)
class Result:
    alpha: np.ndarray
    gap: float
    n_iter: int


def test_its_size_is_a_few_eps_and_what_is_exact_stays():
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        x = np.linspace(1, 2, 1000, dtype=dtype)
        moved = (noise.noisy(x, rng, 4.0) - x) / x / np.finfo(dtype).eps
        assert 2 < np.abs(moved).max() <= 5 and moved.dtype == dtype
    labels = np.array([-1.0, 1.0, 1.0])
    assert noise.noisy(labels, rng, 4.0) is labels
    assert noise.noisy(np.arange(3), rng, 4.0).tolist() == [0, 1, 2]
    before = Result(np.array([0.0, 0.3, 10.0, 10.0]), 0.1, 7)
    after = noise.noisy((before, "name"), rng, 4.0)[0]
    assert before.alpha[1] == 0.3 != after.alpha[1], "the caller's result is a copy"
    assert after.alpha[[0, 2, 3]].tolist() == [0, 10, 10] and after.gap != 0.1 and after.n_iter == 7


def test_the_instruction_set_is_the_one_that_was_asked_for():
    import torch

    asked = os.environ.get("COURSE_INSTRUCTIONS") or "native"
    found = set(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    assert asked == "native" or found <= {"avx2": {"X86_V3"}, "none": set()}[asked]
    assert asked == "native" or torch.backends.cpu.get_cpu_capability() in (
        {"avx2": "AVX2", "none": "DEFAULT"}[asked],
        "DEFAULT",
    )
    probe = "import numpy as np; print(*np.show_config(mode='dicts')['SIMD Extensions'].get('found', []))"
    environment = {**os.environ, **noise.other_instructions()}
    other = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True
    ).stdout.split()
    assert set(other) < found or not found & {"X86_V3", "X86_V4"}


def test_gradients_pass():
    import torch

    x = torch.ones(3, requires_grad=True)
    noise.noisy(2 * x, np.random.default_rng(0), 4.0).sum().backward()
    assert torch.allclose(x.grad, torch.full((3,), 2.0))
