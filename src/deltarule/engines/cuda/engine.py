"""The engine that trains populations on an NVIDIA GPU, and evaluates them on the processor."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from numpy.typing import NDArray

from deltarule.engines.base import Updates
from deltarule.engines.compiled.blocks import advance_members
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.printed import Printed
from deltarule.engines.compiled.texts import printed_update, tile_for
from deltarule.engines.cuda.driver import driver
from deltarule.engines.cuda.printer import KERNEL, THREADS_A_BLOCK, kernel, ptx
from deltarule.problem.problem import Integers, Problem

MEMBER = "deltarule.engines.cuda.printer:print_member"
MEMORY = frozenset(("scratch", "kept"))
REGISTERS_OF_A_THREAD = 255


class CudaEngine(CompiledEngine):
    """Trains each member in a thread of the GPU, with the bits of the compiled engine."""

    name = "cuda"

    def takes_units(self, problem: Problem, members: int) -> bool:
        return False

    def _advancing(self, updates: Updates, indices: Integers, own_rows: bool, work: int) -> list[Callable[[], None]]:
        printed = member_program(
            updates.problem, own_rows, updates.problem.batch_rows(updates.state.members[indices[0]])
        )
        together = of_members(printed, len(indices))
        return [partial(advance_members, _run_on_device, together, updates, own_rows, indices)]


def member_program(problem: Problem, own_rows: bool, rows: int) -> Printed:
    """Return the text of an update of one member among many."""
    tile = tile_for(problem, rows, REGISTERS_OF_A_THREAD)
    printed: Printed = printed_update(MEMBER, problem, own_rows, 1, tile, rows)
    return printed


def of_members(printed: Printed, members: int) -> Printed:
    """Return a member's text with the memory that so many members need."""
    sizes = printed.scratch_bytes * members, printed.bytes_a_row * members
    return replace(printed, lanes=members, scratch_bytes=sizes[0], bytes_a_row=sizes[1])


def _run_on_device(
    printed: Printed, numbers: tuple[int, ...], arrays: dict[str, NDArray[Any]], shared: dict[str, NDArray[Any]]
) -> None:
    """Launch a program for the one block of `arrays`, as `run_blocks` calls it."""
    gpu = driver()
    members = printed.lanes
    names = *printed.arguments, "scratch", "kept"
    given = {name: arrays[name] if name in arrays else shared[name] for name in names}
    with gpu.copies(given, MEMORY) as addresses:
        blocks = -(-members // THREADS_A_BLOCK)
        function = gpu.kernel(ptx(kernel(printed)), KERNEL)
        gpu.launch(function, (blocks, THREADS_A_BLOCK), (*numbers, members), [addresses[name] for name in names])
        for name in arrays:
            if name in addresses:
                gpu.read(addresses[name], arrays[name])
