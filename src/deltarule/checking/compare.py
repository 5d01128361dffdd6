"""Somebody's intermediate values beside the right ones: the first that differs, and the formula that gives it.

dz, dn and da are the derivatives of the objective, 1 / N in them; or of the losses of single samples, as textbooks have
them: then N times as much, and the mean is taken in dW and db.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.checking.arrays import LOSS_NAMES, match_shape, numbers_of, taken_apart
from deltarule.checking.mistakes.catalog import Mistake, join_names, make_mistake
from deltarule.checking.mistakes.diagnose import Evidence, diagnosis
from deltarule.checking.mistakes.network_matching import Layout, Like, readings_of
from deltarule.checking.report import CodeReport, Worst, checked_hint, limit_to_hint
from deltarule.engines.reference import apply_optimizer, objective_and_gradient
from deltarule.errors import BadInput
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.network import flatten, views
from deltarule.maths.objective import data_term
from deltarule.problem.batches import Batch, batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import initial_state

_KINDS = {
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
_BACK = ("dz", "dn", "da")
_OF_SINGLE_SAMPLES = "your dz and da are those of single samples: the mean is taken in dW and db"


@dataclass(frozen=True, eq=False)
class Value:
    """A value on the way: its name, the right numbers in the user's form, the formula, and its parameter, if any.

    penalty  c of the penalty's part c w, or c sign(w), of a parameter's gradient
    """

    name: str
    right: Floats
    formula: str
    parameter: Floats | None = None
    penalty: float = 0.0


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
    """Hold intermediate values of one's own code beside the right ones, in the order in which they are computed.

    Parameters
    ----------
    mine : arrays by name, as many as there are: z1, a1 … of the pass forward, `loss`; dz2 (or delta2, δ2), dW2, db2,
        da1 … of the pass back; W1, b1 … after the update. Of a mean, all dz and da may be those of single samples: then
        dW and db have its 1 / N, as in dW = xᵀ dz / N.
    network : its shape.
    params : its parameters before the update, as for `check_gradient`; weights inputs × outputs or outputs × inputs.
    x, y : the data, samples as rows or as columns.
    loss : its name, or a table with its name and parameters.
    hint : how much is told: "pass", "where", "kind" or "fix".
    options : what else `create_problem` takes: reduction, penalty, strength, optimizer, learning_rate …

    Returns a `CodeReport` whose `worst` is the first value that differs, and whose `formula` gives the right one.

    Raises `BadInput` for a name that is no value of this network, for two names of one value, for parameters or data
    that are not its own, for an option that there is not, and as `create_problem`.

    >>> params = {"W1": np.array([[1.0], [2.0]]), "b1": np.array([0.5])}
    >>> x, y = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0], [0.0]])
    >>> network = Network([2, 1], output="sigmoid")
    >>> report = compare({"z1": x @ params["W1"]}, network, params, x, y, "binary_cross_entropy")
    >>> report.worst.where, report.formula
    ('z1[1, 0]', 'z1 = x W1 + b1')
    """
    checked_hint(hint)
    if not isinstance(network, Network):
        raise BadInput(f"network is {type(network).__name__}; give a Network, as Network([2, 3, 1])")
    known = [one.name for one in inspect.signature(create_problem).parameters.values() if one.kind == one.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise BadInput(f"there is no option {option!r}; there are hint, {', '.join(known)}")
    given = taken_apart(params)
    found = _by_our_names(mine, network)
    like = Like(network, numbers_of(x, "x"), numbers_of(y, "y"), {})
    readings = list(readings_of(given.names, given.values, like))
    samples, compared = len(readings[0][1]), []
    with one_blas_thread():
        for reading in readings:
            whole, single = (
                _Reading(
                    found, list(_expected_values(network, given.values, *reading, loss, options, single=single)), single
                )
                for single in (False, True)
            )
            compared.append(single if single.is_meant_beside(whole, samples) else whole)
    # Where shapes leave it open which way round things are, the reading under which most is right is the one meant.
    best = max(compared, key=lambda one: len(one.names) if one.first is None else one.first)
    return limit_to_hint(best.report(samples), hint)


def _by_our_names(mine: Mapping[str, Any], network: Network) -> dict[str, Floats]:
    """The user's values by our names."""
    if not isinstance(mine, Mapping) or not mine:
        raise BadInput("mine holds no values; give a dictionary such as {'z1': z1, 'a1': a1, 'dW1': dW1}")
    found: dict[str, Floats] = {}
    keys: dict[str, str] = {}
    for key, value in mine.items():
        name = _our_name(str(key), len(network.layers))
        if name in keys:
            raise BadInput(f"mine has {keys[name]} and {key}, which are the same value; give one of them")
        keys[name] = str(key)
        array = numbers_of(value, str(key))
        found[name] = array if array.dtype.kind == "f" else array.astype(float)
    return found


