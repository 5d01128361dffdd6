"""The texts of problems' programs, each printed once: a text is kept on disk by what it is printed from.

A printer is named by its module and function, so that what prints is imported only where something is printed.
"""

import hashlib
import json
import platform
import zlib
from dataclasses import asdict
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from deltarule.engines.compiled.cache import once
from deltarule.engines.compiled.machine_code import vector_registers
from deltarule.engines.compiled.printed import Form, NotPrintable, Printed, PrintedUnits, Tile
from deltarule.engines.update_program import evaluation_program, kept_while_unchanged, update_program
from deltarule.problem.problem import Problem
from deltarule.program.program import Program

MEMBERS = "deltarule.engines.compiled.printer:print_update"
UNITS = "deltarule.engines.compiled.unit_printer:print_units"
EVALUATION = "deltarule.engines.compiled.printer:print_evaluation"


def tile_for(problem: Problem, rows: int, registers: int, units: bool = False) -> Tile:
    """Return the tile with which updates of batches of so many rows are fastest on so many registers.

    Measured on 32 registers of 64 bytes and on 16 of 32: rows that divide the batch, and as many sums as fit beside
    what is multiplied. One sum too many for 16 registers, and an update takes three times as long. With `units` in the
    lanes, and up to 48 units in a layer, 8 × 3 takes 0.98 to 1.17 of the time of 4 × 4, and twice as long to compile.
    """
    is_roomy = registers >= 32
    if is_roomy and not units and max(problem.network.sizes[1:]) >= 64 and rows % 8 == 0:
        return Tile(8, 3)
    counts = (4, 5, 6, 3) if is_roomy else (6, 4, 5, 3)
    count = next((count for count in counts if rows % count == 0), min(4, rows))
    return Tile(count, 4 if is_roomy else 2)


_of_programs: dict[Any, Printed] = {}
"""Problems with the same program share its text."""


def printed_update(printer: str, problem: Problem, own_rows: bool, lanes: int, tile: Tile | None, rows: int) -> Any:
    """Return what `printer`, `MEMBERS` or one like it, prints for batches of so many rows."""
    texts = kept_while_unchanged(problem)
    units = printer == UNITS
    key = printer, own_rows, lanes, tile, rows
    if key not in texts:
        program = update_program(problem, frozenset() if units else owned(problem, own_rows))
        program = program.cut([name for name in program.names if name.endswith("′") or name == "J"])
        tile = tile or tile_for(problem, rows, vector_registers()[1], units)
        short = any(count % rows % tile.rows for count in problem.row_counts.tolist()) or rows % tile.rows > 0
        per_epoch = problem.schedule.per == "epoch"
        few = units and rows <= 2 * tile.rows
        form = Form(lanes, tile, problem.optimizer.slots, per_epoch, has_own_weights(problem), short, few)
        try:
            texts[key] = _printed(printer, program, form)
        except NotPrintable as reason:
            texts[key] = reason  # which is asked for again with each call
    if isinstance(texts[key], NotPrintable):
        raise texts[key]
    return texts[key]


def printed_evaluation(
    problem: Problem, own_rows: bool, lanes: int, tile: Tile | None, rows: int, names: tuple[str, ...], weighted: bool
) -> Printed:
    """Return the text of an evaluation of so many rows, with the results `names`; `weighted` by the rows' weights."""
    texts: dict[Any, Printed] = kept_while_unchanged(problem)
    key = own_rows, lanes, tile, rows, names, weighted
    if key not in texts:
        own_weights = weighted and has_own_weights(problem)
        own = owned(problem, own_rows) if weighted else frozenset()
        metrics = [name for name in names if name not in ("J", "z", "a")]
        program = evaluation_program(problem, own, metrics).cut(names)
        tile = tile or tile_for(problem, rows, vector_registers()[1])
        form = Form(lanes, tile, own_weights=own_weights, short_tiles=rows % tile.rows > 0)
        texts[key] = _printed(EVALUATION, program, form)
    return texts[key]


def has_own_weights(problem: Problem) -> bool:
    return problem.weights is not None and problem.weights.ndim == 2


def owned(problem: Problem, own_rows: bool) -> frozenset[str]:
    """Return what of a problem each member has for itself."""
    has_own_factors = problem.entry_factors is not None and problem.entry_factors.ndim == 2
    own = {"rows": own_rows, "weights": has_own_weights(problem), "entry_factors": has_own_factors}
    return frozenset(name for name, is_own in own.items() if is_own)


def _printed(printer: str, program: Program, form: Form) -> Printed:
    key = printer, program.fingerprint, form
    if key not in _of_programs:
        of_all = (*key, platform.machine(), _printers_digest())
        file = f"deltarule_{hashlib.sha256(repr(of_all).encode()).hexdigest()[:32]}.ll"
        content = once(file, lambda: _stored(resolve_name(printer)(program, form)))
        stored = json.loads(zlib.decompress(content))
        kind = PrintedUnits if "own_bytes" in stored else Printed
        tuples = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
        _of_programs[key] = kind(**stored | tuples)
    return _of_programs[key]


def _stored(printed: Printed) -> bytes:
    return zlib.compress(json.dumps(asdict(printed)).encode(), 1)


@cache
def _printers_digest() -> bytes:
    """The digest of all source from which a text follows."""
    folders = (Path(__file__).parents[2] / name for name in ("engines", "maths", "program"))
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return hashlib.sha256(b"".join(map(Path.read_bytes, files))).digest()
