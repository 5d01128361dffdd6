"""Cache of completed search fits, stored in the sweep database so that an interrupted search resumes.

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
from deltarule.problem.resolved_configuration import NUMERICS_VERSIONS
from deltarule.sweeps.store import SEARCH, Store
from deltarule.sweeps.store_connection import translate_damage_errors
from deltarule.sweeps.worker import COLUMNS, NO_LAYER, Table

SELECT_FIT_SQL = """
    SELECT theta, buffers, train_seconds, "where" FROM members JOIN networks USING (key)
    WHERE key > ? AND key < ? ORDER BY key
"""
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
"""The attributes of a fit that are stored along with its weights, because a scorer may read any of them."""


@dataclass(frozen=True)
class FitKey:
    """The identity of a fit in the store.

    key            hash of the rows, the parameters and the seeds
    configuration  number of the candidate in the store
    fold           such as "0/5"
    data           digest of the rows
    """

    key: str
    configuration: int
    fold: str
    data: str


class CachedFit(NamedTuple):
    """The seconds that a stored fit took, and its error if it failed."""

    seconds: float
    error: Exception | None


class SearchCache:
    """A cache of the completed fits of a search in a `Store`.

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
        store.write_notes(kind=SEARCH)
        with store.transaction():
            # For the fitted attributes as JSON, because the tables of a sweep have no columns for them.
            store.connection.execute("CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, record TEXT NOT NULL)")
        described = repr(estimator)
        self._base = _digest_of(described.encode()), {"estimator": described}
        self._seedless: Counter[str] = Counter()

    def add_candidates(self, candidates: Sequence[Mapping[str, Any]]) -> list[int]:
        """Store the candidates that are new, and return the number of each in the store."""
        settings = [
            {name: _readable_value(value) for name, value in sorted(candidate.items())} for candidate in candidates
        ]
        hashes = [_digest_of((self._base[0] + json.dumps(values)).encode()) for values in settings]
        numbers = self.store.add_configurations(hashes, settings, self._base)
        return [numbers[digest] for digest in hashes]

    def key_of(self, model: BaseMLP, plan: Plan, rows: Rows, configuration: int, fold: str) -> FitKey:
        """The key of a planned fit in a fold such as "0/5"; without a seed, calls for equal fits return other keys."""
        problem, validation, seedless = plan.problem, plan.validation, model.random_state is None
        if validation is not None and seedless:  # every search draws other validation rows
            data = _digest_of(*rows)
        else:
            held_out = () if validation is None else (validation.x, validation.y, validation.w)
            data = _digest_of(problem.x, problem.y, problem.weights, *held_out)
        # Parameters without influence on a fit; of random_state the drawn seeds are compared instead.
        parameters = {
            name: to_json_value(value)
            for name, value in model._parameters.items()
            if name not in {"engine", "random_state", "verbose", "warm_start"}
        }
        # Without a seed all fits of these parameters are equivalent, and the next stored one is taken.
        seeds = [] if seedless else [problem.seeds.tolist(), problem.data_seeds.tolist()]
        numerics = NUMERICS_VERSIONS[problem.dtype.name]
        identity = [type(model).__name__, parameters, seeds, numerics, *_custom_formula_digests(problem)]
        key = _digest_of(data.encode(), json.dumps(identity, sort_keys=True).encode())
        if seedless:
            self._seedless[key] += 1
            if self._seedless[key] > 1:  # the first has the key of stores of earlier versions
                key = _digest_of(key.encode(), str(self._seedless[key]).encode())
        return FitKey(key, configuration, fold, data)

    def load_fit(self, fit: FitKey, model: BaseMLP, plan: Plan) -> CachedFit | None:
        """Load a stored fit into a model that `_prepare_rows` has prepared; None if it is not stored."""
        with translate_damage_errors():
            members = self.store.connection.execute(SELECT_FIT_SQL, (fit.key + " ", fit.key + "!")).fetchall()
            record = self.store.connection.execute("SELECT record FROM records WHERE key = ?", (fit.key,)).fetchone()
            if len(members) < plan.problem.members or record is None:
                return None
            dtype = np.dtype(plan.problem.dtype)
            theta, running = (
                np.stack([np.frombuffer(row[column], dtype.newbyteorder("<")) for row in members]).astype(dtype)
                for column in (0, 1)
            )
            set_weights(model, model._architecture.network(), {"theta": theta, "running": running})
            attributes = from_json_value(json.loads(record[0]))
            for name in set(FITTED_ATTRIBUTES) & set(attributes):
                setattr(model, name, attributes[name])
            error = None if members[0][3] is None else ValueError(str(members[0][3]))
            return CachedFit(float(sum(row[2] for row in members)), error)

    def add(
        self, fits: Sequence[tuple[FitKey, BaseMLP, Plan, Exception | None]], engine: str, seconds_each: float
    ) -> None:
        """Store completed fits of one shape, each a key with its model, plan and error; `engine` is a name."""
        table, members = Table(), {}
        records = [
            (
                fit.key,
                json.dumps(
                    to_json_value({name: getattr(model, name) for name in FITTED_ATTRIBUTES if hasattr(model, name)})
                ),
            )
            for fit, model, _, _ in fits
        ]
        with self.store.transaction():  # first: a fit without its record does not count as stored
            self.store.connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?)", records)
        for fit, model, plan, error in fits:
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
        problem = fits[0][2].problem
        shared = {"dtype": problem.dtype.name, "numerics": NUMERICS_VERSIONS[problem.dtype.name], "engine": engine}
        self.store.add_rows(
            table, members, problem.network.sizes, None, **shared, train_seconds=seconds_each / problem.members
        )


def _custom_formula_digests(problem: Problem) -> list[str]:
    """Digests of the custom formulas of a problem: a name may be registered again with another formula."""
    activations = (layer.activation for layer in problem.network.layers)
    formulas: list[Any] = [*activations, problem.loss, problem.optimizer, problem.schedule]
    candidates = [formula for formula in formulas if formula.name not in (ADAM.name, INVSCALING.name)]
    digests = map(own_digest, candidates)
    return [digest for digest in digests if digest is not None]


def _digest_of(*parts: Any) -> str:
    """The SHA-256 of arrays, bytes and None, one after the other."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.shape} {part.dtype}".encode())
            part = np.ascontiguousarray(part)
        sha.update(b"nothing" if part is None else part)
    return sha.hexdigest()


def _readable_value(value: Any) -> Any:
    """A candidate's value as the store lists it: a JSON value if possible, else its repr."""
    json_value = to_json_value(value)
    return repr(value) if json_value is None and value is not None else json_value