def _our_name(key: str, layers: int) -> str:
    if key.lower() in LOSS_NAMES:
        return "loss"
    parts = re.fullmatch(r"(\D+?)_?(\d+)", key)
    if parts and 1 <= int(parts[2]) <= layers:
        for kind, names in _KINDS.items():
            if parts[1].lower().rstrip("_") in names:
                return f"{kind}{int(parts[2])}"
    raise BadInput(
        f"mine has '{key}', which is no value of this network; there are loss, and of each layer from 1 to {layers} "
        "z, a, dz, dW, db, da, W and b, as in z1"
    )


def _expected_values(
    network: Network,
    params: Sequence[Floats],
    layout: Layout,
    x: Floats,
    y: Floats,
    loss: Named | Loss,
    options: Mapping[str, Any],
    *,
    single: bool,
) -> Iterator[Value]:
    """The right values in the order in which they are computed, in the user's form.

    single  whether dz and da are those of single samples
    """
    problem = create_problem(network, x, y, loss=loss, **options)
    ours = layout.to_ours(tuple(np.asarray(value, float) for value in params), network)
    theta = flatten({name: array[None] for name, array in ours.items()}, network.entries)
    state = initial_state(problem, theta)
    rows = batch(problem, state.members, 0)
    done = objective_and_gradient(problem, state, rows)
    words = _Words(problem, layout, single)
    times = _samples(problem, rows) if single else 1.0

    def turned(value: Array) -> Floats:
        return np.asarray(value[0].T if layout.columns else value[0])

    for taped in done.tape:
        yield Value(taped.name, turned(taped.value), words.forward(taped.name))
    last = network.layers[-1].number
    yield Value(f"a{last}", turned(network.output.forward(done.tape[-1].value)[0]), words.forward(f"a{last}"))
    yield Value("loss", np.asarray(done.objective[0]), words.objective())
    gradients = layout.to_theirs({name: array[0] for name, array in views(done.gradient, network.entries).items()})
    with np.errstate(all="ignore"):
        at_output = _at_output(problem, done.tape[-1].value, rows)
    if np.isfinite(at_output).all():
        yield Value(f"da{last}", turned(times * at_output), words.at_output(last))
    upstream = data_term(problem.loss, problem.reduction, network.output, done.tape[-1].value, rows.y, rows.w)[1]()
    for i in reversed(range(len(done.tape))):
        name = done.tape[i].name
        yield Value(f"d{name}", turned(times * upstream), words.backward(f"d{name}"))
        upstream = done.tape[i].backward(upstream)[0]
        if name[0] == "z":
            for array in (f"W{name[1:]}", f"b{name[1:]}"):
                if array in layout.places:
                    place = layout.places[array]
                    penalty = _penalty(problem, rows, array)
                    yield Value(f"d{array}", gradients[place], words.backward(f"d{array}"), params[place], penalty)
    if problem.optimizer.update is not None:
        after, _ = apply_optimizer(problem, state, done.gradient)
        updated = layout.to_theirs({name: array[0] for name, array in views(after, network.entries).items()})
        for name, place in layout.places.items():
            yield Value(name, updated[place], words.update(name))


