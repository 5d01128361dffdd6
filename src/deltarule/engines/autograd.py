"""The autograd engine: training with PyTorch's automatic differentiation.

θ, g [K, P]   x [B, D] or [K, B, D]   z [K, B, C]   J [K]

Only the forward pass is written here; PyTorch differentiates it. The batches, the dropout masks and the initial state
are those of every other engine, bit for bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines.base import FLUSH_EVERY, Engine, Trace
from deltarule.engines.reference import dropout_masks
from deltarule.engines.torch_program import on_tensors
from deltarule.errors import BadInput, is_out_of_memory, not_installed, one_line
from deltarule.maths.activations import Activation
from deltarule.maths.network import Entry
from deltarule.maths.update import updated
from deltarule.problem.batches import Batch, batch, groups, positions_of, rows_at, weights_at
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import State

Tensor = Any
"""A `torch.Tensor`. PyTorch is optional and slow to import, so its own types cannot stand in this module."""


class TensorBatch(NamedTuple):
    """A batch as tensors: inputs, targets, row weights, dropout masks and rates by name."""

    x: Tensor
    y: Tensor
    w: Tensor
    dropped: Mapping[str, Tensor]


class AutogradEngine(Engine):
    """Trains with PyTorch's autograd, on a device such as "cpu" or "cuda:1"; None is PyTorch's default.

    PyTorch sums in another order: results agree with the reference engine's to rounding, not to the bit.
    """

    name = "autograd"

    def __init__(self, device: str | None = None) -> None:
        self._torch, self._formulas = _torch()
        self._data: tuple[Floats | None, Tensor, Tensor] = None, None, None
        try:
            self._device = self._torch.empty(0, device=device).device
        except (RuntimeError, AssertionError):  # PyTorch asserts where it was built without CUDA
            raise BadInput(f"PyTorch has no device {device!r} here; give one that it has, such as 'cpu'") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self._device),)

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective = np.zeros((n, len(state.members)), problem.dtype)
        bad = np.full(len(state.members), -1)
        with np.errstate(all="ignore"):
            for group in groups(problem, state.members):
                part, objective[:, group], bad[group] = self._advance(problem, state.take(group), n)
                state = replace(state.put(group, part), step=state.step)
        return replace(state, step=state.step + n), Trace(objective, bad)

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        running = self._views(self._tensor(state.buffers), problem.network.buffers)
        x = self._tensor(np.asarray(x, problem.dtype))
        parameters = self._views(self._tensor(state.theta), problem.network.entries)
        logits, _ = self._forward(problem, parameters, TensorBatch(x, None, None, {}), running)
        return _to_numpy(logits), _to_numpy(self._activation(problem.network.output, logits))

    def objective_and_gradient(
        self, problem: Problem, state: State, rows: Batch, *, published_gradient: bool = True
    ) -> tuple[Floats, Floats]:
        """Return the objective [K] of a training batch and its gradient [K, P].

        For a loss that is not `exact`, False for `published_gradient` gives the gradient of the loss's value, which
        training does not follow. Raises `BadInput` for a custom formula that PyTorch cannot run or differentiate.
        """
        tensors = self._rows(problem, state, rows)
        J, g, _ = self._pass(problem, state.members, self._tensor(state.theta), tensors, published_gradient)
        return _to_numpy(J), _to_numpy(g)

    def _advance(self, problem: Problem, state: State, n: int) -> tuple[State, Floats, Integers]:
        """Advance members with equally many rows, with all tensors on the device."""
        torch = self._torch
        members = state.members
        theta, buffers = self._tensor(state.theta), self._tensor(state.buffers)
        slots = [self._tensor(state.slots[name]) for name in problem.optimizer.slots]
        objective = torch.empty((n, len(members)), dtype=theta.dtype, device=self._device)
        is_sound = torch.empty((n, len(members)), dtype=torch.bool, device=self._device)
        for i in range(n):
            now = replace(state, step=state.step + i)
            rows = self._rows(problem, now, self._batch(problem, members, now.step))
            objective[i], g, statistics = self._pass(problem, members, theta, rows, published_gradient=True)
            buffers = self._running_statistics(problem, buffers, statistics, rows.w)
            theta, *slots = self._update(problem, now, theta, g, slots)
            if (now.step + 1) % FLUSH_EVERY == 0:
                tiny = torch.finfo(theta.dtype).tiny
                theta, *slots = (torch.where(vector.abs() < tiny, 0, vector) for vector in (theta, *slots))
            is_sound[i] = torch.isfinite(torch.cat([objective[i, :, None], theta, buffers, *slots], -1)).all(-1)
        after = replace(
            state,
            theta=_to_numpy(theta),
            slots=dict(zip(problem.optimizer.slots, map(_to_numpy, slots), strict=True)),
            buffers=_to_numpy(buffers),
        )
        sound_updates = _to_numpy(is_sound).cumprod(0).sum(0)  # before the first that is not finite
        return after, _to_numpy(objective), np.where(sound_updates < n, state.step + sound_updates, -1)

    def _pass(
        self, problem: Problem, members: Integers, theta: Tensor, rows: TensorBatch, published_gradient: bool
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return a batch's objective [K], its gradient [K, P], and the statistics of layers by name."""
        theta = theta.detach().requires_grad_()
        parameters = self._views(theta, problem.network.entries)
        try:
            logits, statistics = self._forward(problem, parameters, rows, None)
            J = self._objective(problem, members, theta, logits, rows, published_gradient)
            # No member's objective depends on another's θ: the gradient of the sum holds that of each member.
            (g,) = self._torch.autograd.grad(J.sum(), theta)
        except Exception as error:  # a custom formula may raise anything when it gets a tensor
            formulas: list[tuple[str, Any]] = [("activation", each) for each in problem.network.activations.values()]
            formulas += [("layer", placed.layer) for placed in problem.network.layers if placed.symbol != "a"]
            formulas += [("loss", problem.loss), ("penalty", problem.penalty)]
            own = dict.fromkeys(
                f"{kind} '{formula.name}'" for kind, formula in formulas if formula and not is_built_in(formula)
            )
            if not own or is_out_of_memory(error):
                raise
            raise BadInput(
                f"PyTorch cannot compute or differentiate your own {' and '.join(own)} ({type(error).__name__}: "
                f"{one_line(str(error))}); write it with operations that can be recorded, or use the reference engine"
            ) from None
        return J.detach(), g, {name: array.detach() for name, array in statistics.items()}

    def _forward(
        self,
        problem: Problem,
        parameters: Mapping[str, Tensor],
        rows: TensorBatch,
        running: Mapping[str, Tensor] | None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits and the batch's statistics, in evaluation mode if given `running`."""
        value = rows.x
        values = {"x": rows.x}
        statistics = dict[str, Tensor]()
        given = dict(rows.dropped)
        if running is None:
            given["share"] = rows.w / rows.w.sum(-2, keepdim=True)
        for placed in problem.network.layers:
            layer, n = placed.layer, placed.number
            operands = [values[name] if name in values else parameters[name] for name in placed.arrays]
            taken = [name if name in given else f"{name}{n}" for name in layer.given]
            if isinstance(placed.formula, Activation):
                value = self._activation(placed.formula, value)
            elif running is not None and layer.statistics:
                moments = [running[name] for name in placed.statistics]
                value = self._formulas.EVALUATIONS[layer.name](value, *operands, *moments, **layer.parameters)
            elif all(name in given for name in taken):
                formula = _witness(self._formulas.LAYERS, layer) or self._recorded(layer.function)
                result = formula(value, *operands, *(given[name] for name in taken), **layer.parameters)
                value, *of_batch = result if isinstance(result, tuple) else (result,)
                statistics |= zip(placed.statistics, of_batch, strict=False)
            values[placed.name] = value
        return value, statistics

    def _activation(self, activation: Activation, z: Tensor) -> Tensor:
        formula = _witness(self._formulas.ACTIVATIONS, activation) or self._recorded(activation.function)
        return formula(z, **activation.parameters)

    def _objective(
        self,
        problem: Problem,
        members: Integers,
        theta: Tensor,
        logits: Tensor,
        rows: TensorBatch,
        published_gradient: bool,
    ) -> Tensor:
        total = rows.w.sum(-2, keepdim=True)
        losses = self._losses(problem, logits, rows.y, published_gradient)
        divisor = {"sum": 1, "mean_samples": total, "mean_elements": total * problem.network.outputs}
        J = (rows.w / divisor[problem.reduction] * losses).sum((-2, -1))
        if problem.penalty is None:
            return J
        strength = self._tensor(problem.strength[members].astype(problem.dtype))
        if problem.penalty.per_sample:
            strength = strength / total[..., 0, 0]
        chosen = self._tensor(problem.penalized.astype(problem.dtype))
        (counted,) = self._torch.where(strength != 0)  # an infinite penalty of strength 0 adds nothing
        formula = _witness(self._formulas.PENALTIES, problem.penalty) or self._recorded(problem.penalty.value)
        values = (chosen * formula(theta[counted])).sum(-1)
        return J.index_add(0, counted, strength[counted] * values)

    def _losses(self, problem: Problem, logits: Tensor, y: Tensor, published_gradient: bool) -> Tensor:
        """The loss of each row: from the logits where a formula for both exists."""
        loss = problem.loss
        output = problem.network.output
        formulas = self._formulas
        if is_built_in(loss) and loss.fused_with(output):
            return formulas.FROM_LOGITS[loss.name, output.name](logits, y, **loss.parameters)
        p = self._activation(output, logits)
        formula = (published_gradient and _witness(formulas.PUBLISHED, loss)) or _witness(formulas.LOSSES, loss)
        return (formula or self._recorded(loss.value))(p, y, **loss.parameters)

    def _recorded(self, function: Callable[..., Any]) -> Callable[..., Tensor]:
        """Return a function of a user's on tensors."""
        return partial(on_tensors, self._torch, function)

    def _update(self, problem: Problem, state: State, theta: Tensor, g: Tensor, slots: list[Tensor]) -> list[Tensor]:
        """Return [θ, *slots] after an update with the gradient g."""
        optimizer = problem.optimizer
        members = state.members
        of_entries = problem.entry_factors
        if of_entries is not None:
            of_entries = self._tensor(
                (of_entries if of_entries.ndim == 1 else of_entries[members]).astype(problem.dtype)
            )
            if problem.clip_norm is not None or optimizer.norms:  # lengths are those of the entries that move
                g = self._torch.where(of_entries == 0, 0.0, g)
        if problem.clip_norm is not None:
            length = self._torch.linalg.vector_norm(g, dim=-1, keepdim=True)
            limit = self._tensor(problem.clip_norm[members, None].astype(problem.dtype))
            g = self._torch.where(length > limit, g * (limit / length), g)
        numbers = {name: self._torch.as_tensor(value[members, None]) for name, value in problem.numbers.items()}
        rates = problem.rates(members, state.step) * state.factor
        numbers["learning_rate"] = self._torch.as_tensor(rates[:, None])
        lengths = [entry.stop - entry.start for entry in problem.network.entries]
        for name, factors in problem.factors.items():
            numbers[name] = numbers[name] * self._torch.as_tensor(np.repeat(factors, lengths))
        if optimizer.decay:
            numbers["weight_decay"] = numbers["weight_decay"] * self._torch.as_tensor(problem.penalized)
        numbers_at_step = _witness(self._formulas.NUMBERS, optimizer)
        if numbers_at_step:
            numbers = numbers_at_step(state.step + 1, **numbers)
        numbers = {name: value.to(dtype=theta.dtype).to(self._device) for name, value in numbers.items()}
        if optimizer.norms:
            parts = [g[:, entry.start : entry.stop] for entry in problem.network.entries]
            norms = [self._torch.linalg.vector_norm(part, dim=-1, keepdim=True).expand_as(part) for part in parts]
            numbers["norm"] = self._torch.cat(norms, -1)
        formula = _witness(self._formulas.OPTIMIZERS, optimizer)
        if formula:
            moved, *slots = formula(theta, g, *slots, **numbers)
        else:  # the update of a custom optimizer is not differentiated: it can run on arrays, as it was written
            arrays = {name: _to_numpy(value) for name, value in numbers.items()}
            vectors = [*map(_to_numpy, [theta, g, *slots])]
            moved, *slots = map(self._tensor, updated(optimizer, problem.network.entries, vectors, arrays))
        if of_entries is not None:  # by 1 and 0 without rounding
            stepped = self._torch.where(of_entries == 1, moved, theta + of_entries * (moved - theta))
            moved = self._torch.where(of_entries == 0, theta, stepped)
        return [moved, *slots]

    def _running_statistics(
        self, problem: Problem, buffers: Tensor, statistics: Mapping[str, Tensor], w: Tensor
    ) -> Tensor:
        """The buffers of batch norm, moved toward a batch's mean and unbiased variance."""
        if not statistics:
            return buffers
        total = w.sum(-2, keepdim=True)
        unbias = total.clamp(min=1) / (total - 1).clamp(min=1)
        arrays = {name: each * unbias if name.startswith("variance") else each for name, each in statistics.items()}
        observed = self._torch.cat([arrays[entry.name].flatten(-2) for entry in problem.network.buffers], -1)
        return buffers + self._formulas.MOMENTUM * (observed - buffers)

    def _batch(self, problem: Problem, members: Integers, step: int) -> Batch:
        """Gather a batch on the device, where the data of a problem stay."""
        if problem.fresh is not None:
            return batch(problem, members, step)
        if self._data[0] is not problem.x:
            self._data = problem.x, self._tensor(problem.x), self._tensor(problem.y)
        positions = positions_of(problem, members, step)
        rows = rows_at(problem, members, positions)
        x, y = (tensor[self._tensor(rows)] for tensor in self._data[1:])
        return Batch(x, y, weights_at(problem, members, rows), positions)

    def _rows(self, problem: Problem, state: State, rows: Batch) -> TensorBatch:
        dropped = {name: self._tensor(array) for name, array in dropout_masks(problem, state, rows).items()}
        return TensorBatch(self._tensor(rows.x), self._tensor(rows.y), self._tensor(rows.w), dropped)

    def _views(self, vector: Tensor, entries: Sequence[Entry]) -> dict[str, Tensor]:
        return {entry.name: vector[:, entry.start : entry.stop].unflatten(-1, entry.shape) for entry in entries}

    def _tensor(self, array: Any) -> Tensor:
        return array if self._torch.is_tensor(array) else self._torch.tensor(array, device=self._device)


def _witness(formulas: Mapping[str, Callable[..., Any]], formula: Any) -> Callable[..., Any] | None:
    return formulas.get(formula.name) if is_built_in(formula) else None


def _to_numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.cpu().numpy())


def _torch() -> tuple[Any, Any]:
    try:
        torch = import_module("torch")
    except (ImportError, OSError) as error:
        raise not_installed('the engine "autograd"', "PyTorch", "torch", error) from None
    return torch, import_module("deltarule.engines.torch_reference")
