"""Compare a user's intermediate values with the correct ones.

dz, dn and da are derivatives of the objective, with its 1 / N; or of the losses of single samples, as in textbooks:
then they are N times as large, and the mean is taken in dW and db.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.array_results import RIGHT, WRONG, ArrayResult
from deltarule.checking.correct_values import CorrectValue, correct_values
from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.diagnose import diagnose
from deltarule.checking.mistakes.evidence import Evidence, ParameterEvidence, Penalty
from deltarule.checking.mistakes.network_matching import Like, readings_of
from deltarule.checking.notes import Note
from deltarule.checking.report import CodeReport, Worst, limit_to_hint, validate_hint, worst_entry
from deltarule.checking.user_code.arrays import flatten, match_shape
from deltarule.checking.user_code.conversion import LOSS_NAMES, to_finite_array
from deltarule.errors import BadInput
from deltarule.maths.losses import Loss
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.problem.registry import Named

_USER_NAMES = {  # the names that users give to each kind of value
    "z": ("z",),
    "n": ("n",),
    "a": ("a", "h"),
    "dz": ("dz", "delta", "δ", "d"),
    "da": ("da", "dh"),
    "dW": ("dw", "grad_w"),
    "db": ("db", "grad_b"),
    "W": ("w",),
    "b": ("b",),
}
_DELTAS = ("dz", "dn", "da")


def compare(
    mine: Mapping[str, Any],
    network: Network,
    params: Any,
    x: Any,
    y: Any,
    loss: Named | Loss = "squared_error",
    *,
    hint: str = "fix",
    **options: Any,
) -> CodeReport:
    """Compare intermediate values of your code with the correct ones.

    Parameters
    ----------
    mine : arrays by name, any of: z1, a1 … of the forward pass, `loss`; dz2 (or delta2, δ2), dW2, db2, da1 … of the
        backward pass; W1, b1 … after the update. All dz and da may be those of single samples: then dW and db have the
        1 / N of a mean, as in dW = xᵀ dz / N.
    network : its shape.
    params : its parameters before the update, as for `check_gradient`; weights inputs × outputs or outputs × inputs.
    x, y : the data, samples as rows or as columns.
    loss : its name, or a table with its name and parameters.
    hint : how much is reported: "pass", "where", "kind" or "fix".
    options : other arguments of `create_problem`: reduction, penalty, strength, optimizer, learning_rate …

    Returns
    -------
    CodeReport
        Its `worst` is the first value that differs, and its `formula` gives the correct one.

    Raises
    ------
    BadInput
        For an unknown value, two names of one value, parameters or data that do not fit the network, and as
        `create_problem`.

    Examples
    --------
    >>> params = {"W1": np.array([[1.0], [2.0]]), "b1": np.array([0.5])}
    >>> x, y = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0], [0.0]])
    >>> network = Network([2, 1], output="sigmoid")
    >>> report = compare({"z1": x @ params["W1"]}, network, params, x, y, "binary_cross_entropy")
    >>> report.worst.where, report.formula
    ('z1[1, 0]', 'z1 = x W1 + b1')
    """
    validate_hint(hint)
    if not isinstance(network, Network):
        raise BadInput(f"network is {type(network).__name__}; give a Network, as Network([2, 3, 1])")
    arrays = flatten(params)
    found = _with_standard_names(mine, network)
    like = Like(network, to_finite_array(x, "x"), to_finite_array(y, "y"), {})
    readings = list(readings_of(arrays.names, arrays.values, like))
    samples, comparisons = len(readings[0][1]), []
    with one_blas_thread():
        for reading in readings:
            of_mean, per_sample = (
                _Comparison(
                    found,
                    list(correct_values(network, arrays.values, *reading, loss, options, is_per_sample=is_per_sample)),
                    samples,
                    is_per_sample,
                )
                for is_per_sample in (False, True)
            )
            comparisons.append(per_sample if per_sample.is_likelier_than(of_mean) else of_mean)
    # Where shapes leave the layout open, the reading with the most right values is the one that the user means.
    best = max(
        comparisons, key=lambda comparison: len(comparison.compared) if comparison.first is None else comparison.first
    )
    return limit_to_hint(best.report(), hint)


def _with_standard_names(mine: Mapping[str, Any], network: Network) -> dict[str, Floats]:
    """Convert a user's values to arrays by standard names, as dz2 for "delta_2"."""
    if not isinstance(mine, Mapping) or not mine:
        raise BadInput("mine holds no values; give a dictionary such as {'z1': z1, 'a1': a1, 'dW1': dW1}")
    values: dict[str, Floats] = {}
    keys: dict[str, str] = {}
    for key, value in mine.items():
        name = _standard_name(str(key), len(network.layers))
        if name in keys:
            raise BadInput(f"mine has {keys[name]} and {key}, which are the same value; give one of them")
        keys[name] = str(key)
        array = to_finite_array(value, str(key))
        values[name] = array if array.dtype.kind == "f" else array.astype(float)
    return values


