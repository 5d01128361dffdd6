"""Large networks: matrix products by BLAS straight into the views of θ, and everything else fused between them.

B rows of a batch · D inputs of a layer · H its units · P parameters      z, a, dz [B, H]   θ, g [P], a member at a time

A member's update is a handful of products and, between them, loops that read and write each number once: bias and
activation, loss and ∂J/∂z, the activation's derivative, the penalty and the optimizer over the whole of θ. The loops
are compiled from the formulas of `maths`; no array of the batch's size is allocated in an update.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from deltarule.engines.compiled.cache import load_module
from deltarule.engines.compiled.source import Formulas, NotCompilable
from deltarule.maths.losses import CROSS_ENTROPY
from deltarule.maths.network import Layer, views
from deltarule.maths.random import DROPOUT
from deltarule.problem.batches import positions_of, rows_at
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

DECORATOR = '@njit(error_model="numpy", nogil=True, cache=True)'


def not_fusible(problem: Problem) -> str:
    """Why a problem's loops cannot be compiled, in words; "" where they can."""
    for layer in problem.network.layers:
        if layer.batch_norm:
            return "batch norm"
        if layer.activation.rowwise and layer.activation.name != "softmax":
            return f"the activation '{layer.activation.name}', which couples units"
    if problem.optimizer.update is None:
        return f"the optimizer '{problem.optimizer.name}'"
    if problem.optimizer.norms:
        return f"large networks with the optimizer '{problem.optimizer.name}'"
    try:
        loops(problem)
    except NotCompilable as reason:
        return str(reason)
    return ""


def loops(problem: Problem) -> str:
    """The source text of a problem's loops."""
    formulas = Formulas()
    hidden = [_activate(layer, formulas) + _slope(layer, formulas) for layer in problem.network.layers[:-1]]
    parts = [*hidden, _loss(problem, formulas), _update(problem, formulas), _rate(problem, formulas), _PLAIN]
    head = (Path(__file__).parent / "vector.py").read_text(encoding="utf-8")
    return "\n\n\n".join([head, *formulas.texts, *parts])


_PLAIN = f"""{DECORATOR}
def gather(rows, ids, out):
    for i in range(len(ids)):
        for d in range(rows.shape[1]):
            out[i, d] = rows[ids[i], d]


{DECORATOR}
def add_bias(z, b):
    for i in range(z.shape[0]):
        for h in range(z.shape[1]):
            z[i, h] += b[0, h]


{DECORATOR}
def column_sums(dz, out):
    for h in range(dz.shape[1]):
        out[0, h] = 0.0
    for i in range(dz.shape[0]):
        for h in range(dz.shape[1]):
            out[0, h] += dz[i, h]


{DECORATOR}
def drop(a, k, places, step, purpose, limit, gain, key0, key1):
    for i in range(a.shape[0]):
        for group in range((a.shape[1] + 3) // 4):
            words = philox(
                np.uint64(group), np.uint64(places[i]), np.uint64(step), np.uint64(purpose), key0, key1
            )
            for j in range(min(4, a.shape[1] - 4 * group)):
                k[i, 4 * group + j] = gain * (words[j] >= limit)
                a[i, 4 * group + j] *= k[i, 4 * group + j]


{DECORATOR}
def multiply(values, by):
    for i in range(values.shape[0]):
        for h in range(values.shape[1]):
            values[i, h] *= by[i, h]


@compiled
def softmax_row(z, a, i):
    most = z[i, 0]
    for h in range(1, z.shape[1]):
        most = select(z[i, h] - most, z[i, h], most)
    total = 0.0
    for h in range(z.shape[1]):
        a[i, h] = exp(z[i, h] - most)
        total += a[i, h]
    for h in range(z.shape[1]):
        a[i, h] /= total
    return most + log(total)


@compiled
def softmax_row_back(a, da, i):
    total = 0.0
    for h in range(a.shape[1]):
        total += a[i, h] * da[i, h]
    for h in range(a.shape[1]):
        da[i, h] = a[i, h] * (da[i, h] - total)
"""


