"""The n-gram model against plain loops and against all texts of a small alphabet, which can be written out."""

import itertools
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from scipy import special, stats

import companion
from companion import datasets, ngram
from companion.ngram import fit, keyword_misses, misses, palindrome_misses

TEXT = "abracadabra, cab."
ALARM = 1e-6
SMALL = [(order, length) for order in (1, 2, 3, 4) for length in (1, 2, 3, 4)]
small = pytest.mark.parametrize(("order", "length"), SMALL)
temperatures = pytest.mark.parametrize("temperature", [0.3, 1.0, 2.0])


def every_text(model, length):
    return np.array(list(itertools.product(range(len(model.vocabulary)), repeat=length)))


def probability_reference(text, x, order, prior):
    """p(x) from counts in a dictionary, one symbol at a time, straight from the formula."""
    symbols = sorted(set(text))
    counts = Counter(text[i : i + k] for k in range(1, order + 1) for i in range(len(text) - k + 1))

    def p(v, h):
        followed = sum(counts[h + w] for w in symbols)
        shorter = p(v, h[1:]) if h else 1 / len(symbols)
        return (counts[h + v] + prior * shorter) / (followed + prior)

    return np.prod([p(x[i], x[max(i - order + 1, 0) : i]) for i in range(len(x))])


@small
def test_the_probabilities_of_all_texts_sum_to_one(order, length):
    model = fit(TEXT, order=order)
    assert np.exp(model.log_probability(every_text(model, length))).sum() == pytest.approx(1.0, abs=1e-12)
    assert model.log_normaliser(length) == pytest.approx(0.0, abs=1e-12)


@small
@pytest.mark.parametrize("prior", [0.01, 1.0, 100.0])
def test_probabilities_are_those_of_the_plain_loop(order, length, prior):
    model = fit(TEXT, order=order, prior=prior)
    x = np.random.default_rng(0).integers(0, len(model.vocabulary), (20, length))
    expected = [probability_reference(TEXT, text, order, prior) for text in model.decode(x)]
    np.testing.assert_allclose(np.exp(model.log_probability(x)), expected, rtol=1e-12)


def test_a_text_is_the_product_of_its_conditionals():
    """Σ_v p(xv) = p(x): the symbols after a text take nothing from it and give nothing."""
    model = fit(datasets.story(), order=3)
    x = model.encode("the map of the island")[None]
    for length in range(1, x.shape[1]):
        longer = np.repeat(x[:, : length + 1], len(model.vocabulary), axis=0)
        longer[:, -1] = np.arange(len(longer))
        total = special.logsumexp(model.log_probability(longer))
        assert total == pytest.approx(model.log_probability(x[:, :length])[0], rel=1e-13)


def test_without_a_prior_worth_a_count_the_model_is_the_frequencies_and_with_a_large_one_it_is_uniform():
    counted, flat = fit("abab abba", order=2, prior=1e-12), fit("abab abba", order=2, prior=1e12)
    space, a, b = range(3)
    np.testing.assert_allclose(np.exp(counted.tables[0]), [1 / 9, 4 / 9, 4 / 9])
    np.testing.assert_allclose(np.exp(counted.tables[1][b]), [1 / 4, 2 / 4, 1 / 4], atol=1e-11)
    np.testing.assert_allclose(np.exp(counted.tables[1][a, b]), 1.0 * 3 / 3, atol=1e-11)
    np.testing.assert_allclose(np.exp(flat.tables[1]), 1 / 3)


@small
def test_the_conditional_of_a_place_is_the_joint_law_normalised(order, length):
    model = fit(TEXT, order=order)
    V, x = len(model.vocabulary), np.random.default_rng(1).integers(0, len(model.vocabulary), (4, length))
    for place in range(length):
        candidates = np.repeat(x, V, axis=0)
        candidates[:, place] = np.tile(np.arange(V), len(x))
        joint = special.log_softmax(model.log_probability(candidates).reshape(-1, V), axis=1)
        conditional = model.log_conditional(x, place)
        np.testing.assert_allclose(conditional, joint, atol=1e-12)
        np.testing.assert_allclose(np.exp(conditional).sum(axis=1), 1.0)
        x[:, place] = 0  # what stood there does not matter
        np.testing.assert_array_equal(model.log_conditional(x, place), conditional)


