"""Compare a user's intermediate values with the correct ones.

dz, dn and da are derivatives of the objective, with its 1 / N; or of the losses of single samples, as in textbooks:
then they are N times as large, and the mean is taken in dW and db.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.array_results import RIGHT, WRONG, ArrayResult
from deltarule.checking.catalog import Mistake, join_names, make_mistake
from deltarule.checking.hints import MAX_HINT, validate_hint
from deltarule.checking.mistakes.diagnose import diagnose
from deltarule.checking.mistakes.evidence import GradientEvidence, ParameterEvidence, PenaltyTerm, fit_ratio
from deltarule.checking.mistakes.network_matching import Layout, Like, readings_of
from deltarule.checking.notes import Note
from deltarule.checking.report import CodeReport, Worst, limit_to_hint, worst_entry
from deltarule.checking.user_code.arrays import LOSS_NAMES, flatten, match_shape, to_finite_array
from deltarule.errors import BadInput
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.network import flatten as flatten_parameters
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.tracing.explanation import Explanation
from deltarule.tracing.expression_text import format_index, with_names

_KINDS = ("z", "n", "a", "dz", "da", "dW", "db", "W", "b")
_OTHER_NAMES = {"h": "a", "delta": "dz", "δ": "dz", "d": "dz", "dh": "da", "dw": "dW", "grad_w": "dW", "grad_b": "db"}
"""Names that users give to a kind of value, in small letters."""
_DELTAS = ("dz", "dn", "da")


def compare(
    mine: Mapping[str, Any],
    network: Network,
    params: Any,
    x: Any,
    y: Any,
    loss: Named | Loss = "squared_error",
    *,
    hint: int = MAX_HINT,
    **options: Any,
) -> CodeReport:
    """Compare intermediate values of your code with the correct ones.

    Parameters
    ----------
    mine : dict of array-like
        Arrays by name, any of: z1, a1 … of the forward pass, `loss`; dz2 (or delta2, δ2), dW2, db2, da1 … of the
        backward pass; W1, b1 … after the update. All dz and da may be those of single samples: then dW and db have the
        1 / N of a mean, as in dW = xᵀ dz / N.
    network : Network
        Its shape.
    params : dict of array-like, or array
        Its parameters before the update, as for `check_gradient`; weights inputs × outputs or outputs × inputs.
    x, y : array-like
        The data, samples as rows or as columns.
    loss : str or mapping
        Its name, or a table with its name and parameters.
    hint : int, default=4
        How much is reported, as for `check_gradient`.
    **options : optional
        Other arguments of `create_problem`: reduction, penalty, strength, optimizer, learning_rate …

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
    >>> import numpy as np
    >>> from deltarule import Network, compare
    >>> params = {"W1": np.array([[1.0], [2.0]]), "b1": np.array([0.5])}
    >>> x, y = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0], [0.0]])
    >>> network = Network([2, 1], output="sigmoid")
    >>> report = compare({"z1": x @ params["W1"]}, network, params, x, y, "binary_cross_entropy")
    >>> report.worst.where, report.formula
    ('z1[1, 0]', 'z1[i, j] = Σ_d x[i, d] · W1[d, j] + b1[j]')
    """
    validate_hint(hint)
    if not isinstance(network, Network):
        raise BadInput(f"network is {type(network).__name__}; give a Network, as Network([2, 3, 1])")
    arrays = flatten(params)
    own = _with_standard_names(mine, network)
    like = Like(network, to_finite_array(x, "x"), to_finite_array(y, "y"))
    comparisons = []
    with one_blas_thread():
        for layout, rows, targets in readings_of(arrays.names, arrays.values, like):
            problem = create_problem(network, rows, targets, loss=loss, **options)
            of_mean, per_sample = (
                _Comparison(problem, list(_correct_values(problem, layout, arrays.values, each)), own, each)
                for each in (False, True)
            )
            comparisons.append(max(of_mean, per_sample, key=lambda comparison: comparison.right_deltas))
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
    for key, value in mine.items():
        name = _standard_name(str(key), network.depth)
        if name in values:
            raise BadInput(f"mine has {name} twice, the second time as {key}; give one of them")
        array = to_finite_array(value, str(key))
        values[name] = array if array.dtype.kind == "f" else array.astype(float)
    return values


def _standard_name(key: str, layer_count: int) -> str:
    """The standard name of a user's value, such as dz2 for "delta_2"."""
    if key.lower() in LOSS_NAMES:
        return "loss"
    parts = re.fullmatch(r"(\D+?)_?(\d+)", key)
    if parts and 1 <= int(parts[2]) <= layer_count:
        stem = parts[1].lower().rstrip("_")
        kind = "W" if stem == "w" else _OTHER_NAMES.get(stem, stem)
        if kind in _KINDS:
            return f"{kind}{int(parts[2])}"
    raise BadInput(
        f"unknown value '{key}'; known are loss and, for layers 1 to {layer_count}, z, a, dz, dW, db, da, W, b (as z1)"
    )