def _activate(layer: Layer, formulas: Formulas) -> str:
    """a = f(z) for a hidden layer."""
    if layer.activation.rowwise:
        body = "        softmax_row(z, a, i)"
    else:
        call = formulas.call(layer.activation.function, "z[i, h]", **layer.activation.parameters)
        body = f"        for h in range(z.shape[1]):\n            a[i, h] = {call}"
    return f"{DECORATOR}\ndef activate{layer.number}(z, a):\n    for i in range(z.shape[0]):\n{body}\n\n\n"


def _slope(layer: Layer, formulas: Formulas) -> str:
    """∂J/∂z in the place of ∂J/∂a, for a hidden layer."""
    if layer.activation.rowwise:
        body = "        softmax_row_back(a, da, i)"
    else:
        call = formulas.call(layer.activation.derivative, "z[i, h]", "a[i, h]", **layer.activation.parameters)
        body = f"        for h in range(z.shape[1]):\n            da[i, h] *= {call}"
    return f"{DECORATOR}\ndef slope{layer.number}(z, a, da):\n    for i in range(z.shape[0]):\n{body}"


def _loss(problem: Problem, formulas: Formulas) -> str:
    """The batch's loss, and ∂J/∂z in the place of z."""
    loss, output, units = problem.loss, problem.network.output, problem.network.outputs
    divisor = {"sum": "1.0", "mean_samples": "total", "mean_elements": f"(total * {units})"}[problem.reduction]
    lines = [
        "def loss(z, a, y, ids, w, weighted):",
        "    total = len(ids) * 1.0",
        "    if weighted:",
        "        total = 0.0",
        "        for i in range(len(ids)):",
        "            total += w[ids[i]]",
        "    J = 0.0",
        "    for i in range(len(ids)):",
        f"        share = (w[ids[i]] if weighted else 1.0) / {divisor}",
    ]
    numbers, fused = loss.parameters, loss.fused.get(output.name)
    if loss.name == CROSS_ENTROPY.name and output.rowwise:
        lines += [
            "        whole = softmax_row(z, a, i)",
            "        targets = 0.0",
            f"        for c in range({units}):",
            "            targets += y[ids[i], c]",
            f"        for c in range({units}):",
            "            t = y[ids[i], c]",
            "            J += share * (t * (whole - z[i, c]))",
            "            z[i, c] = share * (a[i, c] * targets - t)",
        ]
    else:
        lines += ["        softmax_row(z, a, i)"] if output.rowwise else []
        lines += [f"        for c in range({units}):", "            t = y[ids[i], c]", "            q = z[i, c]"]
        if fused:
            value = formulas.call(fused.value, "q", "t", **numbers)
            slope = formulas.call(fused.derivative, "q", "t", **numbers)
        else:
            p = "a[i, c]" if output.rowwise else formulas.call(output.function, "q", **output.parameters)
            lines.append(f"            p = {p}")
            value = formulas.call(loss.value, "p", "t", **numbers)
            slope = formulas.call(loss.derivative, "p", "t", **numbers)
            if not output.rowwise:
                slope = f"{slope} * {formulas.call(output.derivative, 'q', 'p', **output.parameters)}"
        lines += [f"            J += share * {value}", f"            z[i, c] = share * {slope}"]
        lines += ["        softmax_row_back(a, z, i)"] if output.rowwise and not fused else []
    return DECORATOR + "\n" + "\n".join([*lines, "    return J, total"])