def _samples(problem: Problem, rows: Batch) -> Array:
    """How many samples a mean is taken over; 1 where there is none."""
    return divisor(problem.reduction, rows.w.sum(-2, keepdims=True), 1)


def _penalty(problem: Problem, rows: Batch, name: str) -> float:
    """c of the penalty's part c w, or c sign(w), of an array's gradient."""
    penalty = problem.penalty
    entry = next(one for one in problem.network.entries if one.name == name)
    if penalty is None or not problem.penalized[entry.start]:
        return 0.0
    c = float(problem.strength[0] * penalty.derivative(np.ones(1))[0])
    return c / float(rows.w.sum()) if penalty.per_sample else c


def _at_output(problem: Problem, z: Array, rows: Batch) -> Array:
    """∂J/∂a of the last layer, which nothing needs where loss and output go together."""
    loss = problem.loss
    p, _ = problem.network.output.forward(z)
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), rows.y.shape[-1])
    return share * loss.derivative(p, rows.y, **loss.parameters)


class _Words:
    """The formulas, as they are for samples as rows or columns and weights one way round or the other."""

    def __init__(self, problem: Problem, layout: Layout, single: bool) -> None:
        self.problem, self.network, self.single = problem, problem.network, single
        self.columns, self.turned = layout.columns, layout.transposed

    def _before(self, n: int) -> str:
        return "x" if n == 1 else f"a{n - 1}"

    def forward(self, name: str) -> str:
        n = int(name[1:])
        if name[0] == "z":
            factors = [self._before(n), f"W{n}{'ᵀ' if self.turned != self.columns else ''}"]
            product = " ".join(reversed(factors) if self.columns else factors)
            return f"{name} = {product}" + (f" + b{n}" if self.network.layers[n - 1].bias else "")
        if name[0] == "n":
            return f"{name} = gamma{n} (z{n} − mean) / √(variance + ε) + beta{n}, over the batch"
        activation = self.network.layers[n - 1].activation
        said = _formula_of(activation.function, activation.name)
        return f"{name} = {activation.name}(z{n}){f': {said}' if said else ''}"

    def backward(self, name: str) -> str:
        n, kind = int(name[2:]), name[:2]
        last = self.network.layers[-1].number
        if kind == "dz" and n == last:
            return f"{name} = {self._at_the_end(n)}"
        if kind == "dz" or kind == "dn":
            activation = self.network.layers[n - 1].activation
            slope = _formula_of(activation.derivative, f"the derivative of {activation.name} at z{n}")
            return f"{name} = da{n} through {activation.name}: {slope}"
        if kind == "da":
            factors = [f"dz{n + 1}", f"W{n + 1}{'' if self.turned != self.columns else 'ᵀ'}"]
            return f"{name} = {' '.join(reversed(factors) if self.columns else factors)}"
        if kind == "db":
            return f"{name} = the sum of dz{n} over the samples{self._mean}{self._penalty(n, 'b')}"
        return f"{name} = {self._weights(n)}{self._mean}{self._penalty(n, 'W')}"

    @property
    def _describe_share(self) -> str:
        C = self.network.outputs
        if self.single:
            return f" / {C}" if self.problem.reduction == "mean_elements" else ""
        return {"sum": "", "mean_samples": " / N", "mean_elements": f" / ({C} N)"}[self.problem.reduction]

    @property
    def _mean(self) -> str:
        return " / N" if self.single else ""

    def objective(self) -> str:
        problem, penalty = self.problem, self.problem.penalty
        entries = [one.name for one in self.network.entries if problem.penalized[one.start]]
        data = f"the {problem.loss.name}, as a {problem.reduction}"
        if penalty is None:
            return data
        each = _formula_of(penalty.value, penalty.name)
        return f"{data}, + {self._strength} · the sum of ({each}), with w = {join_names(entries)}"

    @property
    def _strength(self) -> str:
        return "λ / N" if self.problem.penalty and self.problem.penalty.per_sample else "λ"

    def at_output(self, n: int) -> str:
        slope = _formula_of(self.problem.loss.derivative, f"the derivative of {self.problem.loss.name}")
        return f"da{n} = ({slope}){self._describe_share}, with p = a{n}"

    def _at_the_end(self, n: int) -> str:
        loss, output = self.problem.loss, self.network.output
        fused = loss.fused.get(output.name)
        if fused:
            return f"({_formula_of(fused.derivative, 'predicted minus target')}){self._describe_share}, with z = z{n}"
        through = (
            "" if output.name == "identity" else f", through {output.name}: {_formula_of(output.derivative, 'f′(z)')}"
        )
        return f"da{n}{through}"

    def _weights(self, n: int) -> str:
        """xᵀ δ, in one of its four forms."""
        before, after = self._before(n), f"dz{n}"
        if self.columns:
            return f"{after} {before}ᵀ" if self.turned else f"{before} {after}ᵀ"
        return f"{after}ᵀ {before}" if self.turned else f"{before}ᵀ {after}"

    def _penalty(self, n: int, letter: str) -> str:
        penalty = self.problem.penalty
        entry = next((one for one in self.network.entries if one.name == f"{letter}{n}"), None)
        if penalty is None or entry is None or not self.problem.penalized[entry.start]:
            return ""
        return f" + {self._strength} · ({_formula_of(penalty.derivative, penalty.name)}), with w = {letter}{n}"

    def update(self, name: str) -> str:
        optimizer = self.problem.optimizer
        return f"{name}: {_formula_of(optimizer.update, optimizer.name)}, with θ = {name} and g = d{name}"


