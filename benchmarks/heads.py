"""What cheap attention loses on trained heads: features, the nearest keys exact, means of the others, and what rank.

Query, key and value of every head of two trained models (``train_heads``), of text that was held out, go into
estimates of softmax attention. All are causal and have one normaliser: an estimate is a matrix of weights, each row of
which is divided by its sum. The matrices are dense, in float64, and held as logarithms, as weights of far keys can be
e^60 below those of near ones. No model is trained further.

    x = q / d^¼    y = k / d^¼    similarity exp⟨x, y⟩
    near w         exact where key j lies in the query's own block of w keys or in the one before; 0 elsewhere
    + features D   exp(±⟨w_r, x⟩ - |x|²/2), D/2 rows w_r in Haar blocks, for all earlier keys
    + mean key     all earlier keys have the similarity of their mean: count · exp⟨x, mean y⟩, and the mean value
    + block means  the same for each block of earlier keys; of an unfinished block what it has so far

Usage: python benchmarks/heads.py benchmarks/results/heads.json [learned.pt rotary.pt]
A checkpoint that is missing is trained first: about 40 minutes for both.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import timing

timing.one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402
import train_heads  # noqa: E402

from companion.datasets import attention_heads  # noqa: E402
from companion.features import hyperbolic, mean_square, optimal_hyperbolic, positive  # noqa: E402
from companion.frequencies import draw  # noqa: E402
from companion.kernels import Softmax  # noqa: E402

CHECKPOINTS = [train_heads.ROOT / "work" / f"{name}.pt" for name in train_heads.SETTINGS]
WINDOWS, BLOCKS, COLUMNS = (16, 32, 64), (256, 64, 32), (64, 128, 256)
SEQUENCES, SEEDS = 3, 3
NEAR, TOLERANCE = 32, 0.1  # of the spectrum
RANKS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)


def digits(value: float, count: int = 3) -> float:
    return float(f"{float(value):.{count}g}")


# ---- the estimates, as logarithms of weights (n, n), for x and y of shape (n, d)


def causal(n: int) -> np.ndarray:
    """True where key j is not after query i."""
    return np.tri(n, dtype=bool)


def near_mask(n: int, window: int) -> np.ndarray:
    """True where key j is in the query's own block, up to the query, or in the block before."""
    block = np.arange(n) // window
    return causal(n) & (block >= block[:, None] - 1)


def estimated(x: np.ndarray, y: np.ndarray, W: np.ndarray, feature: str, moment: float | None = None) -> np.ndarray:
    """log⟨φ(x), φ(y)⟩; each row of features is scaled to the largest entry 1 for the product."""
    maps = {"positive": positive, "hyperbolic": hyperbolic, "optimal_hyperbolic": optimal_hyperbolic}
    options = {"second_moment": moment} if feature.startswith("optimal") else {}
    log_x, log_y = (maps[feature](z, W, log=True, **options) for z in (x, y))
    top_x, top_y = (logs.max(axis=1, keepdims=True) for logs in (log_x, log_y))
    return np.log(np.exp(log_x - top_x) @ np.exp(log_y - top_y).T) + top_x + top_y.T


def of_means(x: np.ndarray, y: np.ndarray, window: int, size: int) -> np.ndarray:
    """⟨x, mean y⟩ for the blocks of ``size`` keys among those before the near ones; -inf elsewhere.

    Every key of a block has its mean's weight, so that together they have the mean value, times their count.
    """
    n = len(y)
    logs = np.full((n, n), -np.inf)
    for first in range(2 * window, n, window):  # the block's first query; its near keys begin at ``end``
        rows, end = slice(first, first + window), first - window
        starts = np.arange(0, end, size)
        counts = np.diff([*starts, end])
        means = np.add.reduceat(y[:end], starts) / counts[:, None]
        logs[rows, :end] = np.repeat(x[rows] @ means.T, counts, axis=1)
    return logs


def weights(logs: np.ndarray) -> np.ndarray:
    """Causal weights whose rows have the sum 1."""
    logs = np.where(causal(len(logs)), logs, -np.inf)
    positive_weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return positive_weights / positive_weights.sum(axis=1, keepdims=True)


