"""`deltarule warm`: compile ahead of time, as for a container image."""

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer

from deltarule.cli.options import chosen_recipe
from deltarule.cli.terminal import console

STUDIES_HELP = "Names of studies (see `deltarule list`) or paths of recipes (TOML)."


class _FirstUpdatesMade(Exception):
    """Raised to end a training as soon as its programs are compiled."""


def warm(studies: Annotated[list[str] | None, typer.Argument(metavar="STUDY", help=STUDIES_HELP)] = None) -> None:
    """Compile ahead of time what the estimators' defaults need, and the given studies, as for a container image.

    Each is trained for its first updates; the programs that this compiles stay in the cache folder.
    """
    tasks: dict[str, Callable[[], Any]] = {
        "MLPClassifier, several classes": partial(_fit_default, class_count=3),
        "MLPClassifier, two classes": partial(_fit_default, class_count=2),
        "MLPRegressor": _fit_default,
        **{study: partial(_train_first_updates, study) for study in studies or ()},
    }
    screen = console()
    for name, compile_task in tasks.items():
        began = time.perf_counter()
        compile_task()
        screen.print(f"{name}: ready after {time.perf_counter() - began:.1f} s", markup=False, soft_wrap=True)


def _fit_default(class_count: int | None = None) -> None:
    """Compile the program of the default classifier or regressor by a fit."""
    import numpy as np

    from deltarule.estimators.mlp.classifier import MLPClassifier
    from deltarule.estimators.mlp.fit_context import suppress_fit_warnings
    from deltarule.estimators.mlp.regressor import MLPRegressor

    x = np.random.default_rng(0).normal(size=(300, 100))
    with suppress_fit_warnings():
        if class_count is None:
            MLPRegressor(engine="compiled", max_iter=1).fit(x, x[:, 0])
        else:
            MLPClassifier(engine="compiled", max_iter=1).fit(x, np.arange(len(x)) % class_count)


def _train_first_updates(study: str) -> None:
    """Train a study with all its seeds, and stop after the first updates."""
    from deltarule.studies.recipes import dataset_of
    from deltarule.studies.runner import population_of, run_population

    recipe = chosen_recipe(study)

    def stop(progress: Any) -> None:
        raise _FirstUpdatesMade

    try:
        run_population(population_of(recipe, dataset_of(recipe)), progress=stop)
    except _FirstUpdatesMade:
        pass