def _formula_of(function: Any, otherwise: str) -> str:
    """The formula at the head of a function's docstring."""
    text = (getattr(function, "__doc__", None) or "").strip().split("\n")[0]
    return re.split(r"(?:\.    Source|: |; )", text)[0].strip() or otherwise


class _Reading:
    """A user's values beside the right ones of one reading.

    single  whether dz and da are taken for those of single samples
    """

    def __init__(self, found: Mapping[str, Floats], values: Sequence[Value], single: bool) -> None:
        self.single = single
        known = [value.name for value in values]
        for name in found:
            if name not in known:
                raise BadInput(f"mine has {name}, which this network does not have; it has {', '.join(known)}")
        self.values = [value for value in values if value.name in found]
        self.names = [value.name for value in self.values]
        self.all = values
        self.found = {value.name: _in_form(found[value.name], value.right) for value in self.values}
        wrong = [i for i, value in enumerate(self.values) if not self._agrees(value)]
        self.first = wrong[0] if wrong else None

    def _slack(self, value: Value) -> Floats:
        found = self.found[value.name]
        digits = 1e-7 if found.dtype == np.float64 else 1e-3
        size = float(np.abs(value.right).max())
        return digits * np.abs(value.right) + 1e-2 * digits * size

    def _agrees(self, value: Value) -> bool:
        found = self.found[value.name]
        return found.shape == value.right.shape and bool((np.abs(found - value.right) <= self._slack(value)).all())

    def is_meant_beside(self, whole: "_Reading", samples: int) -> bool:
        """Whether values are those of single samples: some are right as such alone, and none with the mean in it.

        Where all of them are wrong, that is so if fewer mistakes explain the first.
        """
        back = [i for i, name in enumerate(self.names) if name[:2] in _BACK]
        as_single, as_whole = ({i for i in back if one._agrees(one.values[i])} for one in (self, whole))
        if back and not as_single | as_whole:
            return 0 < len(self._diagnosis(samples)) < len(whole._diagnosis(samples))
        return bool(as_single - as_whole) and not as_whole - as_single

    def _proves_nothing(self) -> str | None:
        """Why values of single samples, right as they are, prove nothing: no gradient is there that has the mean."""
        if not self.single or any(name[:2] not in _BACK and name[0] in "dWb" for name in self.names):
            return None
        back = join_names([name for name in self.names if name[:2] in _BACK])
        return f"there is no 1 / N in {back}, which is right where dW and db take the mean; give one of them too"

    def report(self, samples: int) -> CodeReport:
        """What to say of it."""
        entries = sum(value.right.size for value in self.values)
        report = CodeReport(
            "comparison",
            self.first is None,
            None,
            None,
            entries,
            entries,
            0,
            0,
            ("our own values",),
            0.0,
            (),
            (),
            "fix",
        )
        notes = [_OF_SINGLE_SAMPLES] if self.single else []
        if self.first is None:
            vacuous = self._proves_nothing()
            return replace(report, ok=vacuous is None, vacuous=vacuous, notes=() if vacuous else tuple(notes))
        value, before = self.values[self.first], self.names[: self.first]
        found = self.found[value.name]
        notes += [f"right before it: {join_names(before)}"] if before else []
        compared = sum(one.right.size for one in self.values[: self.first])
        report = replace(report, formula=value.formula, diagnosis=self._diagnosis(samples))
        if found.shape != value.right.shape:
            shapes = f"{value.name} has the shape {found.shape}, and should have {value.right.shape}"
            worst = Worst(value.name, (), float("nan"), float("nan"), float("inf"))
            return replace(report, worst=worst, compared=compared, notes=(shapes, *notes))
        off = np.abs(found - value.right)
        error = off / np.where(off > 0, np.maximum(np.abs(found), np.abs(value.right)), 1)
        index = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape))
        worst = Worst(value.name, index, float(found[index]), float(value.right[index]), float(error[index]))
        return replace(report, worst=worst, compared=compared + value.right.size, notes=tuple(notes))

    def _diagnosis(self, samples: int) -> tuple[Mistake, ...]:
        """The mistakes that explain the first value that is wrong."""
        if self.first is None:
            return ()
        value = self.values[self.first]
        return self._without_derivative(value) or diagnosis(self._evidence(value, samples))

    def _without_derivative(self, wrong: Value) -> tuple[Mistake, ...]:
        """That what comes back to an activation is handed on, which is no exchange of two values."""
        before = self.all[next(i for i, one in enumerate(self.all) if one is wrong) - 1]
        if not (wrong.name[:2] in ("dz", "dn") and before.name == f"da{wrong.name[2:]}"):
            return ()
        if not self._agrees(replace(before, name=wrong.name)):
            return ()
        sentence = f"{wrong.name} is {before.name}, without the activation's derivative"
        return (make_mistake("derivative_missing", [wrong.name], sentence),)

    def _evidence(self, wrong: Value, samples: int) -> Evidence:
        """The first wrong value among all the right ones, one of which it may be."""
        raw = [self.found[one.name] if one is wrong else one.right for one in self.all]
        rights = tuple(one.right for one in self.all)
        place = next(i for i, one in enumerate(self.all) if one is wrong)
        last = next(before for before, one in pairwise(self.all) if one.name == "loss")
        shaped = [match_shape(*one) for one in zip(raw, rights, strict=True)]
        return Evidence(
            names=tuple(one.name for one in self.all),
            values=tuple(np.zeros(one.right.shape) if one.parameter is None else one.parameter for one in self.all),
            found=tuple(np.asarray(one, float) for one, _ in shaped),
            expected=rights,
            slack=tuple(1e-9 * np.abs(one) for one in rights),
            raw=tuple(np.asarray(one, float) for one in raw),
            wrong=(place,),
            shapes=tuple(shape for _, shape in shaped),
            samples=(samples,),
            outputs=last.right.size // samples,
            penalties=lambda place: (self.all[place].penalty, None),
            what="",
        )


def _in_form(found: Floats, right: Floats) -> Floats:
    """A user's value in the shape of the right one, if only axes of length 1 are in the way."""
    ones = [n for n in found.shape if n > 1] == [n for n in right.shape if n > 1]
    return found.reshape(right.shape) if ones else found