def taylor(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Causal weights proportional to 1 + ⟨x, y⟩, which can be negative."""
    linear = np.tril(1 + x @ y.T)
    return linear / linear.sum(axis=1, keepdims=True)


def near_and_far(exact: np.ndarray, window: int, far: np.ndarray | float = -np.inf) -> np.ndarray:
    """Logarithms that are exact at the near keys and ``far`` at the others."""
    return np.where(near_mask(len(exact), window), exact, far)


def fixed(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The weights of every estimate that draws nothing."""
    exact = x @ y.T
    yield "mean of the values", weights(np.zeros_like(exact))
    yield "1 + ⟨q, k⟩/√d", taylor(x, y)
    for w in WINDOWS:
        yield f"near {w}", weights(near_and_far(exact, w))
        yield f"near {w} + mean key", weights(near_and_far(exact, w, of_means(x, y, w, len(y))))
        for size in BLOCKS:
            yield f"near {w} + block means {size}", weights(near_and_far(exact, w, of_means(x, y, w, size)))


def drawn(x: np.ndarray, y: np.ndarray, moment: float, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """The weights of every estimate by random features, whose W has this seed."""
    exact = x @ y.T
    for D in COLUMNS:
        W, half = (np.asarray(draw(Softmax(), rows, x.shape[1], rng=seed)) for rows in (D, D // 2))
        far = estimated(x, y, half, "hyperbolic")
        optimal = estimated(x, y, half, "optimal_hyperbolic", moment)
        yield f"positive features {D}", weights(estimated(x, y, W, "positive"))
        yield f"features {D}", weights(far)
        yield f"optimal features {D}", weights(optimal)
        for w in WINDOWS:
            yield f"near {w} + features {D}", weights(near_and_far(exact, w, far))
        yield f"near {NEAR} + optimal features {D}", weights(near_and_far(exact, NEAR, optimal))


def errors(x: np.ndarray, y: np.ndarray, v: np.ndarray, moment: float) -> dict[str, float]:
    """Of every estimate ‖Ô - O‖ / ‖O‖ in the Frobenius norm, the mean over the draws of W."""
    exact = weights(x @ y.T) @ v
    found: dict[str, list[float]] = {}
    everything = [fixed(x, y), *(drawn(x, y, moment, seed) for seed in range(SEEDS))]
    for name, P in (item for estimates in everything for item in estimates):
        found.setdefault(name, []).append(np.linalg.norm(P @ v - exact) / np.linalg.norm(exact))
    return {name: float(np.mean(values)) for name, values in found.items()}


# ---- what kind of head it is


def sharpness(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """|z|² = |x + y|², and of the rows of the second half: exp(entropy), and the weight of the nearest 32 keys."""
    P = weights(x @ y.T)
    late = P[len(P) // 2 :]
    entropy = -np.sum(late * np.log(np.maximum(late, 1e-300)), axis=1)
    nearest = np.sum(np.tril(P) - np.tril(P, -32), axis=1)[len(P) // 2 :]
    return {"z2": mean_square(x, y), "keys": float(np.exp(entropy).mean()), "nearest_32": float(nearest.mean())}


def tails(A: np.ndarray) -> np.ndarray:
    """‖A - A_r‖ of the best A_r of rank r, for r = 0 ... n."""
    squares = np.linalg.svd(A, compute_uv=False) ** 2
    return np.sqrt(np.append(np.cumsum(squares[::-1])[::-1], 0.0))


def directions(x: np.ndarray, y: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The rank that leaves a tenth of ‖P‖, for P and for P without its near keys; and both tails over ‖P‖."""
    P = weights(x @ y.T)
    far = np.where(near_mask(len(P), NEAR), 0.0, P)
    whole, rest = tails(P), tails(far)
    counts = {
        "whole": int(np.argmax(whole <= TOLERANCE * whole[0])),
        "far": int(np.argmax(rest <= TOLERANCE * whole[0])),
        "far_of_itself": int(np.argmax(rest <= TOLERANCE * rest[0])),
        "far_norm": rest[0] / whole[0],
    }
    return counts, {"whole": whole / whole[0], "far": rest / whole[0]}


# ---- over the heads of a model

Head = tuple[np.ndarray, np.ndarray, np.ndarray]


def held_out(model: train_heads.Model, tokens: torch.Tensor, n: int, count: int) -> list[dict[tuple[int, int], Head]]:
    """Of each sequence, spread evenly over the held-out text, query, key and value by (layer, head), in float64."""
    starts = torch.linspace(0, len(tokens) - n - 1, count).long()
    layers = model.heads(train_heads.sequences(tokens, n, starts)[:, :-1])
    cut = [[part.double().numpy() for part in layer] for layer in layers]
    places = [(i, h) for i, layer in enumerate(cut) for h in range(layer[0].shape[1])]
    return [{(i, h): tuple(part[s, h] for part in cut[i]) for i, h in places} for s in range(count)]


def scaled(head: Head) -> Head:
    """x, y and the values."""
    query, key, value = (np.asarray(part, float) for part in head)
    return query / query.shape[1] ** 0.25, key / key.shape[1] ** 0.25, value


def by_layer(table: dict[tuple[int, int], float]) -> dict[str, object]:
    """The mean, the largest, and the mean of each layer."""
    layers: dict[int, list[float]] = {}
    for (layer, _), value in table.items():
        layers.setdefault(layer, []).append(value)
    values = list(table.values())
    row = {"mean": digits(np.mean(values)), "worst": digits(max(values))}
    return row | {"layers": [digits(np.mean(found)) for found in layers.values()]}


def choose(heads: list[dict[tuple[int, int], Head]]) -> dict[str, tuple[int, int]]:
    """Of the first and of the last layer the head with the most and the one with the fewest effective keys."""
    keys = {place: np.mean([sharpness(*scaled(some[place])[:2])["keys"] for some in heads]) for place in heads[0]}
    names = {}
    for layer in (0, max(keys)[0]):
        order = sorted((place for place in keys if place[0] == layer), key=keys.get)
        names |= {f"flat_{layer}": order[-1], f"sharp_{layer}": order[0]}
    return names


def measured(path: Path, name: str) -> tuple[dict, list[dict[tuple[int, int], Head]]]:
    """The table of a model: what its heads are, their errors and their spectra."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        train_heads.train(name, str(path))
    model, tokens, record = train_heads.load(str(path))
    sequences = held_out(model, tokens, record["setting"]["n"], SEQUENCES + 1)
    calibration, *used = sequences
    about, lost, rank = {}, {}, {}
    for place in calibration:
        moment = mean_square(*scaled(calibration[place])[:2])
        cases = [scaled(some[place]) for some in used]
        about[place] = mean_of([sharpness(x, y) for x, y, _ in cases])
        lost[place] = mean_of([errors(x, y, v, moment) for x, y, v in cases])
        rank[place] = mean_of([directions(x, y)[0] for x, y, _ in cases])
        print(name, place, {key: digits(value) for key, value in about[place].items()}, flush=True)
    label = {place: f"layer {place[0]}, head {place[1]}" for place in about}
    return {
        "training": record,
        "heads": {label[place]: {k: digits(v) for k, v in (about[place] | rank[place]).items()} for place in about},
        "errors": {key: by_layer({place: lost[place][key] for place in lost}) for key in next(iter(lost.values()))},
        "directions": {key: by_layer({place: rank[place][key] for place in rank}) for key in next(iter(rank.values()))},
    }, sequences


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


SHIPPED = 1  # the sequence whose heads the package has: the first that is measured


def shipped(sequences: list[dict[tuple[int, int], Head]]) -> dict:
    """The same of the heads in ``datasets.attention_heads``, with the best error of every rank."""
    table = {}
    for name, place in choose(sequences).items():
        x, y, v = scaled(attention_heads()[name])
        moment = mean_square(*scaled(sequences[0][place])[:2])  # the one that is not measured
        counts, curves = directions(x, y)
        numbers = sharpness(x, y) | counts
        table[name] = {
            "layer": place[0],
            "head": place[1],
            "about": {key: digits(value) for key, value in numbers.items()},
            "errors": {key: digits(value) for key, value in errors(x, y, v, moment).items()},
            "best_of_rank": {key: {f"{r}": digits(curve[r]) for r in RANKS} for key, curve in curves.items()},
        }
    return table


def main(path: str, *checkpoints: str) -> None:
    torch.set_num_threads(1)
    paths = [Path(found) for found in checkpoints] or CHECKPOINTS
    learned, sequences = measured(paths[0], "learned")
    models = {"learned": learned, "rotary": measured(paths[1], "rotary")[0]}
    setting = {
        "error": "||estimate - exact|| / ||exact|| of a head's output, Frobenius norm",
        "sequences": SEQUENCES,
        "draws of W": SEEDS,
        "second moment of optimal features": "from another sequence",
        "directions": f"rank that leaves {TOLERANCE:g} of ||P||; far: without own and previous block of {NEAR} keys",
        "mean": "over heads, sequences and draws; worst: of the heads; layers: mean of each",
    }
    content = {"setting": setting, "models": models, "shipped": shipped(sequences)}
    timing.write(path, ["numpy", "scipy", "torch"], **content)


if __name__ == "__main__":
    main(*sys.argv[1:])
