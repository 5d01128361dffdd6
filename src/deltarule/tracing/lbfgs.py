"""Trace an L-BFGS iteration: the stored pairs, the two-loop recursion for the direction, and SciPy's step.

SciPy reports only its iterates. Its memory follows from them: Δθ, the change of the parameters in an iteration, and Δg,
the change of the gradient. The two loops compute the direction from these; SciPy computes it in another order, so the
direction is compared with SciPy's step. The length of the step and all parameters after it are SciPy's.

M pairs, the oldest first · P parameters, all arrays one after another        Source: Nocedal 1980, Liu & Nocedal 1989
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from deltarule.engines.reference import objective_and_gradient
from deltarule.maths.network import Entry, views
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.tracing.expressions import Expression, Index, Ref, Series
from deltarule.tracing.trace_builder import TraceBuilder, layer_number
from deltarule.training.lbfgs import check_objective, minimize_from

CONVERGED = "L-BFGS has converged: SciPy makes no iteration from here"
BEGINS = "L-BFGS begins here: without earlier iterations its direction is −∂J/∂θ"
OTHER = "SciPy's step is not exactly along this direction: its memory or its rounding differs"
_PARALLEL = 1e-6
"""Largest 1 − cosine of two equal directions: the two orders of computation differ by rounding."""


class Loops(NamedTuple):
    """The results of L-BFGS's two loops: ρ, α, β [M], γ, and the vectors q and r after each pair [M, P]."""

    rho: Floats
    alpha: Floats
    q: Floats
    gamma: float
    beta: Floats
    r: Floats


def lbfgs_update(trace: TraceBuilder, start: State) -> tuple[str, ...]:
    """Add the next L-BFGS iteration of a run that SciPy began at the state `start`; returns notes on it.

    Raises `BadInput` for mini-batches, dropout and batch norm.
    """
    check_objective(trace.problem)
    before = trace.state.step - start.step
    path, objective, evaluations = _run_scipy(trace.problem, start, before + 1)
    if len(path) < before + 2:
        return (CONVERGED,)
    after = path.pop()
    g, step = _flat(trace.forward_pass.gradient), _flat(after.theta - path[-1].theta)
    delta_theta, delta_g = _recent_pairs(trace, path)
    pair_count = _remembered_pair_count(delta_theta, delta_g, g, step)
    delta_theta, delta_g = delta_theta[len(delta_theta) - pair_count :], delta_g[len(delta_g) - pair_count :]
    direction = _direction(delta_theta, delta_g, g)
    gradient = _add_gradient(trace, g)
    last = _add_memory(trace, delta_theta, delta_g, gradient) if pair_count else gradient
    trace.add("direction", "update", direction, "p", "direction of the step", lambda p: -last(p))
    text = f"length of the step, by SciPy's line search, after {evaluations:,} evaluations of J in all"
    t = trace.add("t", "update", float(step @ direction / (direction @ direction)), "", text)()
    trace.add("J_new", "update", objective, "", "J after the step")
    same = _cosine(direction, step) > 1 - _PARALLEL
    for entry in trace.network.entries:
        _add_moved_array(trace, entry, after, t if same else None)
    return () if same and before else (BEGINS if same else OTHER,)


def _run_scipy(problem: Problem, start: State, iterations: int) -> tuple[list[State], float, int]:
    """Let SciPy iterate from `start`; returns all states, the last one's objective, and how often J was evaluated."""
    path = [start]
    found = minimize_from(problem, start, iterations, 15 * iterations + 100, path.append)[1]
    return path, float(found.fun), int(found.nfev)