def _standard_name(key: str, layer_count: int) -> str:
    """The standard name of a user's value, such as dz2 for "delta_2"."""
    if key.lower() in LOSS_NAMES:
        return "loss"
    parts = re.fullmatch(r"(\D+?)_?(\d+)", key)
    if parts and 1 <= int(parts[2]) <= layer_count:
        for kind, names in _USER_NAMES.items():
            if parts[1].lower().rstrip("_") in names:
                return f"{kind}{int(parts[2])}"
    raise BadInput(
        f"unknown value '{key}'; known are loss and, for layers 1 to {layer_count}, z, a, dz, dW, db, da, W, b (as z1)"
    )


@dataclass(frozen=True, eq=False)
class _ComparedValue:
    """A value of the user, `found`, and the correct one."""

    correct: CorrectValue
    found: Floats

    @property
    def is_right(self) -> bool:
        expected = self.correct.array
        share = 1e-7 if self.found.dtype == np.float64 else 1e-3
        tolerance = share * np.abs(expected) + 1e-2 * share * float(np.abs(expected).max())
        return self.found.shape == expected.shape and bool((np.abs(self.found - expected) <= tolerance).all())

    @property
    def result(self) -> ArrayResult:
        """The name, verdict ("right" or "wrong") and relative error of the value."""
        expected = self.correct.array
        if self.found.shape != expected.shape:
            return ArrayResult(self.correct.name, WRONG)
        size = max(float(np.linalg.norm(self.found)), float(np.linalg.norm(expected)))
        error = float(np.linalg.norm(self.found - expected)) / size if size else 0.0
        return ArrayResult(self.correct.name, RIGHT if self.is_right else WRONG, error)