def _update(problem: Problem, formulas: Formulas) -> str:
    """The penalty and the optimizer over a range of θ: the penalty's value, and 0, or NaN where not all is finite."""
    optimizer, penalty = problem.optimizer, problem.penalty
    assert optimizer.update is not None
    slots = [f"S{i}" for i in range(len(optimizer.slots))]
    if optimizer.once_a_step is not None:
        count = len(optimizer.once_a_step(1.0, 0.1, **dict.fromkeys(optimizer.parameters, 0.5)))
        given = [f"numbers[{i}]" for i in range(count)]
    else:
        given = [f"{name}=numbers[{i}]" for i, name in enumerate(["learning_rate", *optimizer.parameters])]
    new = ["q", *(f"q{i}" for i in range(len(slots)))]
    call = f"{formulas.name(optimizer.update)}({', '.join(['T[p]', 'd', *(f'{s}[p]' for s in slots), *given])})"
    value = "" if penalty is None else formulas.call(penalty.value, "T[p]")
    slope = "" if penalty is None else formulas.call(penalty.derivative, "T[p]")
    body = ["d = G[p]"]
    body += [] if penalty is None else [f"values[l] += {value}", f"d += strength * {slope}"]
    body += [f"{', '.join(new)}, = {call}", "T[p] = q", *(f"{slot}[p] = q{i}" for i, slot in enumerate(slots))]
    body.append(f"check[l] += {' + '.join(f'0 * {one}' for one in new)}")
    # 64 partial sums side by side: one alone would wait for each addition before the next.
    lines = [
        f"def update({', '.join(['T', 'G', *slots])}, start, stop, strength, numbers):",
        "    values, check = np.zeros(64), np.zeros(64)",
        "    for first in range(start, stop, 64):",
        "        for l in range(min(64, stop - first)):",
        "            p = first + l",
        *(f"            {line}" for line in body),
        "    return values.sum(), check.sum()",
    ]
    return DECORATOR + "\n" + "\n".join(lines)


def _rate(problem: Problem, formulas: Formulas) -> str:
    """What the optimizer computes once a step, from the step's learning rate."""
    optimizer = problem.optimizer
    names = ["learning_rate", *optimizer.parameters]
    if optimizer.once_a_step is None:
        values = ", ".join(f"given[{i}]" for i in range(len(names)))
        return f"{DECORATOR}\ndef numbers_of(step, given):\n    return ({values},)"
    call = ", ".join(f"{name}=given[{i}]" for i, name in enumerate(names))
    return (
        f"{DECORATOR}\ndef numbers_of(step, given):\n"
        f"    return {formulas.name(optimizer.once_a_step)}((step + 1) * 1.0, {call})"
    )


@dataclass(eq=False)
class Workspace:
    """What is needed to advance members one after another: the loops, and arrays of a batch's size, made once."""

    problem: Problem
    rows: int
    module: ModuleType

    @classmethod
    def of(cls, problem: Problem, rows: int, text: str) -> "Workspace":
        """A workspace for batches of up to so many rows."""
        return cls(problem, rows, load_module(text))

    def __post_init__(self) -> None:
        dtype, layers = self.problem.dtype, self.problem.network.layers
        self.x = np.empty((self.rows, self.problem.network.inputs), dtype)
        self.z = [np.empty((self.rows, layer.units), dtype) for layer in layers]
        self.a = [np.empty((self.rows, layer.units), dtype) for layer in layers]
        self.d = [np.empty((self.rows, layer.units), dtype) for layer in layers]
        self.k = [np.empty((self.rows, layer.units), dtype) for layer in layers]
        self.g = np.empty(self.problem.network.parameters, dtype)
        self.gradients = views(self.g, self.problem.network.entries)

    def gather(self, ids: Integers) -> None:
        """Bring a batch's inputs together; members that see the same rows share them."""
        self.module.gather(self.problem.x, ids, self.x)

    def gradient(self, theta: Floats, member: int, ids: Integers, places: Integers, step: int) -> tuple[float, float]:
        """The batch's loss and the sum of its weights; its gradient is left in `g`."""
        problem, loops, count = self.problem, self.module, len(ids)
        layers, arrays = problem.network.layers, views(theta, problem.network.entries)
        value = self.x[:count]
        inputs = []
        for i, layer in enumerate(layers):
            n, z = layer.number, self.z[i][:count]
            inputs.append(value)
            np.matmul(value, arrays[f"W{n}"], out=z)
            if layer.bias:
                loops.add_bias(z, arrays[f"b{n}"])
            if layer is layers[-1]:
                break
            value = self.a[i][:count]
            getattr(loops, f"activate{n}")(z, value)
            if problem.dropout[member, i]:
                value = self._dropped(i, member, value, places, step)
        weights = np.ones(0) if problem.weights is None else np.atleast_2d(problem.weights)
        mine = weights if problem.weights is None else weights[member if len(weights) > 1 else 0]
        J, total = loops.loss(z, self.a[-1][:count], problem.y, ids, mine.reshape(-1), problem.weights is not None)
        upstream = z
        for i in reversed(range(len(layers))):
            n = layers[i].number
            np.matmul(inputs[i].T, upstream, out=self.gradients[f"W{n}"])
            if layers[i].bias:
                loops.column_sums(upstream, self.gradients[f"b{n}"])
            if i:
                before = self.d[i - 1][:count]
                np.matmul(upstream, arrays[f"W{n}"].T, out=before)
                if problem.dropout[member, i - 1]:
                    loops.multiply(before, self.k[i - 1][:count])
                getattr(loops, f"slope{n - 1}")(self.z[i - 1][:count], self.a[i - 1][:count], before)
                upstream = before
        return J, total

    def _dropped(self, i: int, member: int, a: Floats, places: Integers, step: int) -> Floats:
        """A layer's activations after dropout: a copy, since the activation's derivative needs them as they were."""
        problem, dropped = self.problem, self.d[i][: len(a)]
        np.copyto(dropped, a)
        rate, seed = problem.dropout[member, i], problem.dropout_seeds[member]
        keys = seed & np.uint64(0xFFFFFFFF), seed >> np.uint64(32)
        limit = np.uint64(np.floor(rate * 2.0**32))
        self.module.drop(dropped, self.k[i], places, step, DROPOUT | (i + 1) << 8, limit, 1 / (1 - rate), *keys)
        return dropped


