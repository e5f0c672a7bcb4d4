"""Four heads of the trained model "learned" as data of the package: query, key and value of one held-out sequence.

Of the first and of the last layer the flattest and the sharpest head, by effective keys: nobody chose them by how an
estimate does on them. They are float16; what that does to the similarities is printed.

Usage: python benchmarks/ship_heads.py learned.pt companion/data/attention_heads.npz
"""

import sys

import heads
import numpy as np
import train_heads

LARGEST = 300_000  # bytes


def ship(checkpoint: str, path: str) -> None:
    model, tokens, record = train_heads.load(checkpoint)
    sequences = heads.held_out(model, tokens, record["setting"]["n"], heads.SEQUENCES + 1)
    stored = {}
    for name, place in heads.choose(sequences).items():
        head = sequences[heads.SHIPPED][place]
        stored[name] = np.stack(head).astype(np.float16)  # (3, n, d)
        (x, y, v), (a, b, c) = heads.scaled(head), heads.scaled(stored[name])
        score = abs(a @ b.T - x @ y.T).max()
        exact, rounded = heads.weights(x @ y.T) @ v, heads.weights(a @ b.T) @ c
        output = np.linalg.norm(rounded - exact) / np.linalg.norm(exact)
        sharp = {key: round(value, 2) for key, value in heads.sharpness(a, b).items()}
        print(f"{name}: layer, head {place}, {sharp}, float16 moves a score by {score:.1e}, the output by {output:.1e}")
    with open(path, "wb") as file:
        np.savez_compressed(file, **stored)
        size = file.tell()
    print(f"{size} bytes")
    assert size <= LARGEST, "too large to travel with the package"


if __name__ == "__main__":
    ship(*sys.argv[1:])