def masks(model, length):
    yield None
    mask = np.random.default_rng(2).random((length, len(model.vocabulary))) < 0.4
    mask[:, 0] = True
    yield mask


@small
@temperatures
def test_the_sum_over_all_texts_and_the_best_of_them_are_those_of_the_list(order, length, temperature):
    model = fit(TEXT, order=order)
    texts = every_text(model, length)
    logs = model.log_probability(texts)
    for mask in masks(model, length):
        kept = logs if mask is None else logs[misses(texts, mask) == 0]
        log_sum = model.log_normaliser(length, temperature=temperature, allowed=mask)
        assert log_sum == pytest.approx(special.logsumexp(kept / temperature), abs=1e-12)
        best = model.best(length, allowed=mask)
        assert model.log_probability(best[None])[0] == pytest.approx(kept.max(), abs=1e-12)
        assert mask is None or misses(best[None], mask)[0] == 0


@pytest.mark.parametrize("order", [1, 2, 3])
@temperatures
@pytest.mark.parametrize("masked", [0, 1])
def test_draws_have_the_law_of_the_list(order, temperature, masked):
    """The number of each text is binomial: no count may lie where its law has less than a share of 1e-6."""
    model, n = fit("abracadabra", order=order, prior=0.5), 20_000
    texts, mask = every_text(model, 3), [*masks(model, 3)][masked]
    drawn = Counter(map(tuple, model.sample(n, 3, temperature=temperature, allowed=mask, rng=3).tolist()))
    logs = model.log_probability(texts) / temperature
    if mask is not None:
        logs[misses(texts, mask) > 0] = -np.inf
    counts = np.array([drawn[tuple(text)] for text in texts.tolist()])
    law = stats.binom(n, special.softmax(logs))
    assert counts.sum() == n and np.minimum(law.cdf(counts), law.sf(counts - 1)).min() > ALARM / len(texts) / 2


def test_a_draw_of_the_whole_law_is_not_a_draw_of_sharpened_conditionals():
    """At T = 1/2 the two differ, so that the test of the law above can tell them apart."""
    model = fit("abracadabra", order=2, prior=0.5)
    texts = every_text(model, 3)
    whole = special.softmax(2 * model.log_probability(texts))
    first, rest = (special.softmax(2 * table, axis=-1) for table in model.tables)
    local = first[texts[:, 0]] * rest[texts[:, 0], texts[:, 1]] * rest[texts[:, 1], texts[:, 2]]
    assert np.abs(whole - local).max() > 0.01


def test_draws_near_temperature_zero_are_best():
    model = fit(datasets.story(), order=3)
    cold = model.sample(4, 30, temperature=0.01, rng=0)
    np.testing.assert_allclose(model.log_probability(cold), model.log_probability(model.best(30)[None])[0])


def test_a_seed_gives_the_same_texts_and_a_generator_moves_on():
    model, rng = fit(TEXT), np.random.default_rng(0)
    np.testing.assert_array_equal(model.sample(3, 9, rng=5), model.sample(3, 9, rng=5))
    assert (model.sample(3, 9, rng=rng) != model.sample(3, 9, rng=rng)).any()


def test_texts_become_symbols_and_symbols_texts():
    model = fit("The  map,\nthe MAP.", order=2)
    assert model.vocabulary == (" ", ",", ".", "a", "e", "h", "m", "p", "t")
    assert model.decode(model.encode("Map the\t map.")) == "map the map."
    assert model.letters.tolist() == [False] * 3 + [True] * 6 and repr(model) == "NGram(order=2, 9 symbols)"
    words = fit("The map, the island. A map of it.", order=2, unit="words")
    assert words.vocabulary == (",", ".", "a", "island", "it", "map", "of", "the")
    assert words.decode(words.encode("a map,  the island.")[None]) == ["a map, the island."]
    allowed = words.allowed("# map ?")
    assert allowed.sum(axis=1).tolist() == [6, 1, 8] and allowed[1, 5] and not allowed[0, :2].any()


