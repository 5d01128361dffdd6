"""Compare TabM, whose members share weights except for factors of rank one, with a plain ensemble, in PyTorch.

K members · D inputs · H units of a hidden layer

Source: Gorishniy, Kotelnikov & Babenko, TabM, 2024
"""

import math
import time
from typing import Any

import numpy as np

from against_sklearn.ideas import folds_of
from against_sklearn.tables import accuracy, r_squared

SETS = ("mpg", "ionosphere", "german_credit", "breast_cancer", "diabetes")
"""Tables and bundled sets on which a network is trained in seconds."""
KINDS = {"ensemble of 8": (8, False), "TabM of 8": (8, True), "TabM of 32": (32, True)}
"""The number of members, and whether they share their weights."""
HIDDEN, LEARNING_RATE, LABEL_SMOOTHING = (128, 128, 128), 0.004, 0.1


class Members:
    """K networks that are initialized and trained as the deep ones of Tabular…; those of TabM share all hidden weights.

    Member k of a shared layer computes s_k ∘ ((x ∘ r_k) W) + b_k with vectors r_k and s_k, which start at 1, except r_k
    of the first layer, which are random signs.
    """

    def __init__(self, sizes: list[int], members: int, shares: bool) -> None:
        import torch

        random = torch.Generator().manual_seed(0)
        self.weights, self.biases, self.factors = [], [], []
        for layer, (inputs, units) in enumerate(zip(sizes, sizes[1:], strict=False)):
            is_output = layer == len(sizes) - 2
            own = members if is_output or not shares else 1
            normal = [torch.randn(shape, generator=random) for shape in ((own, inputs, units), (members, 1, units))]
            weight, bias = normal[0] / math.sqrt(inputs), normal[1]
            self.weights.append(0 * weight if is_output else weight)
            self.biases.append(0 * bias if is_output else bias)
            if shares and not is_output:
                ones = torch.ones(members, 1, inputs)
                signs = torch.sign(torch.randn(ones.shape, generator=random)) if layer == 0 else ones
                self.factors.append((signs, torch.ones(members, 1, units)))
            else:
                self.factors.append(())
        self.parameters = [*self.weights, *self.biases, *(factor for pair in self.factors for factor in pair)]
        for parameter in self.parameters:
            parameter.requires_grad_()

    def __call__(self, x: Any) -> Any:
        """The logits [K, n, C] of inputs [K, n, D]."""
        value, last = x, len(self.weights) - 1
        for layer, (weight, bias, factors) in enumerate(zip(self.weights, self.biases, self.factors, strict=True)):
            value = (value * factors[0]) @ weight * factors[1] + bias if factors else value @ weight + bias
            value = value.relu() if layer < last else value
        return value


def train_members(x: Any, y: Any, classes: int, members: int, shares: bool) -> Members:
    """Train K networks on rows x [N, D] and y [N]: classes from 0, or numbers if `classes` is 0."""
    import torch

    from deltarule.estimators.tabular import candidate_search, table_network

    settings = candidate_search.training_settings(len(x))
    epochs, size = settings["max_iter"], settings["batch_size"]
    networks = Members([x.shape[1], *HIDDEN, classes or 1], members, shares)
    first, *others = networks.parameters
    factor = table_network.FIRST_LAYER_FACTOR * math.sqrt(HIDDEN[0] / x.shape[1])
    optimizer = torch.optim.Adam([{"params": [first]}, {"params": others}])
    inputs, targets = (
        torch.tensor(x, dtype=torch.float32),
        torch.tensor(y, dtype=torch.int64 if classes else torch.float32),
    )
    random = np.random.default_rng(0)
    for epoch in range(epochs):
        rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        for group, times in zip(optimizer.param_groups, (factor, 1.0), strict=True):
            group["lr"] = rate * times
        orders = np.stack([random.permutation(len(x)) for _ in range(members)])
        for start in range(0, len(x), size):
            rows = torch.tensor(orders[:, start : start + size])
            answers, true = networks(inputs[rows]), targets[rows]
            if classes:
                loss = torch.nn.functional.cross_entropy(
                    answers.flatten(0, 1), true.flatten(), label_smoothing=LABEL_SMOOTHING
                )
            else:
                loss = (answers[..., 0] - true).square().mean()
            optimizer.zero_grad()
            (members * loss).backward()
            optimizer.step()
    return networks


def score_members(name: str) -> dict[str, dict[str, list[float]]]:
    """The errors of each kind (1 − accuracy or 1 − R²) on every fold of a set, and processor seconds of its fits."""
    import torch

    torch.set_num_threads(1)
    found: dict[str, dict[str, list[float]]] = {kind: {"errors": [], "seconds": []} for kind in KINDS}
    for known, y, asked, judged, classify in folds_of(name):
        names = np.unique(y) if classify else np.array([])
        mean, scale = (0.0, 1.0) if classify else (y.mean(), y.std())
        targets = np.searchsorted(names, y) if classify else (y - mean) / scale
        for kind, (members, shares) in KINDS.items():
            began = time.process_time()
            networks = train_members(known, targets, len(names), members, shares)
            found[kind]["seconds"].append(time.process_time() - began)
            with torch.no_grad():
                logits = networks(torch.tensor(asked, dtype=torch.float32).expand(members, -1, -1))
            if classify:
                answers = names[logits.softmax(-1).mean(0).argmax(-1).numpy()]
                found[kind]["errors"].append(1 - accuracy(judged, answers))
            else:
                found[kind]["errors"].append(1 - r_squared(judged, logits[..., 0].mean(0).numpy() * scale + mean))
    return found
