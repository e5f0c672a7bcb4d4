"""Fixtures of every test: array backends, dtypes with one table of tolerances, reproducible hypothesis, a browser."""

import os
from dataclasses import dataclass
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import settings

import course

LONGEST = ("tests/companion/test_frequencies.py", "tests/test_planted.py", "tests/site/", "tests/lab/")


def pytest_collection_modifyitems(items):
    """Files that take minutes come first: a worker that began one last would keep the others waiting."""
    items.sort(
        key=lambda item: next((i for i, name in enumerate(LONGEST) if item.nodeid.startswith(name)), len(LONGEST))
    )


settings.register_profile("course", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("course")

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}  # relative to the largest entry; about 5000 and 80 eps


@dataclass(frozen=True)
class Backend:
    """Makes arrays of one backend from NumPy arrays, and back."""

    name: str

    def __call__(self, values: Any, dtype: str | None = None) -> Any:
        x = np.array(values, dtype=dtype)
        if self.name == "numpy-read-only":
            x.flags.writeable = False
        if self.name == "array-api-strict":
            return array_api_strict.asarray(x)
        if self.name.startswith("torch"):
            import torch

            return torch.from_numpy(x).to(self.name.removeprefix("torch-"))
        return x

    def numpy(self, x: Any) -> np.ndarray:
        return x.detach().cpu().numpy() if self.name.startswith("torch") else np.asarray(x)


BACKENDS = ["numpy", "numpy-read-only", "array-api-strict", "torch-cpu"]


@pytest.fixture(params=[*BACKENDS, pytest.param("torch-cuda", marks=pytest.mark.gpu)], scope="session")
def xp(request):
    """One array backend after the other: ``xp(values, dtype)`` makes an array of it."""
    if request.param == "torch-cuda" and not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("no CUDA device")
    return Backend(request.param)


@pytest.fixture(params=list(TOLERANCE), scope="session")
def dtype(request):
    """The name of one floating-point type after the other."""
    return request.param


@pytest.fixture(scope="session")
def close(dtype):
    """``close(got, expected)``: asserts agreement within the dtype's tolerance, relative to the largest entry."""

    def check(got, expected):
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=0, atol=TOLERANCE[dtype] * max(1.0, np.abs(expected).max()))

    return check


FLAGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update"


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium. Without one the browser tests are skipped on a user's machine, and fail on CI."""
    path = course.find_browser()
    if path is None:
        reason = "no Chromium or Chrome here: `make doctor` says what to do"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS.split())
        yield browser
        browser.close()
