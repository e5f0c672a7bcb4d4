"""Small data for the pages: drawn with a seed, made on the spot, nothing downloaded; a photograph, and trained heads.

A function that draws takes the number n of points, the standard deviation of its noise and ``rng``, and returns
``(X, y)`` with X of shape (n, d) and y of shape (n,), float64. Of two classes, the first has n // 2 points and the
label -1.0, the second +1.0; `crowd` is less even. `factors` and `coherent_factors` return two matrices of n terms to
multiply. The same integer gives the same data on every machine, independent of whatever else is drawn with it. A
TypeError or ValueError says if n is no integer of at least 2, or the noise is negative or not finite.

>>> X, y = rings(6, rng=0)
>>> X.shape, y.tolist()
((6, 2), [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
"""

from pathlib import Path

import numpy as np

from companion._core import checks
from companion._core.arrays import Seed, generator


def moons(n: int, *, noise: float = 0.3, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles of radius 1, the upper one with label -1, and noise on both coordinates.

    The layout of scikit-learn's ``make_moons``, with angles drawn uniformly instead of placed on a grid.
    """
    _check(n, noise)
    random = generator(rng, "datasets.moons")
    y = halves(n)
    angle = random.uniform(0, np.pi, n)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])  # (n, 2)
    X = np.where(y[:, None] < 0, upper, [1.0, 0.5] - upper)
    return X + noise * random.standard_normal((n, 2)), y


def rings(n: int, *, noise: float = 0.1, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Rings of radius 1 (label -1) and 2 around the origin, with noise on the radii: no straight line separates them.

    The points of a ring follow each other around it, one in each equal sector.
    """
    _check(n, noise)
    random = generator(rng, "datasets.rings")
    y = halves(n)
    radius = np.where(y < 0, 1.0, 2.0) + noise * random.standard_normal(n)
    turn = np.concatenate([np.arange(m) / m for m in (n // 2, n - n // 2)])  # around each ring
    angle = 2 * np.pi * (turn + random.uniform(0, 1 / n, n))
    return radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]), y


SPREAD = 2.0  # standard deviation of the few


def crowd(n: int, *, noise: float = 0.05, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """A tight crowd around the origin, 19 points of 20, with label -1, and the others spread far around it."""
    _check(n, noise)
    random = generator(rng, "datasets.crowd")
    y = np.where(np.arange(n) < n - n // 20, -1.0, 1.0)
    return np.where(y < 0, noise, SPREAD)[:, None] * random.standard_normal((n, 2)), y


DIM = 20
LIFT = 0.1  # standard deviation of the coordinates that the lift adds
FLIPPED = 0.2  # share of labels that the lift turns over


def lifted_moons(n: int, *, noise: float = 0.3, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """`moons` in a plane of 20 dimensions: noise of 0.1 in the other 18, a fixed turn, and a fifth of the labels wrong.

    No coordinate belongs to the plane alone. A label is kept or turned over by a draw of its own; the first n // 2
    points come from the upper moon, whatever their labels say.
    """
    _check(n, noise)
    random = generator(rng, "datasets.lifted_moons")
    plane, y = moons(n, noise=noise, rng=random)
    X = np.hstack([plane, LIFT * random.standard_normal((n, DIM - 2))])
    return X @ _turn(), np.where(random.random(n) < FLIPPED, -y, y)


def lifted_moons_mean(X: np.ndarray, *, noise: float = 0.3) -> np.ndarray:
    """The mean label at each point of `lifted_moons`, which no prediction can beat: X of shape (n, 20) gives (n,).

    The density of each moon is that of its noise, averaged over 200 positions on its arc.
    """
    angle = np.pi * (np.arange(200) + 0.5) / 200
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    plane = (X @ _turn().T)[:, :2]
    first, second = (_mean_density(plane, arc, noise) for arc in (upper, [1.0, 0.5] - upper))
    return (1 - 2 * FLIPPED) * (second - first) / (second + first)


def _mean_density(plane: np.ndarray, arc: np.ndarray, noise: float) -> np.ndarray:
    squares = sum((plane[:, [i]] - arc[:, i]) ** 2 for i in (0, 1))  # (n, positions)
    return np.exp(-squares / (2 * noise**2)).mean(axis=1)


def _turn() -> np.ndarray:
    """An orthogonal matrix of order 20 without zeros, that of the cosine transform: the same for every data set."""
    i = np.arange(DIM)
    turn = np.sqrt(2 / DIM) * np.cos(np.pi * np.outer(i, i + 0.5) / DIM)
    turn[0] /= np.sqrt(2)
    return turn


def wave(n: int, *, noise: float = 0.25, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """A damped sine, `wave_mean`, at uniform positions in [-3, 3], in increasing order, plus noise; X is (n, 1)."""
    _check(n, noise)
    random = generator(rng, "datasets.wave")
    X = np.sort(random.uniform(-3, 3, (n, 1)), axis=0)
    return X, wave_mean(X) + noise * random.standard_normal(n)


def wave_mean(X: np.ndarray) -> np.ndarray:
    """The noiseless curve under `wave`: sin(2x) exp(-x²/8), for X of shape (n, 1); returns shape (n,)."""
    x = X[:, 0]
    return np.sin(2 * x) * np.exp(-(x**2) / 8)


def factors(n: int, *, size: int = 200, skew: float = 0.0, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """Two Gaussian matrices of shape (size, n) and (n, size), factors of a product of n terms whose signs are random.

    Column i of the first and row i of the second are multiplied by exp(skew g_i / 2) with a Gaussian g_i, so that the
    size of term i has the factor exp(skew g_i).
    """
    checks.integer("n", n, minimum=2)
    checks.positive("skew", np.asarray(skew), allow_zero=True, why="It is a spread of logarithms.")
    random = generator(rng, "datasets.factors")
    A, B = random.standard_normal((size, n)), random.standard_normal((n, size))
    scale = np.exp(skew / 2 * random.standard_normal(n))
    return A * scale, scale[:, None] * B


def coherent_factors(n: int, *, size: int = 200, noise: float = 0.1, rng: Seed = None) -> tuple[np.ndarray, np.ndarray]:
    """A matrix (size, n) whose columns lie near 20 dimensions, and its transpose: the terms agree with each other."""
    _check(n, noise)
    random = generator(rng, "datasets.coherent_factors")
    A = random.standard_normal((size, 20)) @ random.standard_normal((20, n)) / np.sqrt(20)
    A += noise * random.standard_normal((size, n))
    return A, A.T


def story() -> str:
    """A short story of 13,000 characters about two makers of maps, to count n-grams in; under CC BY 4.0, as the course.

    Letters, spaces, commas and full stops; an empty line between paragraphs.

    >>> story()[:60]
    'There was once an island in the north that nobody had ever s'
    """
    return (Path(__file__).parent / "data" / "story.txt").read_text(encoding="utf-8")


def photograph() -> np.ndarray:
    """A grey photograph of a Chinese temple as a matrix of 142 x 213 brightnesses from 0 (black) to 1 (white).

    china.jpg, taken by danielbuechele (CC BY 2.0), which scikit-learn ships: its luminance, averaged over 3 x 3 pixels.
    """
    with checks.needs("companion.datasets.photograph", "scikit-learn and pillow", extra="notebooks"):
        from sklearn.datasets import load_sample_image

        colours = load_sample_image("china.jpg")
    grey = colours[:426, :639] @ np.array([0.299, 0.587, 0.114]) / 255
    return grey.reshape(142, 3, 213, 3).mean(axis=(1, 3))


def attention_heads() -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Query, key and value of four trained attention heads, each of shape (512, 24) in float32, under their names.

    A causal language model of 3 layers, 4 heads and learned positions was trained with softmax attention to predict the
    next character of this course (benchmarks/train_heads.py, with its losses in benchmarks/results/heads.json). These
    are what it makes of one sequence of held-out text, stored in float16 (benchmarks/ship_heads.py). Of the first and
    the last layer, "flat" is the head that spreads its weights the most and "sharp" the one that does so the least;
    weights are proportional to exp(⟨query, key⟩/√24). As the text, the numbers are under CC BY 4.0.

    >>> list(attention_heads())
    ['flat_0', 'sharp_0', 'flat_2', 'sharp_2']
    """
    with np.load(Path(__file__).parent / "data" / "attention_heads.npz") as stored:
        return {name: tuple(stored[name].astype(np.float32)) for name in stored.files}


def halves(n: int) -> np.ndarray:
    """Labels of two classes: n // 2 times -1.0, then +1.0; shape (n,)."""
    return np.where(np.arange(n) < n // 2, -1.0, 1.0)


def _check(n: int, noise: float) -> None:
    checks.integer("n", n, minimum=2)
    checks.positive("noise", np.asarray(noise), allow_zero=True, why="It is a standard deviation.")
