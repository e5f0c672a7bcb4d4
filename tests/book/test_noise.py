"""The noise of the second execution: on every public name, of the size it claims, and only at the border."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np

from tools import noise
from tools.pages import ROOT
from tools.sphinx_course import exported, public

INSTALL = """
import json
import numpy as np
from tools import noise
names = noise.install()
from companion import kernels
k, X = kernels.Gaussian(), np.arange(6.0).reshape(3, 2) / 7
K, again = k(X), k(X)
module = {"__name__": "companion.estimators", "k": k, "X": X}
exec("K, again = k(X), k(X)", module)  # as that module would call it
print(json.dumps([names, bool(np.any(K != again)), bool(np.all(K == K.T)), bool(np.all(module["K"] == module["again"]))]))
"""


def test_it_lies_on_every_name_of_the_api_page():
    done = subprocess.run([sys.executable, "-c", INSTALL], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names, noisy, symmetric, exact_inside = json.loads(done.stdout)
    listed = set()
    for module in noise.computing_modules():
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
        listed |= {f"{module}.{node.name}" for node in (*public(tree.body), *exported(tree))}
    assert set(names) == listed
    assert noisy and symmetric and exact_inside


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
    assert asked == "native" or torch.backends.cpu.get_cpu_capability() in ({"avx2": "AVX2", "none": "DEFAULT"}[asked], "DEFAULT")
    probe = "import numpy as np; print(*np.show_config(mode='dicts')['SIMD Extensions'].get('found', []))"
    environment = {**os.environ, **noise.other_instructions()}
    other = subprocess.run([sys.executable, "-c", probe], env=environment, capture_output=True, text=True).stdout.split()
    assert set(other) < found or not found & {"X86_V3", "X86_V4"}


def test_gradients_pass():
    import torch

    x = torch.ones(3, requires_grad=True)
    noise.noisy(2 * x, np.random.default_rng(0), 4.0).sum().backward()
    assert torch.allclose(x.grad, torch.full((3,), 2.0))
