"""Randomness by (seed, purpose, counter), never by what was drawn before.

The same numbers come out whether a network trains alone or among thousands, in one go or resumed after a crash, on
any engine: the generator is counter-based, 32-bit integers in and out, and whatever is random is decided by integers.

seed     [..]  64-bit integers, the key          purpose  which kind of draw: a constant below
counter  three 32-bit integers that say which one (unit, row, step ...), arrays that broadcast against the seeds
"""

import numpy as np

from deltarule.maths.elementary import Array

INITIAL_WEIGHTS, INITIAL_BIASES, BATCH_ORDER, DROPOUT, DIRECTIONS = range(5)
"""Purposes. A purpose takes the lower 8 bits of a counter word, the layer the bits above."""

_MULTIPLIERS = (np.uint32(0xD2511F53), np.uint32(0xCD9E8D57))
_WIDE_MULTIPLIERS = tuple(map(np.uint64, _MULTIPLIERS))
_WEYL = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))
_LOW = np.uint64(0xFFFFFFFF)
_ROUNDS = 10


def philox(counter: tuple[Array, Array, Array, Array], key: tuple[Array, Array]) -> tuple[Array, Array, Array, Array]:
    """Four random 32-bit words from a counter of four and a key of two, uint32.

    Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox 4×32 with 10 rounds.
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint32) for word in counter)
    k0, k1 = (np.asarray(word, np.uint32) for word in key)
    with np.errstate(over="ignore"):  # key and lower halves are meant to wrap around
        for _ in range(_ROUNDS):
            # The lower half of a product is that of 32-bit words, which NumPy multiplies in vectors.
            high0, low0 = ((c0 * _WIDE_MULTIPLIERS[0]) >> np.uint64(32)).astype(np.uint32), c0 * _MULTIPLIERS[0]
            high1, low1 = ((c2 * _WIDE_MULTIPLIERS[1]) >> np.uint64(32)).astype(np.uint32), c2 * _MULTIPLIERS[1]
            c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
            k0, k1 = k0 + _WEYL[0], k1 + _WEYL[1]
    return c0, c1, c2, c3


def words(
    seed: Array, purpose: int, first: Array, second: Array = 0, third: Array = 0
) -> tuple[Array, Array, Array, Array]:
    """Four 32-bit words for each (seed, purpose, counter), broadcast together.

    >>> [int(word) for word in words(7, BATCH_ORDER, 0)] == [int(word) for word in words(7, BATCH_ORDER, 0)]
    True
    """
    return philox((first, second, third, np.uint32(purpose)), key_words(seed))


def key_words(seed: Array) -> tuple[Array, Array]:
    """The two 32-bit words of a seed, the lower one first: a key.

    >>> [int(word) for word in key_words(2**32 + 5)]
    [5, 1]
    """
    seed = np.asarray(seed, np.uint64)
    return (seed & _LOW).astype(np.uint32), (seed >> np.uint64(32)).astype(np.uint32)


def uniform(seed: Array, purpose: int, count: int) -> Array:
    """`count` numbers of 52 random bits in (0, 1) for each seed: never 0, never 1.

    seed [..]  →  [.., count] float64
    """
    w0, w1, _, _ = words(np.asarray(seed)[..., None], purpose, np.arange(count, dtype=np.uint32))
    return fraction(w0, w1)


def fraction(high: Array, low: Array) -> Array:
    """The middle of one of 2⁵² equal parts of (0, 1), by the upper bits of two words.

    One bit more, and the last middle would be rounded to 1, where the normal law has no value.
    """
    part = (high >> np.uint32(6)).astype(np.float64) * 2.0**26 + (low >> np.uint32(6)).astype(np.float64)
    return (part + 0.5) * 2.0**-52


def permutation(seed: Array, epoch: Array, rows: int) -> Array:
    """A shuffle of 0 … rows − 1, the order in which an epoch visits its rows.

    seed [..]   epoch [..]   →   [.., rows]
    """
    epochs = np.asarray(epoch, np.uint32)[..., None]
    w0, w1, _, _ = words(np.asarray(seed)[..., None], BATCH_ORDER, np.arange(rows, dtype=np.uint32), epochs)
    keys = (w0.astype(np.uint64) << np.uint64(32)) | w1
    order = np.argsort(keys, axis=-1)
    lying = np.take_along_axis(keys, order, axis=-1)
    if (lying[..., 1:] == lying[..., :-1]).any():  # the lower row goes first: a stable sort is sure of it, and slower
        return np.argsort(keys, axis=-1, kind="stable")
    return order


def keep_mask(seed: Array, layer: int, step: int, positions: Array, units: int, rate: Array) -> Array:
    """Which units stay in dropout, each with probability 1 − rate to 32 bits.

    seed [K]   positions [B] or [K, B], the rows' places among the member's rows   rate [K]   →   [K, B, units] bool
    """
    seed = np.asarray(seed)[:, None, None]
    rows = np.atleast_2d(np.asarray(positions, np.uint32))[:, :, None]
    groups = np.arange((units + 3) // 4, dtype=np.uint32)
    four = words(seed, DROPOUT | layer << 8, groups, rows, np.uint32(step))
    drawn = np.stack(np.broadcast_arrays(*four), axis=-1).reshape(len(seed), rows.shape[1], -1)[..., :units]
    return drawn >= drop_threshold(rate)[:, None, None]


def drop_threshold(rate: Array) -> Array:
    """The whole number below which a 32-bit word drops its unit.

    >>> int(drop_threshold(0.5)) == 2**31
    True
    """
    return np.floor(np.asarray(rate, np.float64) * 2.0**32).astype(np.uint64)
