"""A law on short texts that samplers can search: the n-gram model, exact draws from it, and constraints.

A symbol v depends on the n - 1 symbols before it, h = (x_{i-n+1}, …, x_{i-1}). From counts c in a text,

    p(x) = Π_i p_n(x_i | h_i),    p_k(v | h) = (c(hv) + λ p_{k-1}(v | h')) / (Σ_w c(hw) + λ),    p_0 = 1 / V,

where h' is h without its first symbol, and the first symbols of x, which have fewer before them, use a smaller k
(MacKay and Peto 1995, "A hierarchical Dirichlet language model", section 3, here with one λ for all contexts). Each
p_k(· | h) sums to 1 and is positive everywhere.

At temperature T the law is p(x)^(1/T) / Z. Sums over all texts run backwards, from the last symbol to the first:

    β_i(h) = log Σ_v exp(log p_n(v | h) / T + β_{i+1}(h'v)),    β_L = 0,    log Z = β_0,

and texts are drawn forwards (Scott 2002, "Bayesian methods for hidden Markov models", section 2.1); a maximum in place
of the sum finds the most probable text (Viterbi 1967). Both cost L V^n, whatever T is, also where each place allows
some symbols only. A constraint that ties far places together, as that of a palindrome, has no such sum.

>>> model = fit("a rose is a rose is a rose.", order=3, prior=0.1)
>>> model
NGram(order=3, 8 symbols)
>>> x = model.encode("a rise")[None]
>>> np.round(model.log_probability(x), 2), model.decode(model.best(6))
(array([-15.32]), 'a rose')
>>> model.decode(model.sample(2, 12, temperature=0.5, rng=0))
['ose is a ros', 'rose is a ro']
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from companion._core import arrays, checks
from companion._core.arrays import Seed

__all__ = ["NGram", "fit", "keyword_misses", "misses", "palindrome_misses"]

UNITS = ("characters", "words")
Tables = tuple[np.ndarray, ...]
_LARGEST = 2**24  # entries of a table


@dataclass(frozen=True, eq=False, repr=False)
class NGram:
    """A law on texts of a given length; ``fit`` makes it.

    Parameters
    ----------
    vocabulary : tuple of str
        The V symbols, in alphabetical order; a text is an array of their indices.
    tables : tuple of ndarray
        log p_1, …, log p_n, of shapes (V,), (V, V), …: the last axis is the symbol, those before are its context.
    unit : str
        "characters" or "words".
    """

    vocabulary: tuple[str, ...]
    tables: Tables
    unit: str

    def __repr__(self) -> str:
        return f"NGram(order={len(self.tables)}, {len(self.vocabulary)} symbols)"

    @property
    def letters(self) -> np.ndarray:
        """Which symbols are letters or words, no spaces and no punctuation: bool, of shape (V,)."""
        return np.array([symbol[0].isalnum() for symbol in self.vocabulary])

    def encode(self, text: str) -> np.ndarray:
        """A text as indices of symbols.

        Parameters
        ----------
        text : str
            Case and repeated white space do not count.

        Returns
        -------
        ndarray of shape (length,), int64

        Raises
        ------
        TypeError, ValueError
            If it is no string, is empty, or has a symbol that the model does not know.
        """
        index = {symbol: i for i, symbol in enumerate(self.vocabulary)}
        symbols = _split(text, self.unit)
        unknown = [symbol for symbol in symbols if symbol not in index]
        if unknown:
            checks.fail("text", f"made of the model's {len(index)} symbols", repr(unknown[0]), "See model.vocabulary.")
        return np.array([index[symbol] for symbol in symbols])

    def decode(self, sequences: Any) -> Any:
        """The text of indices.

        Parameters
        ----------
        sequences : int array of shape (length,) or (chains, length)

        Returns
        -------
        str, or a list of one str for each chain

        Raises
        ------
        TypeError, ValueError
            If they are no indices of symbols.
        """
        x = np.asarray(sequences)
        texts = [self._join(row) for row in _read(np.atleast_2d(x), len(self.vocabulary))]
        return texts[0] if x.ndim == 1 else texts

    def _join(self, row: np.ndarray) -> str:
        symbols = [self.vocabulary[i] for i in row]
        return "".join(symbols) if self.unit == "characters" else re.sub(r" ([^\w\s])", r"\1", " ".join(symbols))

    def log_probability(self, sequences: Any) -> np.ndarray:
        """log p of each text.

        Parameters
        ----------
        sequences : int array of shape (chains, length)

        Returns
        -------
        ndarray of shape (chains,)

        Raises
        ------
        TypeError, ValueError
            If the sequences are not two-dimensional or no indices of symbols.
        """
        x = _read(sequences, len(self.vocabulary))
        return sum((self._term(x, i) for i in range(min(len(self.tables), x.shape[1]) - 1)), self._bulk(x))

    def _bulk(self, x: np.ndarray) -> np.ndarray:
        """The terms of all symbols that have a whole context, summed; of one symbol in a short text: (chains,)."""
        n = min(len(self.tables), x.shape[1])
        return self.tables[n - 1].reshape(-1)[_codes(x, n, len(self.vocabulary))].sum(axis=1)

    def _term(self, x: np.ndarray, i: int) -> np.ndarray:
        """log p(x_i | what is before it), for each chain: (chains,)."""
        first = max(i + 1 - len(self.tables), 0)
        window = _codes(x[:, first : i + 1], i + 1 - first, len(self.vocabulary))
        return self.tables[i - first].reshape(-1)[window[:, 0]]

    def log_conditional(self, sequences: Any, position: int) -> np.ndarray:
        """The law of the symbol at one place given all others, which a Gibbs sampler draws from, as logarithms.

        Only the n terms in which the symbol occurs count. ``mcmc.categorical(rng, log_conditional / T + log_factor)``
        draws from p^(1/T) times a factor.

        Parameters
        ----------
        sequences : int array of shape (chains, length)
            What they have at the position does not matter.
        position : int
            From 0 to length - 1.

        Returns
        -------
        ndarray of shape (chains, V)
            Their exponentials sum to 1 in each row.

        Raises
        ------
        TypeError, ValueError
            If the sequences are not two-dimensional or no indices, or the position is outside.
        """
        x, V = _read(sequences, len(self.vocabulary)), len(self.vocabulary)
        checks.integer("position", position, minimum=0)
        checks.at_most("position", position, x.shape[1] - 1, "The first place is 0.")
        first, last = max(position + 1 - len(self.tables), 0), min(position + len(self.tables), x.shape[1])
        near = np.repeat(x[:, first:last], V, axis=0)  # (chains V, at most 2n - 1)
        near[:, position - first] = np.tile(np.arange(V), len(x))
        terms = [self._term(near, i - first) for i in range(position, last)]
        logs = np.sum(terms, axis=0).reshape(len(x), V)
        return logs - _log_sum(logs)[:, None]

    def allowed(self, pattern: str) -> np.ndarray:
        """The symbols that a pattern allows at each place, for ``sample``, ``best`` and ``misses``.

        Parameters
        ----------
        pattern : str
            A symbol stands for itself, ? for any symbol, # for any letter or word. In a model of words they are
            separated by spaces.

        Returns
        -------
        ndarray of shape (length, V), bool

        Raises
        ------
        TypeError, ValueError
            If it is no string, is empty, or has an unknown symbol.
        """
        wild = {"?": np.ones(len(self.vocabulary), bool), "#": self.letters}
        rows = [wild[s] if s in wild else np.array(self.vocabulary) == s for s in _split(pattern, self.unit)]
        _require_mask(np.stack(rows), (len(rows), len(self.vocabulary)), "pattern")
        return np.stack(rows)

    def log_normaliser(self, length: int, *, temperature: float = 1.0, allowed: Any = None) -> float:
        """log Z, the sum of p(x)^(1/T) over all texts, or over those allowed: at T = 1 the log of their probability.

        Parameters
        ----------
        length, temperature, allowed : as for ``sample``

        Returns
        -------
        float
        """
        tables, factors = self._tempered(temperature), self._log_mask(length, allowed)
        return float(_backwards(tables, factors, _log_sum)[0])

    def sample(
        self, n: int, length: int, *, temperature: float = 1.0, allowed: Any = None, rng: Seed = None
    ) -> np.ndarray:
        """Independent texts from the law p(x)^(1/T) / Z: no chain, no warm-up.

        Parameters
        ----------
        n : int
            Number of texts.
        length : int
            Number of symbols in each.
        temperature : float
            1 is the model; below, probable texts have more weight. The whole text is weighted, not symbol by symbol.
        allowed : bool array of shape (length, V), optional
            The symbols that each place may have.
        rng : int, Generator or None

        Returns
        -------
        ndarray of shape (n, length), int64

        Raises
        ------
        TypeError, ValueError
            If a number is out of range, or the mask has another shape or a place that allows nothing.
        """
        checks.integer("n", n, minimum=1)
        random = arrays.generator(rng, "ngram.sample")

        def draw(scores: np.ndarray) -> np.ndarray:
            up_to = np.cumsum(_softmax(scores), axis=1)  # (n, V)
            return (up_to / up_to[:, -1:] <= random.random((len(scores), 1))).sum(axis=1)

        tables, factors = self._tempered(temperature), self._log_mask(length, allowed)
        return _forwards(n, tables, factors, _backwards(tables, factors, _log_sum), draw)

    def best(self, length: int, *, allowed: Any = None) -> np.ndarray:
        """The most probable text, which no search can beat.

        Parameters
        ----------
        length, allowed : as for ``sample``

        Returns
        -------
        ndarray of shape (length,), int64
            Where several are best, one of them.
        """
        factors = self._log_mask(length, allowed)
        betas = _backwards(self.tables, factors, lambda scores: scores.max(axis=-1))
        return _forwards(1, self.tables, factors, betas, lambda scores: scores.argmax(axis=1))[0]

    def _tempered(self, temperature: float) -> Tables:
        return tuple(table / arrays.number("temperature", temperature) for table in self.tables)

    def _log_mask(self, length: int, allowed: Any) -> np.ndarray:
        """0 where a symbol may stand and -inf elsewhere: (length, V)."""
        checks.integer("length", length, minimum=1)
        shape = (length, len(self.vocabulary))
        mask = np.ones(shape, bool) if allowed is None else np.asarray(allowed)
        _require_mask(mask, shape)
        return np.where(mask, 0.0, -np.inf)


def fit(text: str, *, order: int = 3, unit: str = "characters", prior: float = 1.0) -> NGram:
    """Count the n-grams of a text, and fall back on shorter contexts where it is silent.

    Parameters
    ----------
    text : str
        Upper case becomes lower case, and white space a single space.
    order : int
        n, at least 1: a symbol depends on the n - 1 before it.
    unit : {"characters", "words"}
        What a symbol is. Of words, punctuation marks are symbols of their own.
    prior : float
        λ > 0, the count that a shorter context is worth.

    Returns
    -------
    NGram

    Raises
    ------
    TypeError, ValueError
        If the text is no string or empty, a parameter is out of range, or V^n, the entries of a table, exceed 2^24.
    """
    checks.known("unit", unit, UNITS)
    checks.integer("order", order, minimum=1)
    prior = arrays.number("prior", prior)
    symbols = _split(text, unit)
    vocabulary = tuple(sorted(set(symbols)))
    V = len(vocabulary)
    if V**order > _LARGEST:
        fix = f"{V} symbols allow at most order {next(k for k in range(order, 0, -1) if V**k <= _LARGEST)}."
        checks.fail("order", f"so small that V^order is at most {_LARGEST:,}", f"{order}", fix)
    index = {symbol: i for i, symbol in enumerate(vocabulary)}
    x = np.array([[index[symbol] for symbol in symbols]])
    p, tables = np.full(V, 1 / V), []
    for k in range(1, order + 1):
        p = backed_off(_counts(x, k, V), p, prior)
        tables.append(np.log(p))
    return NGram(vocabulary, tuple(tables), unit)


def backed_off(counts: np.ndarray, shorter: np.ndarray, prior: float) -> np.ndarray:
    """p_k from the counts of k-grams and p_{k-1}: both end with the axis of the symbol."""
    return (counts + prior * shorter) / (counts.sum(axis=-1, keepdims=True) + prior)


def _counts(x: np.ndarray, k: int, V: int) -> np.ndarray:
    """How often each k-gram occurs: (V, …, V)."""
    codes = _codes(x, k, V) if x.shape[1] >= k else x[:, :0]
    return np.bincount(codes[0], minlength=V**k).reshape((V,) * k)


def _codes(x: np.ndarray, k: int, V: int) -> np.ndarray:
    """Each run of k symbols as one number in base V: (chains, length - k + 1)."""
    n_runs = x.shape[1] - k + 1
    code = x[:, :n_runs]
    for j in range(1, k):
        code = code * V + x[:, j : j + n_runs]
    return code


def misses(sequences: Any, allowed: Any) -> np.ndarray:
    """The number of places that have another symbol than allowed; -w times it is the log of a soft constraint.

    Parameters
    ----------
    sequences : int array of shape (chains, length)
    allowed : bool array of shape (length, V)
        From ``NGram.allowed``: a word at its place, or the lengths of words.

    Returns
    -------
    ndarray of shape (chains,), int64

    Raises
    ------
    TypeError, ValueError
        If shapes do not agree, or the sequences are no indices.
    """
    mask = np.asarray(allowed)
    x = _read(sequences)
    _require_mask(mask, (x.shape[1], *mask.shape[1:2]))
    _read(x, mask.shape[1])
    return (~mask[np.arange(x.shape[1]), x]).sum(axis=1)


def keyword_misses(sequences: Any, keyword: Any) -> np.ndarray:
    """The symbols to change until a keyword stands somewhere: at the place where it misses the fewest.

    Parameters
    ----------
    sequences : int array of shape (chains, length)
    keyword : int array of shape (m,)
        ``model.encode(" lamp ")``; m is at most the length.

    Returns
    -------
    ndarray of shape (chains,), int64

    Raises
    ------
    TypeError, ValueError
        If the keyword is longer than the sequences, or one of them is no array of indices.
    """
    x, [word] = _read(sequences), _read(np.atleast_2d(keyword), name="keyword")
    if len(word) > x.shape[1]:
        checks.fail("keyword", f"no longer than the sequences, {x.shape[1]} symbols", f"{len(word)} symbols", "")
    windows = np.lib.stride_tricks.sliding_window_view(x, len(word), axis=1)  # (chains, places, m)
    return (windows != word).sum(axis=2).min(axis=1)


def palindrome_misses(sequences: Any, letters: Any) -> np.ndarray:
    """The pairs of letters that differ from their mirror images; what is no letter is skipped.

    Parameters
    ----------
    sequences : int array of shape (chains, length)
    letters : bool array of shape (V,)
        Which symbols count: ``model.letters``.

    Returns
    -------
    ndarray of shape (chains,), int64
        0 for a palindrome; at most half of the number of letters.

    Raises
    ------
    TypeError, ValueError
        If the sequences are no indices of the symbols.
    """
    counts = np.asarray(letters)
    x = _read(sequences, len(counts))
    skipped = ~counts[x]
    x = np.take_along_axis(x, np.argsort(skipped, axis=1, kind="stable"), axis=1)  # the letters first, in order
    place = np.arange(x.shape[1])
    mirror = (~skipped).sum(axis=1, keepdims=True) - 1 - place  # (chains, length)
    image = np.take_along_axis(x, np.maximum(mirror, 0), axis=1)
    return ((x != image) & (place < mirror)).sum(axis=1)


def _split(text: str, unit: str) -> list[str]:
    if not isinstance(text, str):
        checks.fail("text", "a string", type(text).__name__, "", TypeError)
    text = re.sub(r"\s+", " ", text).lower()
    symbols = list(text) if unit == "characters" else re.findall(r"\w+|[^\w\s]", text)
    if not symbols:
        checks.fail("text", "non-empty", repr(text), "")
    return symbols


def _read(sequences: Any, n_symbols: int | None = None, name: str = "sequences") -> np.ndarray:
    """Indices of symbols, (chains, length), int64."""
    x = np.asarray(sequences)
    if x.dtype.kind not in "iu":
        checks.fail(
            name, "made of integers, the indices of symbols", f"dtype {x.dtype}", "Use model.encode.", TypeError
        )
    if x.ndim != 2 or x.size == 0:
        checks.fail(name, "of shape (chains, length)", f"shape {x.shape}", "One text is x[None].")
    if x.min() < 0 or (n_symbols is not None and x.max() >= n_symbols):
        wrong = x.min() if x.min() < 0 else x.max()
        checks.fail(name, f"made of indices from 0 to {(n_symbols or 0) - 1}", f"{wrong}", "Use model.encode.")
    return x.astype(np.int64, copy=False)


def _require_mask(mask: np.ndarray, shape: tuple[int, int], name: str = "allowed") -> None:
    if mask.dtype != bool or mask.shape != shape:
        expected = f"a bool array of shape {shape}, a row for each place"
        checks.fail(name, expected, f"shape {mask.shape}, dtype {mask.dtype}", "Use model.allowed(pattern).")
    empty = np.flatnonzero(~mask.any(axis=1))
    if empty.size:
        checks.fail(name, "possible at each place", f"none of the {shape[1]} symbols at place {empty[0]}", "")


def _backwards(tables: Tables, factors: np.ndarray, reduce: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """β_0, …, β_L, each with an axis for each symbol of its context; factors are of shape (L, V)."""
    betas = [np.zeros(())]
    for i in reversed(range(len(factors))):
        betas.append(reduce(tables[min(i, len(tables) - 1)] + factors[i] + betas[-1]))  # axes of h'v are the last ones
    return betas[::-1]


def _forwards(
    n: int, tables: Tables, factors: np.ndarray, betas: list[np.ndarray], pick: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Texts whose symbols are picked one after another from scores that know what can follow: (n, L)."""
    (length, V), context = factors.shape, np.zeros(n, np.int64)
    x = np.empty((n, length), np.int64)
    for i in range(length):
        table = tables[min(i, len(tables) - 1)].reshape(-1, V)
        beta = np.broadcast_to(betas[i + 1], (V,) * max(betas[i + 1].ndim, 1)).reshape(-1, V)
        x[:, i] = pick(table[context % len(table)] + factors[i] + beta[context % len(beta)])
        context = context % len(table) * V + x[:, i]
    return x


def _log_sum(scores: np.ndarray) -> np.ndarray:
    """log Σ exp over the last axis, from its largest term."""
    top = scores.max(axis=-1)
    return top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))


def _softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