@dataclass(frozen=True, eq=False)
class _Value:
    """A correct intermediate value and its formula; for a gradient, its parameter's values and the penalty's part."""

    name: str
    correct: Floats
    formula: Callable[[], str]
    parameter: Floats | None = None
    penalty: Floats | None = None

    def judge(self, own: Floats) -> ArrayResult:
        if own.shape != self.correct.shape:
            return ArrayResult(self.name, WRONG)
        size = max(float(np.linalg.norm(own)), float(np.linalg.norm(self.correct)))
        error = float(np.linalg.norm(own - self.correct)) / size if size else 0.0
        return ArrayResult(self.name, RIGHT if _are_equal(own, self.correct) else WRONG, error)


class _Comparison:
    """The comparison of a user's values with the correct ones in one layout.

    is_per_sample  whether dz and da are taken for those of single samples
    compared       the correct values of which there is one of the user's, with that one
    first          index of the first wrong value among `compared`; None if all are right
    right_deltas   the number of right dz and da: they are those of samples, or of a mean
    """

    def __init__(self, problem: Problem, values: list[_Value], mine: Mapping[str, Floats], is_per_sample: bool) -> None:
        self.problem = problem
        self.values = values
        self.is_per_sample = is_per_sample
        known = [value.name for value in values]
        for name in mine:
            if name not in known:
                raise BadInput(f"mine has {name}, which this network does not have; it has {', '.join(known)}")
        given = [value for value in values if value.name in mine]
        self.compared = [(value, mine[value.name]) for value in given]
        for i, (value, own) in enumerate(self.compared):  # a bias may be a row or a column
            if np.squeeze(own).shape == np.squeeze(value.correct).shape:
                self.compared[i] = value, own.reshape(value.correct.shape)
        self.names = [value.name for value in given]
        self.results = [value.judge(own) for value, own in self.compared]
        self.first = next((i for i, result in enumerate(self.results) if result.verdict == WRONG), None)
        self.right_deltas = sum(result.verdict == RIGHT for result in self.results if result.name[:2] in _DELTAS)

    def report(self) -> CodeReport:
        """Report the first wrong value with its formula and mistakes, if any."""
        sizes = [value.correct.size for value, _ in self.compared]
        notes = [Note("per_sample")] if self.is_per_sample else []
        report = CodeReport(
            "comparison",
            entries=sum(sizes),
            compared=sum(sizes),
            methods=("our own values",),
            false_pass=0.0,
            arrays=tuple(self.results),
        )
        if self.first is None:
            is_unseen = self.is_per_sample and not any(name.startswith(("dW", "db", "W", "b")) for name in self.names)
            deltas = join_names([name for name in self.names if name[:2] in _DELTAS])
            vacuous = Note("mean_unseen", deltas=deltas) if is_unseen else None
            return replace(report, ok=vacuous is None, vacuous=vacuous, notes=() if vacuous else tuple(notes))
        wrong, own = self.compared[self.first]
        is_other_shape = own.shape != wrong.correct.shape
        if self.first:
            notes.append(Note("right_before", names=join_names(self.names[: self.first])))
        if is_other_shape:
            notes.insert(0, Note("value_shape", name=wrong.name, found=own.shape, expected=wrong.correct.shape))
            worst: Worst | None = Worst(wrong.name, (), float("nan"), float("nan"), float("inf"))
        else:
            error = np.abs(own - wrong.correct)
            error = error / np.where(error > 0, np.maximum(np.abs(own), np.abs(wrong.correct)), 1)
            worst = worst_entry([(wrong.name, own, wrong.correct, error, error)])
        return replace(
            report,
            worst=worst,
            compared=sum(sizes[: self.first + (not is_other_shape)]),
            formula=wrong.formula(),
            diagnosis=self._diagnose(wrong, own),
            notes=tuple(notes),
            location=f"{wrong.name} is the first wrong value",
        )

    def _diagnose(self, wrong: _Value, own: Floats) -> tuple[Mistake, ...]:
        """The mistakes, at most two, that explain the first wrong value."""
        before = self.values[self.values.index(wrong) - 1]
        # A gradient that equals the upstream one means a missing derivative, not an exchange of two values.
        is_delta = wrong.name[:2] in ("dz", "dn") and before.name == f"da{wrong.name[2:]}"
        if is_delta and _are_equal(own, before.correct):
            sentence = f"{wrong.name} is {before.name}, without the activation's derivative"
            return (make_mistake("derivative_missing", [wrong.name], sentence),)
        parameters: list[ParameterEvidence] = []
        penalties: list[PenaltyTerm] = []
        for value in self.values:
            raw = own if value is wrong else value.correct
            in_shape, shape_mistake = match_shape(raw, value.correct)
            parameters.append(
                ParameterEvidence(
                    name=value.name,
                    value=np.zeros(value.correct.shape) if value.parameter is None else value.parameter,
                    raw=np.asarray(raw, float),
                    gradient=np.asarray(in_shape, float),
                    expected=value.correct,
                    tolerance=1e-9 * np.abs(value.correct),
                    uncertainty=np.zeros(value.correct.shape),
                    is_wrong=value is wrong,
                    shape_mistake=shape_mistake,
                )
            )
            if value.parameter is not None and value.penalty is not None:
                is_sign = np.ptp(np.abs(value.penalty)) == 0 < np.ptp(np.abs(value.parameter))
                c = fit_ratio(value.penalty, np.sign(value.parameter) if is_sign else value.parameter, value.correct)
                penalties.append(PenaltyTerm(len(parameters) - 1, c, bool(is_sign), value.penalty))
        samples = len(self.problem.x)
        outputs = self.problem.network.outputs
        evidence = GradientEvidence(tuple(parameters), samples=(samples,), outputs=outputs, prefix="")
        return diagnose(replace(evidence, find_penalties=lambda: penalties))


