"""Labels and weights of the samples of a support vector machine: what C is multiplied by for each of them.

>>> class_weights("balanced", np.array([-1, 1]), np.array([0, 1, 1, 1]), np.ones(4)).round(2)
array([2.  , 0.67, 0.67, 0.67])
"""

from typing import Any

import numpy as np

from companion._core import arrays, checks


def class_weights(given: Any, classes: np.ndarray, codes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The weight of its class, for each sample: codes are positions in ``classes``."""
    if given is None:
        return np.ones(len(codes))
    if isinstance(given, str) and given == "balanced":
        sizes = np.bincount(codes, weights=weight)
        return (sizes.sum() / len(classes) / sizes)[codes]
    labels = classes.tolist()
    if not isinstance(given, dict):
        checks.fail("class_weight", "None, 'balanced' or a dict", repr(given), f"For example {{{labels[0]!r}: 2.0}}.")
    unknown = [key for key in given if key not in labels]
    if unknown and any(label not in given for label in labels):
        checks.fail("class_weight", f"a dict with keys of {labels}", f"the key {unknown[0]!r}", "")
    for key, value in given.items():
        arrays.number(f"class_weight[{key!r}]", value)
    return np.array([float(given.get(label, 1.0)) for label in labels])[codes]
