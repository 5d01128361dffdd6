"""Fits of a search in the store of sweeps: what an earlier run has come to is taken up, and not trained again.

K members · N rows
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan, Rows
from deltarule.estimators.mlp.problem_settings import ADAM, INVSCALING
from deltarule.estimators.serialization import from_json_value, set_weights, to_json_value, weights_of
from deltarule.problem.problem import Problem
from deltarule.problem.registry import own_digest
from deltarule.problem.resolved_configuration import NUMERICS_VERSION
from deltarule.sweeps.store import SEARCH, Store, as_written
from deltarule.sweeps.worker import COLUMNS, NO_LAYER, Table

IGNORED_PARAMS = {"engine", "random_state", "verbose", "warm_start"}
"""Parameters that decide nothing of a fit, or of which what they come to is looked at."""
SELECT_FIT_SQL = """
    SELECT theta, buffers, train_seconds, "where" FROM members JOIN networks USING (key)
    WHERE key > ? AND key < ? ORDER BY key
"""
CREATE_RECORDS_SQL = "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, record TEXT NOT NULL)"
"""What a sweep has no columns for, as JSON: what a fit leaves beside its weights."""
FITTED_ATTRIBUTES = (
    "n_iter_",
    "t_",
    "loss_",
    "best_loss_",
    "loss_curve_",
    "validation_scores_",
    "validation_loss_curve_",
    "best_validation_score_",
)
"""The attributes of a fit that are kept: its scorer may ask for any."""


@dataclass(frozen=True)
class Fit:
    """A fit that a search needs.

    key, which tells it from all others   configuration, its number in the store   fold, as "0/5"
    data, the digest of its rows
    """

    key: str
    configuration: int
    fold: str
    data: str


class CachedFit(NamedTuple):
    """What is known of a fit that was there: the seconds that it took, and what went wrong with it."""

    seconds: float
    error: Exception | None


class SearchCache:
    """The fits of a search that are in a folder's store.

    Parameters: `store`, open for writing; `estimator`, that of the search.
    Errors: `BadInput` for the store of a sweep.
    """

    def __init__(self, store: Store, estimator: Any) -> None:
        self.store = store
        about = store.about()
        if about and about.get("kind") != SEARCH:
            raise BadInput(
                f"{store.folder} holds the store of a sweep, and a search needs its own; name another folder"
            )
        store.note(kind=SEARCH)
        with store.transaction():
            store.connection.execute(CREATE_RECORDS_SQL)
        described = repr(estimator)
        self._base = _digest_of(described.encode()), {"estimator": described}
        self._seedless: Counter[str] = Counter()

    def configurations(self, candidates: Sequence[Mapping[str, Any]]) -> list[int]:
        """The number of each candidate in the store."""
        settings = [{name: _readable_value(value) for name, value in sorted(one.items())} for one in candidates]
        hashes = [_digest_of((self._base[0] + json.dumps(one)).encode()) for one in settings]
        numbers = self.store.add_configurations(hashes, settings, self._base)
        return [numbers[one] for one in hashes]

    def key_of(self, model: BaseMLP, plan: Plan, rows: Rows, configuration: int, fold: str) -> Fit:
        """The fit that a model would make of rows by its plan; without a seed, of equal fits the next one."""
        problem, aside, seedless = plan.problem, plan.validation, model.random_state is None
        if aside is not None and seedless:  # which rows are set aside is another draw in every run
            data = _digest_of(*rows)
        else:
            held = () if aside is None else (aside.x, aside.y, aside.w)
            data = _digest_of(problem.x, problem.y, problem.weights, *held)
        chosen = {name: to_json_value(value) for name, value in model._parameters.items() if name not in IGNORED_PARAMS}
        # Without a seed every fit is another one, and one that is there is as good as the next.
        seeds = [] if seedless else [problem.seeds.tolist(), problem.data_seeds.tolist()]
        what = [type(model).__name__, chosen, seeds, NUMERICS_VERSION, *_own_formulas(problem)]
        about = json.dumps(what, sort_keys=True)
        key = _digest_of(data.encode(), about.encode())
        if seedless:
            self._seedless[key] += 1
            if self._seedless[key] > 1:  # the first has the key that stores of earlier versions know
                key = _digest_of(key.encode(), str(self._seedless[key]).encode())
        return Fit(key, configuration, fold, data)

    def load_fit(self, fit: Fit, model: BaseMLP, plan: Plan) -> CachedFit | None:
        """Give a model, whose rows were checked, the weights of a fit that is there; None where it is not."""
        with as_written():
            found = self.store.connection.execute(SELECT_FIT_SQL, (fit.key + " ", fit.key + "!")).fetchall()
            record = self.store.connection.execute("SELECT record FROM records WHERE key = ?", (fit.key,)).fetchone()
            if len(found) < plan.problem.members or record is None:
                return None
            dtype = np.dtype(plan.problem.dtype)
            theta, running = (
                np.stack([np.frombuffer(row[column], dtype.newbyteorder("<")) for row in found]).astype(dtype)
                for column in (0, 1)
            )
            set_weights(model, model._architecture.network(), {"theta": theta, "running": running})
            left = from_json_value(json.loads(record[0]))
            for name in set(FITTED_ATTRIBUTES) & set(left):
                setattr(model, name, left[name])
            error = None if found[0][3] is None else ValueError(str(found[0][3]))
            return CachedFit(float(sum(row[2] for row in found)), error)

    def add(self, done: Sequence[tuple[Fit, BaseMLP, Plan, Exception | None]], engine: str, seconds: float) -> None:
        """Commit fits of one shape that have been made, all or none.

        Parameters: `done`, each with its model and what went wrong; `engine`, by its name; `seconds` that each of them
        took.
        """
        table, members = Table(), {}
        left = [
            (
                fit.key,
                json.dumps(
                    to_json_value({name: getattr(model, name) for name in FITTED_ATTRIBUTES if hasattr(model, name)})
                ),
            )
            for fit, model, _, _ in done
        ]
        with self.store.transaction():  # before the fits, which do not count without
            self.store.connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", left)
        for fit, model, plan, error in done:
            arrays = weights_of(model)
            theta = arrays["theta"]
            buffers = arrays.get("running", np.zeros((len(theta), 0), theta.dtype))
            steps = model.n_iter_ * plan.problem.steps_per_epoch(0)
            for member in range(len(theta)):
                key = f"{fit.key} {member:06d}"
                values = dict.fromkeys(COLUMNS, np.nan) | {"key": key, "layer": NO_LAYER, "where": str(error or "")}
                values |= {"steps": steps, "best_step": steps, "train_objective": model.loss_}
                table.add(**values | {"reason": "diverged" if error else "done"})
                table.weights[key] = theta[member], buffers[member]
                seed = int(plan.problem.seeds[member])
                members[key] = {"configuration": fit.configuration, "fold": fit.fold, "seed": seed, "data": fit.data}
        problem = done[0][2].problem
        shared = {"dtype": problem.dtype.name, "numerics": NUMERICS_VERSION, "engine": engine}
        self.store.add(table, members, problem.network.sizes, None, **shared, train_seconds=seconds / problem.members)


def _own_formulas(problem: Problem) -> list[str]:
    """What formulas of somebody's own do, as digests: a name may get another formula."""
    activations = (layer.activation for layer in problem.network.layers)
    named: list[Any] = [*activations, problem.loss, problem.optimizer, problem.schedule]
    theirs = [one for one in named if one.name not in (ADAM.name, INVSCALING.name)]
    return [digest for one in theirs if (digest := own_digest(one)) is not None]


def _digest_of(*parts: Any) -> str:
    """Arrays, or bytes, told from others by a hash."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.shape} {part.dtype}".encode())
            part = np.ascontiguousarray(part)
        sha.update(b"nothing" if part is None else part)
    return sha.hexdigest()


def _readable_value(value: Any) -> Any:
    """A candidate's value for a reader: as JSON where it can be, else as Python writes it."""
    written = to_json_value(value)
    return repr(value) if written is None and value is not None else written