class _Comparison:
    """The comparison of a user's values with the correct ones in one layout.

    samples        number of samples
    is_per_sample  whether dz and da are taken for those of single samples
    compared       the values of both, in the order of computation
    first          index of the first wrong value; None if all are right
    """

    def __init__(
        self, found: Mapping[str, Floats], correct: Sequence[CorrectValue], samples: int, is_per_sample: bool
    ) -> None:
        self.correct, self.samples, self.is_per_sample = correct, samples, is_per_sample
        known = [value.name for value in correct]
        for name in found:
            if name not in known:
                raise BadInput(f"mine has {name}, which this network does not have; it has {', '.join(known)}")
        self.compared = [
            _ComparedValue(value, _match_short_axes(found[value.name], value.array))
            for value in correct
            if value.name in found
        ]
        self.names = [value.correct.name for value in self.compared]
        self.first = next((i for i, value in enumerate(self.compared) if not value.is_right), None)

    def is_likelier_than(self, of_mean: "_Comparison") -> bool:
        """Whether the user's dz and da are likelier those of samples than of a mean.

        They are if some are right only as such, and none only as a mean's; where all are wrong under both readings, if
        fewer mistakes explain the first.
        """
        deltas = [i for i, name in enumerate(self.names) if name[:2] in _DELTAS]
        right, right_of_mean = (
            {i for i in deltas if comparison.compared[i].is_right} for comparison in (self, of_mean)
        )
        if deltas and not right | right_of_mean:
            return 0 < len(self._diagnose()) < len(of_mean._diagnose())
        return bool(right - right_of_mean) and not right_of_mean - right

    def report(self) -> CodeReport:
        """Report the first wrong value with its formula and mistakes, if any."""
        entries = sum(value.correct.array.size for value in self.compared)
        report = CodeReport(
            "comparison", entries=entries, compared=entries, methods=("our own values",), false_pass=0.0
        )
        report = replace(report, arrays=tuple(value.result for value in self.compared))
        notes = [Note("per_sample")] if self.is_per_sample else []
        if self.first is None:
            vacuous = self._why_vacuous()
            return replace(report, ok=vacuous is None, vacuous=vacuous, notes=() if vacuous else tuple(notes))
        value, before = self.compared[self.first], self.compared[: self.first]
        found, expected, name = value.found, value.correct.array, value.correct.name
        compared = sum(right.correct.array.size for right in before)
        if before:
            notes.append(Note("right_before", names=join_names(self.names[: self.first])))
        if found.shape != expected.shape:
            notes.insert(0, Note("value_shape", name=name, found=found.shape, expected=expected.shape))
            worst: Worst | None = Worst(name, (), float("nan"), float("nan"), float("inf"))
        else:
            error = np.abs(found - expected)
            error = error / np.where(error > 0, np.maximum(np.abs(found), np.abs(expected)), 1)
            worst = worst_entry([(name, found, expected, error, error)])
            compared += expected.size
        return replace(
            report,
            worst=worst,
            compared=compared,
            formula=value.correct.formula,
            diagnosis=self._diagnose(),
            notes=tuple(notes),
            location=f"{name} is the first wrong value",
        )

    def _why_vacuous(self) -> str | None:
        if not self.is_per_sample or any(name[:2] not in _DELTAS and name[0] in "dWb" for name in self.names):
            return None
        deltas = join_names([name for name in self.names if name[:2] in _DELTAS])
        return f"there is no 1 / N in {deltas}, which is right if dW and db take the mean; give one of them too"

    def _diagnose(self) -> tuple[Mistake, ...]:
        """The mistakes, at most two, that explain the first wrong value."""
        if self.first is None:
            return ()
        wrong = self.compared[self.first]
        index = self.correct.index(wrong.correct)
        name, before = wrong.correct.name, self.correct[index - 1]
        # A gradient that equals the upstream one means a missing derivative, not an exchange of two values.
        is_passed_on = name[:2] in ("dz", "dn") and before.name == f"da{name[2:]}"
        if is_passed_on and replace(wrong, correct=before).is_right:
            sentence = f"{name} is {before.name}, without the activation's derivative"
            return (make_mistake("derivative_missing", [name], sentence),)
        return diagnose(self._collect_evidence(wrong))

    def _collect_evidence(self, wrong: _ComparedValue) -> Evidence:
        """Collect the evidence for a diagnosis of the first wrong value."""
        parameters = []
        for value in self.correct:
            raw = wrong.found if value is wrong.correct else value.array
            found, shape_mistake = match_shape(raw, value.array)
            parameters.append(
                ParameterEvidence(
                    name=value.name,
                    value=np.zeros(value.array.shape) if value.parameter is None else value.parameter,
                    raw=np.asarray(raw, float),
                    found=np.asarray(found, float),
                    expected=value.array,
                    tolerance=1e-9 * np.abs(value.array),
                    uncertainty=np.zeros(value.array.shape),
                    is_wrong=value is wrong.correct,
                    shape_mistake=shape_mistake,
                    find_penalty=lambda penalty=value.penalty: Penalty(penalty, None),  # type: ignore[misc]
                )
            )
        loss = next(i for i, value in enumerate(self.correct) if value.name == "loss")
        outputs = self.correct[loss - 1].array.size // self.samples
        return Evidence(tuple(parameters), samples=(self.samples,), outputs=outputs, prefix="")


def _match_short_axes(array: Floats, correct: Floats) -> Floats:
    is_same = [n for n in array.shape if n > 1] == [n for n in correct.shape if n > 1]
    return array.reshape(correct.shape) if is_same else array
