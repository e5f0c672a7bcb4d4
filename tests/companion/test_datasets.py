"""The trained heads that travel with the package. The drawn data sets are tested where they are used."""

import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import companion
from companion.datasets import attention_heads

FILE = Path(companion.__file__).parent / "data" / "attention_heads.npz"
NAMES = ["flat_0", "sharp_0", "flat_2", "sharp_2"]


def effective_keys(query, key):
    """exp(entropy) of the weights of causal softmax attention, the mean over the later half of the rows."""
    scores = (query.astype(float) @ key.T) / np.sqrt(query.shape[1])
    scores[~np.tri(len(scores), dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)
    return np.exp(-(weights * logs).sum(axis=1))[len(weights) // 2 :].mean()


def test_the_heads_are_query_key_and_value_in_float32():
    heads = attention_heads()
    assert list(heads) == NAMES
    for head in heads.values():
        assert isinstance(head, tuple) and len(head) == 3
        for part in head:
            assert part.shape == (512, 24) and part.dtype == np.float32 and np.isfinite(part).all()
            assert np.linalg.matrix_rank(part) == 24


@pytest.mark.parametrize("layer", [0, 2])
def test_a_flat_head_spreads_its_weights_over_more_keys_than_the_sharp_one_of_its_layer(layer):
    keys = {name: effective_keys(*head[:2]) for name, head in attention_heads().items()}
    assert keys[f"flat_{layer}"] > 2 * keys[f"sharp_{layer}"]


def test_nobody_changes_the_heads_of_the_next_who_asks():
    attention_heads()["flat_0"][0][:] = 0.0
    assert attention_heads()["flat_0"][0].any()


def test_the_file_is_small_plain_data_and_part_of_the_wheel():
    with np.load(FILE, allow_pickle=False) as stored:
        assert {stored[name].dtype for name in stored.files} == {np.dtype(np.float16)}
    assert FILE.stat().st_size <= 300_000
    settings = tomllib.loads((FILE.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["companion"]
    assert any(FILE.relative_to(FILE.parents[1]).match(pattern) for pattern in patterns)


def test_the_heads_are_found_from_any_folder(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(FILE.parents[2])!r}); from companion import datasets; "
    code += "print(*datasets.attention_heads())"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == NAMES
