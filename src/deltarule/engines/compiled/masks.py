"""Print the draw of dropout masks: Philox on vectors, as `maths.random.keep_mask`."""

from deltarule.engines.compiled.arrays import Arrays
from deltarule.engines.compiled.places import pointer_of
from deltarule.engines.compiled.values import Index, Value
from deltarule.maths.random import DROPOUT
from deltarule.program.program import Variable

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL, LOW = (0x9E3779B9, 0xBB67AE85), 0xFFFFFFFF
ROUNDS = 10


def keep_masks(arrays: Arrays, result: Variable, rows: int, update: str) -> None:
    """Print a tile's masks of a layer: 1 for units that stay, 0 for others."""
    text = arrays.text
    place = arrays.places[result.name]
    layer, units = int(result.name.removeprefix("keep")), int(result.axes[-1])
    limit = text.load(pointer_of("limits"), Index(layer - 1), "i64")
    keys = [text.load(pointer_of("keys"), Index(i), "i64") for i in range(2)]
    step = text.everywhere(update, "i64")
    purpose = text.value(DROPOUT | layer << 8, "i64")

    def of_row(row: Index) -> None:
        position = arrays.position(arrays.tile_start + row)
        first = (row if place.rows == "tile" else arrays.tile_start + row) * units + place.first

        def of_four(group: Index, many: int = 4) -> None:
            counter = [text.everywhere(text.count(group), "i64"), position, step, purpose]
            for i, word in enumerate(philox(counter, keys)[:many]):
                keep = (word < limit).choose(text.value(0, place.kind), text.value(1, place.kind))
                text.store(keep, place.pointer, first + group * 4 + i)

        text.loop(units // 4, of_four)
        if units % 4:
            of_four(Index(units // 4), units % 4)

    text.loop(rows, of_row)


def philox(counter: list[Value], keys: list[Value]) -> list[Value]:
    """Four words of 32 random bits, in integers of 64."""
    c0, c1, c2, c3 = counter
    k0, k1 = keys
    for _ in range(ROUNDS):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            second.shift_unsigned(32) ^ c1 ^ k0,
            second & LOW,
            first.shift_unsigned(32) ^ c3 ^ k1,
            first & LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return [c0, c1, c2, c3]
