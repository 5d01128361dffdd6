"""PyTorch as a contender: module, loss and optimizer for one network after another, or a population by vmap."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from bench.contenders import Contender, LeftOut, describe_threads
from bench.workloads import batches, penalty_strength
from deltarule.maths.network import flatten, views
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import initial_state

ONE_BY_ONE = 2
"""The number of members that are timed if they are trained one after another."""


def eager(problem: Problem) -> Contender:
    """The PyTorch contender that trains one network after another, by `torch.nn.Sequential` and `torch.optim`."""
    torch = _torch()
    members = min(ONE_BY_ONE, problem.members)
    start = initial_state(problem).theta[:members]
    inputs, loss, rows_of = _data(problem), _mean_loss(problem), _rows_of(problem)
    model = _module(problem)

    def advance(n: int) -> Floats:
        """The parameters θ [K, P] after n updates from the start."""
        return np.stack([train(theta, n) for theta in start])

    def train(theta: Floats, n: int) -> Floats:
        """Train one network from θ [P] for n updates, and return its θ."""
        _set_weights(model, problem, theta)
        optimizer = _optimizer(problem, dict(_parameters_by_name(model)))
        objectives = []  # our engines return the objective of each update, so this loop stores it, too
        for x, y in rows_of(*inputs, n):
            optimizer.zero_grad()
            J = loss(model(x), y)
            J.backward()
            optimizer.step()
            objectives.append(J.detach())
        return _theta(problem, {name: value.detach().numpy() for name, value in _parameters_by_name(model)})

    return Contender("PyTorch", f"eager, one by one, {describe_threads(torch.get_num_threads())}", members, advance)


def vmap_population(problem: Problem) -> Contender:
    """The PyTorch contender that trains a population, by `torch.func.vmap` over the gradient of one network's loss."""
    torch = _torch()
    if problem.members == 1:
        raise LeftOut("one network is no population")
    start = views(initial_state(problem).theta, problem.network.entries)
    inputs, loss, rows_of = _data(problem), _mean_loss(problem), _rows_of(problem)

    def objective(parameters: dict[str, Any], x: Any, y: Any) -> Any:
        """The mean loss of one network on a batch, without penalty."""
        for n, activation in problem.network.activations.items():
            x = x @ parameters[f"W{n}"] + parameters[f"b{n}"]
            if n != problem.network.depth:
                x = torch.sigmoid(x) if activation.name == "sigmoid" else torch.relu(x)
        return loss(x, y)

    gradient = torch.func.vmap(torch.func.grad_and_value(objective), in_dims=(0, None, None))

    def advance(n: int) -> Floats:
        """The parameters θ [K, P] after n updates from the start."""
        parameters = {name: torch.from_numpy(array.copy()) for name, array in start.items()}
        optimizer = _optimizer(problem, parameters)
        objectives = []
        for x, y in rows_of(*inputs, n):
            gradients, J = gradient(parameters, x, y)
            for name, parameter in parameters.items():
                parameter.grad = gradients[name]
            optimizer.step()
            objectives.append(J)
        return flatten({name: value.numpy() for name, value in parameters.items()}, problem.network.entries)

    about = f"vmap, {describe_threads(torch.get_num_threads())}"
    return Contender("PyTorch vmap", about, problem.members, advance)


def _torch() -> Any:
    """Import PyTorch; raise `LeftOut` if it is not installed."""
    try:
        import torch
    except ImportError:
        raise LeftOut("PyTorch is not installed") from None
    return torch


def _data(problem: Problem) -> tuple[Any, Any]:
    """The inputs and targets as tensors; for cross-entropy, class numbers, which PyTorch handles fastest."""
    torch = _torch()
    classes = problem.loss.name == "cross_entropy"
    y = problem.y.argmax(1) if classes else problem.y
    return torch.from_numpy(problem.x.copy()), torch.from_numpy(y.copy())


def _rows_of(problem: Problem) -> Callable[[Any, Any, int], Iterator[tuple[Any, Any]]]:
    """A function (x, y, n) that yields the batches of n updates; their row indices are cached in the first call."""
    torch = _torch()

    @cache
    def batch_rows(n: int) -> list[Any]:
        indices = batches(problem, n)
        return [] if indices is None else list(torch.from_numpy(indices))

    def rows_of(x: Any, y: Any, n: int) -> Iterator[tuple[Any, Any]]:
        if problem.batch_size is None:
            return ((x, y) for _ in range(n))
        return ((x[ids], y[ids]) for ids in batch_rows(n))

    return rows_of


def _mean_loss(problem: Problem) -> Callable[[Any, Any], Any]:
    """A function (logits, targets) that returns the mean loss; the penalty is the optimizer's weight decay instead."""
    torch = _torch()
    functional = torch.nn.functional
    if problem.loss.name == "cross_entropy":
        return lambda z, y: functional.cross_entropy(z, y)
    if problem.loss.name == "binary_cross_entropy":
        return lambda z, y: functional.binary_cross_entropy_with_logits(z, y)
    return lambda z, y: ((torch.sigmoid(z) - y) ** 2).sum(-1).mean()


def _module(problem: Problem) -> Any:
    """The problem's network as a `torch.nn.Sequential`, without the output activation."""
    torch = _torch()
    dtype, parts = getattr(torch, problem.dtype.name), []
    network = problem.network
    for n, sizes in enumerate(pairwise(network.sizes), 1):
        parts.append(torch.nn.Linear(*sizes, dtype=dtype))
        if n < network.depth:
            parts.append(torch.nn.Sigmoid() if network.activations[n].name == "sigmoid" else torch.nn.ReLU())
    return torch.nn.Sequential(*parts)


def _parameters_by_name(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield a module's parameters with our names, such as W1; its weights are transposed, [outputs, inputs]."""
    layers = [part for part in model if hasattr(part, "weight")]
    for number, layer in enumerate(layers, 1):
        yield f"W{number}", layer.weight
        yield f"b{number}", layer.bias


def _set_weights(model: Any, problem: Problem, theta: Floats) -> None:
    """Set the parameters of a module to θ [P]."""
    torch, arrays = _torch(), views(theta, problem.network.entries)
    with torch.no_grad():
        for name, parameter in _parameters_by_name(model):
            value = torch.from_numpy(arrays[name].copy())
            parameter.copy_(value.T if name.startswith("W") else value[0])


def _theta(problem: Problem, arrays: dict[str, Floats]) -> Floats:
    """The vector θ [P] of a module's parameters, given by our names."""
    ours = {name: array.T if name.startswith("W") else array[None] for name, array in arrays.items()}
    return flatten(ours, problem.network.entries)


def _optimizer(problem: Problem, parameters: dict[str, Any]) -> Any:
    """PyTorch's optimizer for the parameters; its weight decay is the penalty's gradient, λ / B times the weight."""
    torch, rate = _torch(), float(problem.numbers["learning_rate"][0])
    weights = [value for name, value in parameters.items() if name.startswith("W")]
    biases = [value for name, value in parameters.items() if not name.startswith("W")]
    decay = penalty_strength(problem)
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases}] if decay else weights + biases
    if problem.optimizer.name == "adam":
        return torch.optim.Adam(groups, lr=rate)
    momentum = float(problem.numbers["momentum"][0]) if problem.optimizer.name == "momentum" else 0.0
    return torch.optim.SGD(groups, lr=rate, momentum=momentum)
