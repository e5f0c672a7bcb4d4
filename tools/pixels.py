"""Pictures: made small for storing, and compared by tiles."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

CRISP, COLOURS = 200, 64  # dots per inch from which on a picture is for screens of high density; how many it keeps
PIXEL_TOLERANCE = 24  # of 255: what antialiasing may move without the curve moving
TILE, TILE_TOLERANCE = 16, 0.05  # no more than that share of any tile may change: one marker moved, one digit, is more


def compact(png: str, form: str = "PNG") -> str:
    """A crisp picture in 64 colours, in base64; one that is not crisp, or is compact already, stays as it is.

    The colours cover all that occur, none further off than the comparison tolerates. As lossless "WEBP" it takes two
    thirds of the bytes.
    """
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "P" or image.info.get("dpi", (0,))[0] < CRISP:
        return png
    image = image.convert("RGB")
    few = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    packed = np.asarray(image, dtype=np.int32).reshape(-1, 3) @ (1 << 16, 1 << 8, 1)
    colours, place, counts = np.unique(packed, return_index=True, return_counts=True)
    palette, entry = few.getpalette(), np.asarray(few).ravel()[place]
    for index in np.unique(entry):  # what is mostly one colour, as the paper, keeps it: not a mean
        most = np.argmax(counts * (entry == index))
        if counts[most] > counts[entry == index].sum() / 2:
            palette[3 * index : 3 * index + 3] = int(colours[most]).to_bytes(3, "big")
    few.putpalette(palette)
    out = io.BytesIO()
    if form == "PNG":
        few.save(out, form, optimize=True)
    else:
        few.convert("RGB").save(out, form, lossless=True, quality=100, method=6)
    return base64.b64encode(out.getvalue()).decode()


def changed_share(old: bytes, new: bytes) -> float:
    """In the tile that differs most, the share of pixels antialiasing does not explain; 1 if the sizes differ."""
    a, b = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16) for png in (old, new))
    if a.shape != b.shape:
        return 1.0
    changed = np.max(np.abs(a - b), axis=-1) > PIXEL_TOLERANCE  # (height, width)
    changed = np.pad(changed, [(0, -side % TILE) for side in changed.shape])
    tiles = changed.reshape(changed.shape[0] // TILE, TILE, changed.shape[1] // TILE, TILE)
    return float(tiles.mean(axis=(1, 3)).max())


def changed(name: str, stored: list[str], drawn: list[str]) -> list[str]:
    """What differs between two lists of pictures in base64, those that are stored and those that a page draws now.

    These are not made compact: a palette follows all of a picture's colours, so that a small change of one shifts it.
    """
    if len(stored) != len(drawn):
        return [f"{name}: {len(stored)} pictures are stored, {len(drawn)} are drawn"]
    shares = [changed_share(*map(base64.b64decode, pair)) for pair in zip(stored, drawn, strict=True)]
    return [f"{name} changed: {share:.3f} of a tile" for share in shares if share > TILE_TOLERANCE]