def two_loops(delta_theta: Floats, delta_g: Floats, g: Floats) -> Loops:
    """The two-loop recursion: multiply a gradient g [P] by the inverse Hessian that pairs of Δθ and Δg [M, P] imply.

    >>> found = two_loops(np.array([[1.0, 0.0]]), np.array([[4.0, 0.0]]), np.array([8.0, 1.0]))
    >>> found.r[-1]  # 8 / 4 along the pair
    array([2.  , 0.25])
    """
    pairs = len(delta_theta)
    rho = 1 / (delta_theta * delta_g).sum(1)
    alpha, beta = np.zeros(pairs), np.zeros(pairs)
    q, r = np.zeros_like(delta_theta), np.zeros_like(delta_theta)
    vector = g
    for k in reversed(range(pairs)):
        alpha[k] = rho[k] * (delta_theta[k] @ vector)
        q[k] = vector = vector - alpha[k] * delta_g[k]
    gamma = float(delta_theta[-1] @ delta_g[-1] / (delta_g[-1] @ delta_g[-1]))
    vector = gamma * vector
    for k in range(pairs):
        beta[k] = rho[k] * (delta_g[k] @ vector)
        r[k] = vector = vector + delta_theta[k] * (alpha[k] - beta[k])
    return Loops(rho, alpha, q, gamma, beta, r)


def _direction(delta_theta: Floats, delta_g: Floats, g: Floats) -> Floats:
    """The direction of L-BFGS's step [P]; −g if there are no pairs."""
    return -two_loops(delta_theta, delta_g, g).r[-1] if len(delta_theta) else -g


def _recent_pairs(trace: TraceBuilder, path: Sequence[State]) -> tuple[Floats, Floats]:
    """Δθ and Δg [M, P] between the last states of `path`, as many as SciPy stores: not those without curvature."""
    problem = trace.problem
    recent = path[-int(problem.numbers["memory"][trace.member]) - 1 :]
    rows = all_rows(problem, trace.state.members)
    gradients = [_flat(objective_and_gradient(problem, state, rows).gradient) for state in recent]
    delta_theta = np.diff([_flat(state.theta) for state in recent], axis=0)
    delta_g = np.diff(gradients, axis=0)
    falls = np.array([-g @ one for g, one in zip(gradients, delta_theta, strict=False)])
    curves = (delta_theta * delta_g).sum(1) > np.finfo(float).eps * falls
    return delta_theta[curves], delta_g[curves]


def _remembered_pair_count(delta_theta: Floats, delta_g: Floats, g: Floats, step: Floats) -> int:
    """How many of the latest pairs give the direction of SciPy's step, which may have forgotten some; all if none do.

    It forgets all pairs when its line search fails.
    """
    for count in range(len(delta_theta), -1, -1):
        first = len(delta_theta) - count
        if _cosine(_direction(delta_theta[first:], delta_g[first:], g), step) > 1 - _PARALLEL:
            return count
    return len(delta_theta)


def _flat(vector: Floats) -> Floats:
    """The vector of the only member [1, P] in float64 [P]."""
    return np.asarray(vector[0].astype(np.float64))


def _cosine(one: Floats, other: Floats) -> float:
    """The cosine of the angle between two vectors."""
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def _add_gradient(trace: TraceBuilder, g: Floats) -> Callable[..., Ref]:
    """Add g [P], the gradients of all arrays in one vector; returns a function from an index to a reference to g."""
    places = {}
    for entry in trace.network.entries:
        shape = trace.at[entry.name].value.shape
        for offset, index in enumerate(np.ndindex(*shape)):
            places[entry.start + offset] = (f"∂J/∂{entry.name}", index)

    def rule(p: Index) -> Expression:
        """The reference to the gradient of parameter p in its own array; a symbolic one if p is a letter."""
        if isinstance(p, str):
            return Ref("∂J/∂θ", (p,), None)
        name, index = places[p]
        return trace.at[name](*index)

    return trace.add("g", "update", g, "p", "∂J/∂θ: the gradients of all arrays, one after another", rule)