def test_a_pattern_is_kept_by_draws_and_by_the_best():
    model = fit(datasets.story(), order=3)
    allowed = model.allowed("#### ?????lamp ### #.")
    texts = model.decode(np.vstack([model.best(21, allowed=allowed), model.sample(50, 21, allowed=allowed, rng=0)]))
    for text in texts:
        assert text[10:15] == "lamp " and text[4] == text[18] == " " and text[20] == "." and text[:4].isalpha()


def count_by_hand(text, keyword):
    letters = [c for c in text if c.isalpha()]
    pairs = sum(letters[i] != letters[-1 - i] for i in range(len(letters) // 2))
    places = range(len(text) - len(keyword) + 1)
    return pairs, min(sum(text[i + j] != c for j, c in enumerate(keyword)) for i in places)


def test_constraints_count_what_a_reader_counts():
    model = fit(TEXT)
    x = np.random.default_rng(0).integers(0, len(model.vocabulary), (200, 9))
    x[:3] = [model.encode(t) for t in ("ab,ra.r a", "a. b, b a", ",,,,,,,,,")]
    texts, allowed = model.decode(x), model.allowed("ca? ##?a.")
    by_hand = np.array([count_by_hand(text, "cab.") for text in texts])
    np.testing.assert_array_equal(palindrome_misses(x, model.letters), by_hand[:, 0])
    np.testing.assert_array_equal(keyword_misses(x, model.encode("cab.")), by_hand[:, 1])
    kinds = {"?": lambda c: True, "#": str.isalpha}
    right = [sum(not kinds.get(p, p.__eq__)(c) for p, c in zip("ca? ##?a.", text, strict=True)) for text in texts]
    np.testing.assert_array_equal(misses(x, allowed), right)
    assert palindrome_misses(x[:3], model.letters).tolist() == [2, 0, 0]


def test_b2_76_arguments_are_left_alone_and_any_integers_will_do():
    model = fit(TEXT)
    x = model.sample(5, 8, rng=0).astype(np.uint8)
    kept = x.copy()
    x.flags.writeable = False
    for call in (
        model.log_probability,
        lambda x: model.log_conditional(x, 3),
        lambda x: palindrome_misses(x, model.letters),
    ):
        np.testing.assert_array_equal(call(x), call(np.asfortranarray(x.astype(np.int64))))
    np.testing.assert_array_equal(x, kept)


def test_the_story_travels_with_the_package_and_has_few_symbols():
    text = datasets.story()
    assert 12_000 <= len(text) <= 20_000 and text.isascii() and text.count("\n\n") > 10
    assert fit(text, order=1).vocabulary == (" ", ",", ".", *"abcdefghijklmnopqrstuvwxyz")
    assert len(fit(text, order=1, unit="words").vocabulary) < 600


def test_the_wheel_takes_the_story_along():
    root = Path(companion.__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert any(fnmatch("data/story.txt", pattern) for pattern in settings["package-data"]["companion"])


def test_more_context_predicts_the_rest_of_the_story_better():
    text = datasets.story()
    models, rest = [fit(text[:10_000], order=k) for k in (1, 2, 3)], text[10_000:]
    losses = [-model.log_probability(model.encode(rest)[None])[0] / len(rest) for model in models]
    assert losses[0] > losses[1] > losses[2] and losses[2] < 0.8 * losses[0]


MODEL = fit(TEXT)
X = MODEL.encode("cab")[None]
HALF_MASK = np.ones((2, 8), bool) & [[True], [False]]
CALLS = {
    "fit-empty": (lambda: fit(""), "text must be non-empty; got ''"),
    "fit-no-words": (lambda: fit(" \n", unit="words"), "text must be non-empty; got ' '"),
    "fit-bytes": (lambda: fit(b"ab"), "text must be a string; got bytes"),
    "B2-41-order-0": (lambda: fit(TEXT, order=0), "order must be an integer >= 1; got 0"),
    "B2-41-order-1.5": (lambda: fit(TEXT, order=1.5), "order must be an integer >= 1; got 1.5"),
    "B2-78-order": (lambda: fit(TEXT, order=9), r"order must be so small that V\^order .*; got 9. 8 symbols .* 8"),
    "prior-0": (lambda: fit(TEXT, prior=0.0), "prior must be a positive finite number; got 0.0"),
    "unit": (lambda: fit(TEXT, unit="letters"), "unit must be one of characters, words; got 'letters'"),
    "unknown": (lambda: MODEL.encode("cat"), "text must be made of the model's 8 symbols; got 't'"),
    "outside": (lambda: MODEL.log_probability([[0, 8]]), "sequences must be made of indices from 0 to 7; got 8"),
    "negative": (lambda: MODEL.log_conditional([[0, -1]], 0), "sequences must be made of indices from 0 to 7; got -1"),
    "floats": (lambda: MODEL.log_probability(X * 1.0), "sequences must be made of integers.* got dtype float64"),
    "1-d": (lambda: MODEL.log_probability(X[0]), r"sequences must be of shape \(chains, length\); got shape \(3,"),
    "no-text": (lambda: MODEL.log_probability(X[:0]), r"sequences must be of shape \(chains, length\); got shape \(0,"),
    "decode-3-d": (lambda: MODEL.decode(X[None]), r"sequences must be of shape \(chains, length\); got shape \(1, 1,"),
    "position": (lambda: MODEL.log_conditional(X, 3), "position must be at most 2; got 3. The first place is 0"),
    "position-negative": (lambda: MODEL.log_conditional(X, -1), "position must be an integer >= 0; got -1"),
    "temperature-0": (lambda: MODEL.log_normaliser(2, temperature=0), "temperature must be a positive finite number"),
    "temperature-negative": (lambda: MODEL.sample(1, 3, temperature=-1.0), "temperature must be a positive finite"),
    "n": (lambda: MODEL.sample(0, 3), "n must be an integer >= 1; got 0"),
    "length": (lambda: MODEL.sample(1, 0), "length must be an integer >= 1; got 0"),
    "B2-63-seed": (lambda: MODEL.sample(1, 3, rng=-1), "rng must be a non-negative integer"),
    "mask-shape": (
        lambda: MODEL.best(4, allowed=MODEL.allowed("???")),
        r"allowed must be a bool array of shape \(4, 8\), a row for each place; got shape \(3, 8\)",
    ),
    "mask-dtype": (lambda: misses(X, np.ones((3, 8))), "allowed must be a bool array .* dtype float64. Use model.al"),
    "mask-number": (lambda: misses(X, True), r"allowed must be a bool array .* got shape \(\)"),
    "mask-empty": (
        lambda: MODEL.sample(1, 2, allowed=HALF_MASK),
        "allowed must be possible at each place; got none of the 8 symbols at place 1",
    ),
    "pattern": (lambda: MODEL.allowed("ca?t"), "pattern must be possible at each place; got none of .* at place 3"),
    "keyword-long": (lambda: keyword_misses(X, np.zeros(4, int)), "keyword must be no longer than the sequences, 3"),
    "keyword-text": (lambda: keyword_misses(X, "ab"), "keyword must be made of integers"),
    "letters": (lambda: palindrome_misses(X, [True]), "sequences must be made of indices from 0 to 0; got"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS.keys())
def test_bad_input_is_refused(call, message):
    with pytest.raises((TypeError, ValueError), match="^" + message):
        call()


def test_the_core_of_backing_off_is_normalised_for_any_counts():
    rng = np.random.default_rng(0)
    shorter = special.softmax(rng.normal(size=(4, 5)), axis=-1)
    p = ngram.backed_off(rng.integers(0, 3, (3, 4, 5)) * (rng.random((3, 4, 1)) < 0.5), shorter, 0.7)
    np.testing.assert_allclose(p.sum(axis=-1), 1.0)
    assert (p > 0).all()
