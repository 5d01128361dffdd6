"""What the page needs to compute its pictures of a run at one step.

K members · M small multiples · N rows · P parameters · Q running statistics
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.data.dataset import Dataset
from deltarule.engines.reference import objective_and_gradient
from deltarule.json_files import to_jsonable
from deltarule.playground.past import Present
from deltarule.playground.side_by_side import SIDES, SideBySideEngine, other_side
from deltarule.playground.workbench import Workbench
from deltarule.problem.batches import batch
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats

MAX_MULTIPLES = 24
MAX_DRAWN_ROWS = 1_000
"""More points than this cover one another, and the page computes all of them in each picture."""


def draw(
    workbench: Workbench, member: int, step: int | None, moment: Present
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """What a page needs to draw a member and those around it: a header and arrays."""
    first = member - member % MAX_MULTIPLES
    members = np.arange(first, min(first + MAX_MULTIPLES, moment.problem.members))
    problem, several = workbench.state_at(step, members, moment)
    chosen = several.take(np.array([member - first]))
    problem = workbench.problem_of(problem, member)
    is_beside = isinstance(workbench.engine, SideBySideEngine)
    twin = other_side(member, problem.members) if is_beside else member
    viewed = replace(moment, problem=problem, state=chosen)
    everybody = replace(moment, values=_values(workbench, moment, replace(viewed, state=several)))
    with one_blas_thread(), np.errstate(all="ignore"):  # the gradient of the next update
        gradient = objective_and_gradient(problem, chosen, batch(problem, chosen.members, chosen.step)).gradient
    steps, curves, bands = moment.past.curves(np.array([member, twin]))
    header = {
        "step": chosen.step,
        "last_step": moment.state.step,
        "epoch": chosen.step / problem.steps_per_epoch(member),
        "version": moment.version,
        "playing": workbench.is_playing,
        "members": problem.members,
        "member": member,
        "multiples": members.tolist(),
        "score": moment.score,
        "values": {name: float(value[0]) for name, value in viewed.evaluate().items()},
        "varied": list(SIDES)
        if is_beside
        else [str(value) for values in moment.recipe.configuration.grid.values() for value in values],
        "locked": list(moment.locked),
        "edits": [list(edit) for edit in moment.edits],
        "rate": float(problem.rates(np.array([member]), chosen.step)[0] * chosen.factor[0]),
        "changes": list(moment.past.changes),
        "diverged": [[one.member, one.step, one.layer, one.where] for one in workbench.divergences.values()],
        "failure": workbench.failure,
        "engine": workbench.engine_name,
    }
    arrays = {
        "theta": chosen.theta[0],
        "buffers": chosen.buffers[0],
        "gradient": gradient[0],
        "thetas": several.theta,
        "buffers of members": several.buffers,
        "objective of members": everybody.values["objective"],
        "solved members": everybody.is_solved,
        "curve steps": np.array(steps),
        **{f"curve {name}": values[:, 0] for name, values in curves.items()},
        **({"curve other": curves["objective"][:, 1]} if is_beside else {}),
        **({"curve quantiles": bands.T} if problem.members > 1 else {}),
    }
    return header, arrays


def _values(workbench: Workbench, moment: Present, shown: Present) -> dict[str, Floats]:
    """Objective and metric of all members at a moment: as recorded; exact for its own members, unless it plays on."""
    is_past = shown.state.step < moment.state.step
    values = dict(moment.past.recorded(shown.state.step) if is_past else moment.values)
    if is_past or not workbench.is_playing:
        for name, exact in shown.evaluate().items():
            values[name] = values.get(name, np.full(moment.problem.members, np.nan)).copy()
            values[name][shown.state.members] = exact
    return values


def describe_data(
    dataset: Dataset, network: Network, typed_activation: str = ""
) -> tuple[dict[str, Any], dict[str, Floats]]:
    """The rows that are drawn, and the shape of the networks as the page's engine takes it."""
    arrays = {}
    for part, rows in dataset.parts.items():
        count = min(len(rows), MAX_DRAWN_ROWS)
        drawn = rows.take(np.unique(np.linspace(0, len(rows) - 1, count).astype(np.int64)))
        arrays[f"x {part}"] = drawn.x
        arrays[f"answers {part}"] = drawn.answers if dataset.classes else drawn.answers[:, 0]
    answers = dataset.train.answers
    header = {
        "name": dataset.name,
        "features": list(dataset.features),
        "classes": list(dataset.classes),
        "image": dataset.image,
        "range": [0, 1] if dataset.classes else [float(answers[:, 0].min()), float(answers[:, 0].max())],
        "rows": {part: len(rows) for part, rows in dataset.parts.items()},
        "network": {
            "sizes": list(network.sizes),
            "activations": [
                {"name": activation.name, **activation.parameters, "function": typed_activation}
                for activation in network.activations.values()
            ],
            "bias": network.has_biases,
            "batch_norm": bool(network.buffers),
            "scaling": network.has("scaling"),
        },
    }
    return header, arrays


def encode(header: Mapping[str, Any], arrays: Mapping[str, Floats]) -> bytes:
    """Encode a header and arrays by name as the bytes of a frame.

    A frame is the length of the header, uint32; the header, UTF-8, with spaces to a multiple of four bytes; and the
    arrays, one after another, which the header names with their shapes under "arrays". Numbers are little-endian.
    """
    table = {**header, "arrays": [[name, list(array.shape)] for name, array in arrays.items()]}
    text = json.dumps(to_jsonable(table), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    with np.errstate(over="ignore"):  # numbers that are too large become infinite
        content = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays.values()]
    return b"".join([struct.pack("<I", len(text)), text, *content])