def _are_equal(own: Floats, correct: Floats) -> bool:
    share = 1e-7 if own.dtype == np.float64 else 1e-3
    tolerance = share * np.abs(correct) + 1e-2 * share * float(np.abs(correct).max())
    return own.shape == correct.shape and bool((np.abs(own - correct) <= tolerance).all())


def _correct_values(
    problem: Problem, layout: Layout, params: Sequence[Floats], is_per_sample: bool
) -> Iterator[_Value]:
    """Yield the correct values of an update as computed, in the user's layout."""
    network = problem.network
    ours = layout.to_ours(tuple(np.asarray(value, float) for value in params), network)
    theta = flatten_parameters({name: array[None] for name, array in ours.items()}, network.entries)
    trace = explain_update(problem, initial_state(problem, theta))
    samples = float(trace["N"])
    last = network.depth
    scale = float(divisor(problem.reduction, np.asarray(samples), 1)) if is_per_sample else 1.0
    gradients = layout.to_theirs({name: trace[f"∂J/∂{name}"] for name in layout.index})
    penalized = [f"d{entry.name}" for entry in network.entries if problem.penalized[entry.start]]

    def formula(pattern: str, begin: str = "") -> Callable[[], str]:
        return lambda: begin + _formula(trace, pattern, layout, is_per_sample)

    for quantity in trace.quantities.values():
        name = quantity.name.replace("δ", "dz").replace("∂J/∂", "d")
        if re.fullmatch(r"d?[zna]\d+", name):
            value = scale * quantity.value if quantity.section == "backward" else quantity.value
            yield _Value(name, value.T if layout.columns else value, formula(quantity.name))
        elif re.fullmatch(r"d[Wb]\d+", name):
            index = layout.index[name[1:]]
            penalty = None
            if problem.penalty is not None and name in penalized:
                penalty = np.asarray(problem.strength[0] * problem.penalty.derivative(params[index]))
                penalty = penalty / samples if problem.penalty.per_sample else penalty
            yield _Value(name, gradients[index], formula(quantity.name), params[index], penalty)
        elif quantity.name == "J":
            yield _Value("loss", quantity.value, formula("J|L|R|loss"))
            if f"∂J/∂a{last}" not in trace.quantities:  # a loss fused with its output does not compute it
                with np.errstate(all="ignore"):
                    slope = problem.loss.derivative(trace[f"a{last}"], trace["y"], **problem.loss.parameters)
                gradient = scale * np.reshape(trace["share"], (-1, 1)) * slope
                if np.isfinite(gradient).all():
                    begin = f"da{last} = the derivative of J by a{last}, where "
                    own = gradient.T if layout.columns else gradient
                    yield _Value(f"da{last}", own, formula("J|L|loss", begin))
    updated = layout.to_theirs({name: trace[f"{name}_new"] for name in layout.index})
    for name, index in layout.index.items():
        yield _Value(name, updated[index], formula(rf"(\w+_)?{name}_new"))


def _formula(trace: Explanation, pattern: str, layout: Layout, is_per_sample: bool) -> str:
    """The formulas of quantities, the last first, in the user's names and layout."""
    texts = [
        f"{format_index(quantity.name, quantity.axes)} = {with_names(quantity.formula)}"
        for quantity in trace.quantities.values()
        if re.fullmatch(pattern, quantity.name) and quantity.formula is not None
    ]
    text = ", with ".join(reversed(texts)).replace("δ", "dz").replace("∂J/∂", "d")
    share = trace.quantities["share"].formula
    if "share" in text and share is not None:
        text += f", with share = {with_names(share)}"
    if is_per_sample:  # the mean is taken in dW and db
        text = re.sub(r"^(d[za].*?)share", r"\1N · share", text)
        text = re.sub(r"^(d[Wb].*?)Σ_i", r"\1(1 / N) · Σ_i", text)

    def turned(entry: re.Match[str]) -> str:
        is_turned = layout.transposed if "W" in entry[1] else layout.columns
        return f"{entry[1]}[{entry[3]}, {entry[2]}]" if is_turned else entry[0]

    return re.sub(r"(\w+)\[(\w), (\w)\]", turned, text)