def advance_members(
    problem: Problem, state: State, after: State, places: Integers, n: int, objective: Floats, bad: Integers
) -> None:
    """Advance some members of a state, in `after`, one after another in every update.

    They have equally many rows. objective [n, K] and bad [K] are the trace's; members are told by their places in it.
    """
    members = state.members[places]
    workspace = Workspace.of(problem, problem.batch_rows(members[0]), loops(problem))
    given = np.stack([problem.numbers[name][members] for name in ("learning_rate", *problem.optimizer.parameters)], 1)
    with np.errstate(all="ignore"):  # NumPy keeps it for each thread; what overflows is told by the trace
        for i in range(n):
            step = state.step + i
            positions = positions_of(problem, members, step)
            ids = rows_at(problem, members, positions)
            given[:, 0] = problem.rates(members, step) * state.factor[places]
            if ids.ndim == 1:
                workspace.gather(ids)
            for k, place in enumerate(places):
                mine = ids if ids.ndim == 1 else ids[k]
                if ids.ndim == 2:
                    workspace.gather(mine)
                seen = positions if positions.ndim == 1 else positions[k]
                J, sound = _update_member(workspace, after, place, int(members[k]), mine, seen, step, given[k])
                objective[i, place] = J
                if bad[place] < 0 and not (sound and np.isfinite(J)):
                    bad[place] = step


def _update_member(
    workspace: Workspace,
    after: State,
    place: int,
    member: int,
    ids: Integers,
    positions: Integers,
    step: int,
    given: Floats,
) -> tuple[float, bool]:
    """One update of one member: its objective before it, and whether all is finite after it."""
    problem, theta = workspace.problem, after.theta[place]
    slots = [after.slots[name][place] for name in problem.optimizer.slots]
    J, total = workspace.gradient(theta, member, ids, positions, step)
    strength = float(problem.strength[member]) / (total if problem.penalty and problem.penalty.per_sample else 1.0)
    check = 0.0
    for start, stop, penalized in _ranges(problem):
        numbers = given
        if problem.optimizer.decay and not penalized:
            numbers = given.copy()
            numbers[1 + list(problem.optimizer.parameters).index("weight_decay")] = 0.0
        once = workspace.module.numbers_of(step, numbers)
        part = strength if penalized else 0.0
        value, unsound = workspace.module.update(theta, workspace.g, *slots, start, stop, part, once)
        J, check = J + part * value, check + unsound
    return J, check == 0


def _ranges(problem: Problem) -> list[tuple[int, int, bool]]:
    """θ divided into ranges that the penalty counts and ranges that it does not, as long as they come."""
    ranges: list[tuple[int, int, bool]] = []
    for entry in problem.network.entries:
        penalized = bool(problem.penalized[entry.start]) and (problem.penalty is not None or problem.optimizer.decay)
        if ranges and ranges[-1][2] == penalized:
            ranges[-1] = ranges[-1][0], entry.stop, penalized
        else:
            ranges.append((entry.start, entry.stop, penalized))
    return ranges
