"""Treat a user's layer as the loss L = Σ u · output with its gradient.

u  an upstream gradient: normal numbers, of the shape of an output

Arrays that the layer holds in attributes are checked as its arguments are, if it holds their gradients too.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.checking.catalog import join_names
from deltarule.checking.mistakes.evidence import GradientEvidence, Hypothesis, one_mistake
from deltarule.checking.numerics.reference_gradient import normal_direction
from deltarule.checking.user_code.arrays import NamedArrays, as_numpy, like_leaf, named_leaves, to_array
from deltarule.checking.user_code.attributes import arrays_in, assign_attribute, attribute_at, gradient_paths
from deltarule.checking.user_code.callables import Code, Values, find_caller
from deltarule.checking.user_code.gradient_arrays import gradient_arrays, marked_names
from deltarule.checking.user_code.random_numbers import RandomNumbers
from deltarule.checking.user_code.references import names_read, outside_of, owner_of
from deltarule.checking.user_code.signatures import (
    Reading,
    find_output,
    is_gradient_name,
    named_results,
    readings_of,
    split_outputs,
)
from deltarule.errors import BadInput
from deltarule.proofs.differences import Floats
from deltarule.user_functions import call_user_function, quietly

_UPSTREAM_STREAM = 1 << 20
"""First index of the random directions of upstream gradients; those of arrays begin at 0."""
_STREAMS_OF_AN_OUTPUT = 1 << 10


class UserLayer:
    """A user's layer, as it is called, and the arrays that it holds.

    readings       what the backward pass may be given, the likeliest first
    not_compared   arrays that forward reads and of which no gradient was found
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any] | None,
        arguments: NamedArrays,
        numbers: RandomNumbers,
        *,
        moves_input: bool = True,
    ) -> None:
        self.forward = forward
        self.backward = backward
        self.arguments = arguments
        self.numbers = numbers
        self._lists = [(kept, len(kept)) for kept in outside_of(forward) or () if type(kept) is list]
        self._call = find_caller(forward, arguments, "forward")
        if self._call.is_in_place:
            raise BadInput("forward takes no arguments; give a function of the layer's input")
        self._owner = next((owner for owner in map(owner_of, (forward, backward)) if owner is not None), None)
        self._held = {path: (value, np.array(as_numpy(value))) for path, value in self._owner_arrays()}
        self._gradients_of: dict[str, Callable[[Any], Any]] = {}
        self._zeros: list[str] = []
        self._output_path: str | None = None
        self._argument_gradients: Callable[[Any], Any] | None = (lambda result: result) if moves_input else None
        self.moves_input = moves_input
        self.readings: list[Reading] = []
        self._call_once()

    @property
    def names(self) -> tuple[str, ...]:
        arguments = self.arguments.names if self._argument_gradients else ()
        return (*arguments, *(re.sub(r"\.(data|value|val)$", "", path) for path in self._gradients_of))

    def code(
        self, reading: Reading, draw: int, scale: float
    ) -> tuple[Code, Callable[[GradientEvidence], Iterator[Hypothesis]]]:
        """The layer as code, for random upstream gradients, and hypotheses about it."""
        held = tuple(self._held[path][1].astype(np.float64) for path in self._gradients_of)
        start = (*self._start, *held) if self._argument_gradients else held
        upstream = self._draw_upstream(reading, self._run_forward(start), draw, scale)

        def loss(values: Values) -> Any:
            parts = zip(upstream, self._run_forward(values), strict=False)
            return sum((u * to_array(part, "the output of forward")).sum() for u, part in parts)

        def gradient(values: Values, factor: float = 1.0) -> list[Floats]:
            return self._run_backward(reading, values, [factor * u for u in upstream])

        code = Code(
            names=self.names,
            start=start,
            loss=loss,
            gradient=gradient,
            has_own_forward_pass=True,
            restore=self.restore,
            function_names=("forward", "backward"),
            roots=(self.forward,),
        )
        back = partial(gradient, start)
        return self.numbers.replayed(code), lambda evidence: _layer_hypotheses(evidence, upstream[0], back)

    def restore(self) -> None:
        """Give the layer the arrays and lists that it had."""
        for kept, length in self._lists:
            del kept[length:]
        for path, (original, value) in self._held.items():
            array = as_numpy(original)
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[...] = value
            assign_attribute(self._owner, path, original)

    # --- calls ------------------------------------------------------------------------------------------------------

    def _run_forward(self, values: Values) -> tuple[Any, ...]:
        """The parts of what forward returns; the outputs come first."""
        self.restore()
        for path in self._zeros:  # to which a backward pass may add
            original, value = self._held[path]
            assign_attribute(self._owner, path, like_leaf(original, np.zeros_like(value)))
        count = len(self._start) if self._argument_gradients else 0
        for path, value in zip(self._gradients_of, values[count:], strict=True):
            assign_attribute(self._owner, path, like_leaf(self._held[path][0], value.copy()))
        self._values = [*(values[:count] or self._start), *values[count:]]
        return self._output_parts(self._call(self._values[: len(self._start)]))

    def _output_parts(self, result: Any) -> tuple[Any, ...]:
        return split_outputs(result) if self._output_path is None else (attribute_at(self._owner, self._output_path),)

    def _run_backward(self, reading: Reading, values: Values, upstream: Sequence[Floats]) -> list[Floats]:
        result = self._call_backward(reading, self._run_forward(values), upstream)
        gradients: list[Floats] = []
        if self._argument_gradients:
            gradients = gradient_arrays(self._argument_gradients(result), self.arguments, "backward")
        for path, gradient_of in self._gradients_of.items():
            gradient = to_array(gradient_of(result), f"the gradient of {path}")
            gradients.append(np.array(gradient) if gradient.dtype.kind == "f" else gradient.astype(float))
        return gradients

    def _call_backward(self, reading: Reading, parts: Sequence[Any], upstream: Sequence[Floats]) -> Any:
        function = self._backward_among(parts)
        given: dict[str, Callable[[int], Any]] = {
            "upstream": lambda i: self._like_output(parts[i], upstream[i].copy()),  # it may be changed in place
            "part": lambda i: parts[i],
            "argument": lambda i: self._values[i],
            "rate": lambda i: 1.0,
        }
        with self.numbers.new_numbers():  # a mask must be that of the forward pass
            return call_user_function(function, [given[kind](i) for kind, i in reading], {}, "backward")

    def _like_output(self, part: Any, upstream: Floats) -> Any:
        """The upstream gradient as a tensor where the layer is given tensors."""
        has_tensor = any(hasattr(leaf, "new_tensor") for _, leaf in named_leaves(self.arguments.structure))
        return like_leaf(part.detach(), upstream) if has_tensor and hasattr(part, "detach") else upstream

    def _backward_among(self, parts: Sequence[Any]) -> Callable[..., Any]:
        function = self.backward or next(filter(callable, parts), None)
        if function is None:
            raise BadInput("forward returns no backward function; give backward")
        return function

    def _draw_upstream(self, reading: Reading, parts: Sequence[Any], draw: int, scale: float) -> list[Floats]:
        upstream = []
        for i, part in enumerate(parts[: sum(kind == "upstream" for kind, _ in reading)]):
            shape = np.shape(to_array(part, "the output of forward"))
            # Separate random streams: numbers of a common seed may be those of the input, which the gradient resembles.
            direction = normal_direction(_UPSTREAM_STREAM + _STREAMS_OF_AN_OUTPUT * i + draw, 0, int(np.prod(shape)))
            upstream.append(scale * direction.reshape(shape))
        return upstream

    # --- what the layer returns, and what it holds ------------------------------------------------------------------

    def _owner_arrays(self) -> Iterator[tuple[str, Any]]:
        yield from () if self._owner is None else arrays_in(self._owner)

    def _call_once(self) -> None:
        """Call both passes once, to see what they return and which arrays they set."""
        self._start = tuple(value.astype(np.float64) for value in self.arguments.values)
        values = [value.copy() for value in self._start]
        self.numbers.restore()
        result = quietly(lambda: self._call(values))
        after_forward = dict(self._owner_arrays())
        if result is None:
            before = {path: value for path, (value, _) in self._held.items()}
            self._output_path = find_output(before, after_forward, values)
            if self._output_path is None:
                raise BadInput("forward returns None and sets no array of its object; let it return the output")
        parts = self._output_parts(result)
        _refuse_other_numbers(to_array(parts[0], "the output of forward"))
        kept = [path for path in self._held if self._is_unchanged(path, after_forward)]
        errors = []
        for reading in readings_of(self._backward_among(parts), parts, self.arguments.names):
            try:
                returned = self._try_backward(reading)
            except BadInput as error:
                errors.append(error)
                continue
            if not self.readings:
                self._find_gradients(reading, kept, returned)
            self.readings.append(reading)
        if not self.readings:
            raise errors[0]
        linear = [reading for reading in self.readings[1:] if self._is_linear(reading)]
        self.readings = [*reversed(linear), *(reading for reading in self.readings if reading not in linear)]
        self.restore()

    def _try_backward(self, reading: Reading) -> Any:
        self.restore()
        self.numbers.restore()

        def call() -> Any:
            result = self._call([value.copy() for value in self._start])
            self._values = list(self._start)
            parts = self._output_parts(result)
            return self._call_backward(reading, parts, self._draw_upstream(reading, parts, 0, 1.0))

        return quietly(call)

    def _is_linear(self, reading: Reading) -> bool:
        """Whether the backward pass is linear in all that are taken for upstream gradients."""
        self.numbers.restore()
        held = [self._held[path][1] for path in self._gradients_of]
        values = [*self._start, *held] if self._argument_gradients else held
        upstream = self._draw_upstream(reading, self._run_forward(values), 0, 1.0)
        gradients = []
        for factor in (0.0, 1.0, 2.0):
            self.numbers.restore()
            scaled = [factor * u for u in upstream]
            gradients.append(quietly(partial(self._run_backward, reading, values, scaled)))
        zero, one, two = gradients
        return not any(map(np.any, zero)) and all(map(np.allclose, two, [2 * array for array in one]))

    def _is_unchanged(self, path: str, arrays: Mapping[str, Any]) -> bool:
        original, value = self._held[path]
        is_same = path in arrays and (arrays[path] is original or isinstance(original, float))
        return is_same and np.array_equal(as_numpy(arrays[path]), value)

    def _find_gradients(self, reading: Reading, kept: Sequence[str], result: Any) -> None:
        """Find the gradients of arguments and of arrays that the layer holds."""
        after = dict(self._owner_arrays())
        returned = dict(named_results(result, len(self._start)))
        self._find_named_gradients(reading, kept, after, returned)
        gradients = self._paths_of_gradients()
        arrays = [path for path in kept if path not in self._gradients_of and path not in gradients]
        read = [path for path in arrays if not isinstance(self._held[path][0], float) and self._is_read(path)]
        if self._are_sizes_of([value for key, value in returned.items() if isinstance(key, int)], read):
            self._gradients_of |= {path: partial(self._read_returned, i) for i, path in enumerate(read)}
            read = []
        self.not_compared = read + names_read(self.forward)
        if self._argument_gradients is None and not self._gradients_of:
            raise BadInput("the input of forward has no gradient, and no array of the layer has one, as dW beside W")
        if result is None and self._argument_gradients is not None:
            self._find_argument_gradients(after)

    def _are_sizes_of(self, gradients: Sequence[Any], paths: Sequence[str]) -> bool:
        return bool(gradients) and list(map(np.size, gradients)) == [self._held[path][1].size for path in paths]

    def _find_named_gradients(
        self, reading: Reading, kept: Sequence[str], after: Mapping[str, Any], returned: Mapping[Any, Any]
    ) -> None:
        """Find the gradients that are steps of an update, or that stand or come back under a name, as dW for W."""
        takes_rate = any(kind == "rate" for kind, _ in reading)
        for path in kept:
            at = next((other for other in gradient_paths(path) if other in after and other != path), None)
            key = next((name for name in marked_names(path) if name in returned), None)
            if takes_rate and not self._is_unchanged(path, after):
                self._gradients_of[path] = partial(self._moved_by, path)
            elif at is not None:
                self._gradients_of[path] = partial(self._read_attribute, at)
                self._zeros += [at] if at in self._held else []
            elif key is not None:
                self._gradients_of[path] = partial(self._read_returned, key)

    def _find_argument_gradients(self, after: Mapping[str, Any]) -> None:
        """Find the arrays that a backward pass that returns nothing has set for its arguments."""
        made = [path for path, value in after.items() if path not in self._held or self._held[path][0] is not value]
        names = [next((name for name in marked_names(name) if name in made), None) for name in self.arguments.names]
        if names == [None]:
            shape = self._start[0].shape
            of_held = self._paths_of_gradients()
            marked = [path for path in made if path not in of_held and is_gradient_name(path)]
            names = [next((path for path in marked if np.shape(after[path]) == shape), None)]
        if all(names):
            self._argument_gradients = lambda result: [self._read_attribute(str(name), result) for name in names]
        elif self._gradients_of:
            self._argument_gradients = None
        else:
            wanted = join_names([f"d{name}" for name in self.arguments.names])
            raise BadInput(f"backward returns None and sets no gradient of its input; return it, or set it as {wanted}")

    def _paths_of_gradients(self) -> set[str]:
        return {gradient_path for path in self._gradients_of for gradient_path in gradient_paths(path)}

    def _read_attribute(self, path: str, result: Any) -> Any:
        return attribute_at(self._owner, path)

    def _read_returned(self, key: Any, result: Any) -> Any:
        return dict(named_results(result, len(self._start)))[key]

    def _moved_by(self, path: str, result: Any) -> Any:
        """The gradient of an array that the backward pass moves itself, at a rate of 1."""
        before = dict(zip(self._gradients_of, self._values[len(self._start) :], strict=True))
        return np.real(before[path]) - attribute_at(self._owner, path)

    def _is_read(self, path: str) -> bool:
        """Whether the output depends on an array that the layer holds."""
        original, value = self._held[path]
        outputs = []
        for moved in (value, value + 0.1 * (1 + np.abs(value))):
            self.restore()
            self.numbers.restore()
            assign_attribute(self._owner, path, like_leaf(original, moved))
            try:
                outputs.append(self._first_output())
            except BadInput:  # it is read
                return True
        return not np.array_equal(outputs[0], outputs[1], equal_nan=True)

    def _first_output(self) -> Floats:
        result = quietly(lambda: self._call([value.copy() for value in self._start]))
        return to_array(self._output_parts(result)[0], "the output of forward")


def _layer_hypotheses(evidence: GradientEvidence, u: Floats, back: Callable[..., list[Floats]]) -> Iterator[Hypothesis]:
    """Yield hypotheses about a wrong backward pass of a layer."""
    if all(map(np.array_equal, back(), back(factor=2.0))):
        sentence = "the backward pass gives the same for any upstream gradient"
        yield one_mistake("upstream_ignored", evidence.wrong, sentence, where=evidence.names)
    if len(evidence.parameters) == 1 and evidence.parameters[0].fits(u):
        sentence = "the backward pass returns the upstream gradient, without the derivative"
        yield one_mistake("derivative_missing", evidence.wrong, sentence, where=evidence.names)


def _refuse_other_numbers(output: Floats) -> None:
    if output.dtype.kind not in "fiubc":
        raise BadInput(f"the output of forward holds {output.dtype}; return an array of numbers")
    if not np.isfinite(output).all():
        raise BadInput("forward gives a number that is not finite at this input; give one at which all are")