def _add_memory(
    trace: TraceBuilder, delta_theta: Floats, delta_g: Floats, g: Callable[..., Ref]
) -> Callable[[Index], Ref]:
    """Add the pairs and the two loops over them; returns r after the newest pair, as a function of an index."""
    pairs, size = delta_theta.shape
    loops = two_loops(delta_theta, delta_g, np.array([g(p).value for p in range(size)]))
    s, y = _reference_entries("Δθ", delta_theta), _reference_entries("Δg", delta_g)
    rho, alpha, beta = (
        _reference_entries("ρ", loops.rho),
        _reference_entries("α", loops.alpha),
        _reference_entries("β", loops.beta),
    )
    q, r, gamma = _reference_entries("q", loops.q), _reference_entries("r", loops.r), Ref("γ", (), loops.gamma)

    def sum_over_parameters(term: Callable[[Index], Expression]) -> Series:
        return Series(("p",), (size,), term)

    def q_before(k: Index, p: Index) -> Ref:
        return q(_shifted(k, 1), p) if k != pairs - 1 else g(p)

    def r_before(k: Index, p: Index) -> Expression:
        return r(_shifted(k, -1), p) if k != 0 else gamma * q(0, p)

    add, last = trace.add, pairs - 1
    add("Δθ", "update", delta_theta, "kp", "changes of the parameters in the previous iterations, the oldest first")
    add("Δg", "update", delta_g, "kp", "changes of the gradient")
    add(
        "ρ",
        "update",
        loops.rho,
        "k",
        "1 / curvature along Δθ",
        lambda k: 1 / sum_over_parameters(lambda p: s(k, p) * y(k, p)),
    )
    about = "first loop, from the newest pair, which begins with g, to the oldest"
    add(
        "α",
        "update",
        loops.alpha,
        "k",
        about,
        lambda k: rho(k) * sum_over_parameters(lambda p: s(k, p) * q_before(k, p)),
    )
    about = "remainder of g after each pair of the first loop"
    add("q", "update", loops.q, "kp", about, lambda k, p: q_before(k, p) - alpha(k) * y(k, p))
    about = "scale of the inverse curvature, by the newest pair"
    add(
        "γ",
        "update",
        loops.gamma,
        "",
        about,
        lambda: sum_over_parameters(lambda p: s(last, p) * y(last, p)) / sum_over_parameters(lambda p: y(last, p) ** 2),
    )
    about = "second loop, from the oldest pair, which begins with γ · q[0], to the newest"
    add(
        "β",
        "update",
        loops.beta,
        "k",
        about,
        lambda k: rho(k) * sum_over_parameters(lambda p: y(k, p) * r_before(k, p)),
    )
    about = "the vector after each pair of the second loop"
    add("r", "update", loops.r, "kp", about, lambda k, p: r_before(k, p) + s(k, p) * (alpha(k) - beta(k)))
    return lambda p: r(last, p)


def _add_moved_array(trace: TraceBuilder, entry: Entry, after: State, t: Ref | None) -> None:
    """Add an array from the state `after` the step, with its formula; without one if t, the step's length, is None."""
    name, at = entry.name, trace.at
    direction, shape = at["direction"], at[name].value.shape

    def rule(*index: Index) -> Expression | None:
        """The formula of an entry: before the step, plus t times the direction; None if t is None."""
        if t is None:
            return None
        known = [place for place in index if isinstance(place, int)]
        if len(known) < len(index):
            return at[name](*index) + t * Ref("direction", (f"{name}[{', '.join(map(str, index))}]",), None)
        return at[name](*index) + t * direction(entry.start + int(np.ravel_multi_index(known, shape)))

    value = views(after.theta[0], [entry])[name]
    about = f"{name} after the iteration by L-BFGS"
    trace.add(f"{name}_new", "update", value, "".join(at[name].axes), about, rule, layer=layer_number(name))


def _reference_entries(name: str, array: Floats) -> Callable[..., Ref]:
    """A function from an index to a reference to that entry of an array, which the trace need not contain yet."""

    def at(*index: Index) -> Ref:
        known = tuple(place for place in index if isinstance(place, int))
        return Ref(name, index, float(array[known]) if len(known) == len(index) else None)

    return at


def _shifted(k: Index, by: int) -> Index:
    """The index k plus 1 or −1 (`by`), or its text if k is a letter."""
    return k + by if isinstance(k, int) else f"{k} {'+' if by > 0 else '-'} 1"
