"""Targets for safetensors files: arrays, models and checkpoints."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

from hostile.changes import change_description
from hostile.target import Target, scratch, write_scratch, written_bytes


def _arrays() -> list[bytes]:
    import numpy as np

    from deltarule.array_files import save_arrays

    sets: list[dict[str, Any]] = [
        {"theta": np.zeros((2, 3)), "steps": np.arange(3), "flag": np.array([True])},
        {"a": np.float32([1.5]), "b": np.zeros(0, np.uint8)},
        {},
    ]
    return [
        written_bytes("good.safetensors", lambda path, one=one: save_arrays(path, one, {"step": 7})) for one in sets
    ]


def _read_arrays(content: bytes) -> None:
    from deltarule.array_files import load_arrays

    load_arrays(write_scratch("a.safetensors", content))


@cache
def _models() -> list[bytes]:
    import numpy as np

    from deltarule.estimators.mlp.classifier import MLPClassifier
    from deltarule.estimators.mlp.regressor import MLPRegressor
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor

    x = np.random.default_rng(0).normal(size=(60, 2))
    table = {"size": x[:, 0], "color": np.where(x[:, 1] > 0, "red", "blue").astype(object)}
    names = np.where(x[:, 0] > 0, "yes", "no").astype(object)
    few: dict[str, Any] = {"max_iter": 2, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that little was trained, on little
        made = [
            MLPClassifier((2,), batch_norm=True, **few).fit(x, names),
            MLPRegressor(hidden_layer_sizes=(2,), **few).fit(x, x),
            TabularClassifier(random_state=0).fit(table, names),
            TabularRegressor(random_state=0).fit(table, x[:, 0]),
        ]
    for model in made[2:]:
        model.target_ = "y"
    return [written_bytes("good.safetensors", model.save) for model in made]


def _read_model(content: bytes) -> None:
    import numpy as np

    from deltarule.estimators.model_file import load_model
    from deltarule.estimators.tabular.tabular import BaseTabular

    model = load_model(write_scratch("m.safetensors", content))
    if isinstance(model, BaseTabular):
        model.predict({str(column.name): [0.5, None] for column in model.columns_})
    else:
        model.predict(np.zeros((1, model.n_features_in_)))


@cache
def _checkpoints() -> list[bytes]:
    path = scratch() / "good.checkpoint"
    _train(path, resume=False)
    return [path.read_bytes()]


def _train(checkpoint: Path, resume: bool) -> None:
    """Train a small network with a checkpoint, or resume it from one."""
    from deltarule.engines.reference import ReferenceEngine
    from deltarule.problem.create import create_problem
    from deltarule.problem.network import Network
    from deltarule.training.train import train

    problem = create_problem(
        Network([1, 2, 1], batch_norm=True), [[0.0], [1.0]], [0.0, 1.0], optimizer="adam", seeds=range(2)
    )
    train(problem, max_steps=4, engine=ReferenceEngine(), checkpoint=checkpoint, resume=resume)


def _read_checkpoint(content: bytes) -> None:
    _train(write_scratch("c.checkpoint", content), resume=True)


TARGETS = (
    Target("arrays", _arrays, _read_arrays, 150, change_description),
    Target("model", _models, _read_model, 50, change_description),
    Target("checkpoint", _checkpoints, _read_checkpoint, 1, change_description),
)
