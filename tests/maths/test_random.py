import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths import random
from deltarule.maths.random import fraction, keep_mask, permutation, philox, uniform, words

LOW = 0xFFFFFFFF
WORDS = st.integers(0, LOW)
SEEDS = st.integers(0, 2**64 - 1)

# The lines "philox4x32 10" of the file kat_vectors in Random123, the authors' own library: counter, key, answer.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def from_hexadecimal(line: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in line.split())


def philox_of_integers(counter: tuple[int, ...], key: tuple[int, ...]) -> tuple[int, ...]:
    """The paper's algorithm in Python's own integers, which never overflow."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for turn in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (b >> 32) ^ c1 ^ ((k0 + turn * 0x9E3779B9) & LOW),
            b & LOW,
            (a >> 32) ^ c3 ^ ((k1 + turn * 0xBB67AE85) & LOW),
            a & LOW,
        )
    return c0, c1, c2, c3


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_the_published_answers(counter: str, key: str, answer: str) -> None:
    drawn = philox(from_hexadecimal(counter), from_hexadecimal(key))  # type: ignore[arg-type]
    assert tuple(map(int, drawn)) == from_hexadecimal(answer)
    assert philox_of_integers(from_hexadecimal(counter), from_hexadecimal(key)) == from_hexadecimal(answer)


@given(st.lists(st.tuples(*[WORDS] * 6), min_size=1, max_size=5))
def test_philox_of_arrays_is_that_of_integers_one_by_one(cases: list[tuple[int, ...]]) -> None:
    columns = np.array(cases, np.uint32).T
    drawn = np.stack(philox(tuple(columns[:4]), tuple(columns[4:])), axis=-1)  # type: ignore[arg-type]
    assert drawn.dtype == np.uint32
    assert drawn.tolist() == [list(philox_of_integers(case[:4], case[4:])) for case in cases]


@given(SEEDS, st.integers(0, 2**12), WORDS, WORDS, WORDS)
def test_words_take_the_seed_as_key_and_the_rest_as_counter(seed: int, purpose: int, i: int, j: int, k: int) -> None:
    expected = philox_of_integers((i, j, k, purpose), (seed & LOW, seed >> 32))
    assert tuple(map(int, words(seed, purpose, i, j, k))) == expected


@given(WORDS, WORDS)
def test_fraction_is_inside_0_to_1_and_symmetric(high: int, low: int) -> None:
    one = float(fraction(np.uint32(high), np.uint32(low)))
    mirrored = float(fraction(np.uint32(LOW - high), np.uint32(LOW - low)))
    assert 0 < one < 1
    assert mirrored == 1 - one  # exactly: so a symmetric law has the mean 0


@given(st.lists(SEEDS, min_size=1, max_size=4), st.integers(1, 20), st.integers(0, 20))
def test_uniform_depends_on_seed_and_place_alone(seeds: list[int], count: int, more: int) -> None:
    together = uniform(np.array(seeds, np.uint64), 7, count + more)
    for seed, row in zip(seeds, together, strict=True):
        assert np.array_equal(row[:count], uniform(seed, 7, count))


@given(st.lists(SEEDS, min_size=1, max_size=3), st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_permutation_visits_each_row_once(seeds: list[int], epoch: int, rows: int) -> None:
    orders = permutation(np.array(seeds, np.uint64), epoch, rows)
    assert (np.sort(orders) == np.arange(rows)).all()
    for seed, order in zip(seeds, orders, strict=True):
        assert np.array_equal(order, permutation(seed, epoch, rows))


@given(SEEDS, WORDS, st.integers(1, 60), st.sampled_from([LOW, 3, 0]))
def test_permutation_sorts_the_rows_by_their_words_and_equal_ones_by_their_numbers(
    seed: int, epoch: int, rows: int, most: int
) -> None:
    drawn = [philox_of_integers((row, epoch, 0, random.BATCH_ORDER), (seed & LOW, seed >> 32)) for row in range(rows)]
    few = [(first % (most + 1), second % (most + 1)) for first, second, _, _ in drawn]
    with pytest.MonkeyPatch.context() as patch:
        if most < LOW:  # by chance there are hardly ever equal ones
            of_few = tuple(np.array(column, np.uint32) for column in zip(*few, strict=True))
            patch.setattr(random, "words", lambda *_: (*of_few, None, None))
        assert permutation(seed, epoch, rows).tolist() == sorted(range(rows), key=few.__getitem__)


@given(SEEDS, st.integers(1, 200), WORDS, st.integers(1, 9), st.floats(0, 1, exclude_max=True), WORDS)
def test_keep_mask_is_decided_by_integers(
    seed: int, layer: int, step: int, units: int, rate: float, position: int
) -> None:
    mask = keep_mask(np.array([seed], np.uint64), layer, step, np.array([position]), units, np.array([rate]))
    drawn: list[int] = []
    for group in range(-(-units // 4)):
        purpose = random.DROPOUT | layer << 8
        drawn += philox_of_integers((group, position, step, purpose), (seed & LOW, seed >> 32))
    assert mask.dtype == np.bool
    assert mask[0, 0].tolist() == [word >= int(rate * 2**32) for word in drawn[:units]]


@given(st.data())
def test_a_row_keeps_its_mask_in_any_batch_and_among_any_members(data: st.DataObject) -> None:
    members, rows, units = (data.draw(st.integers(1, most)) for most in (4, 8, 9))
    seeds = np.array(data.draw(st.lists(SEEDS, min_size=members, max_size=members)), np.uint64)
    rates = np.array(data.draw(st.lists(st.floats(0, 0.99), min_size=members, max_size=members)))
    batches = [data.draw(st.permutations(range(rows))) for _ in range(members)]
    size = data.draw(st.integers(1, rows))
    positions = np.array(batches)[:, :size]
    together = keep_mask(seeds, 2, 17, positions, units, rates)
    for k in range(members):
        whole = keep_mask(seeds[k : k + 1], 2, 17, np.arange(rows), units, rates[k : k + 1])
        assert np.array_equal(together[k], whole[0, positions[k]])
        assert whole[0].all() or rates[k] > 0


def test_what_is_drawn_for_different_purposes_and_layers_never_coincides() -> None:
    purposes = [
        kind | layer << 8
        for kind in (random.INITIAL_WEIGHTS, random.INITIAL_BIASES, random.DIRECTIONS)
        for layer in (0, 1, 2, 255, 256)
    ]
    drawn = np.concatenate([uniform(9, purpose, 1000) for purpose in (*purposes, random.BATCH_ORDER, random.DROPOUT)])
    assert len(np.unique(drawn)) == len(drawn)
