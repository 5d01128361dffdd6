"""Student programs for the gradient checker: one correct program per style, its variants, and mistakes as small edits.

A style's file holds the program as text. A mistake (`Slip`) replaces one line of it and states which arrays of the
gradient become wrong; `find_wrong_arrays` measures these independently of the checker, by central differences.
"""

import importlib.util
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

CORPUS = Path(__file__).parents[1] / "checking" / "corpus"
LIBRARIES = ("jax", "torch")
DIFFERENCE_STEP = 1e-6
RELATIVE_TOLERANCE = 1e-5
MIN_ERROR_SCALE = 1e-3  # gradients that are 0 in theory, as of a bias before batch norm, are rounding errors
PERTURBATION = 1e-3  # moves pre-activations off a kink at which zero biases may put them


@dataclass(frozen=True)
class Slip:
    """One mistake: an edit of a correct program.

    Attributes
    ----------
    name : identifies the mistake within its style.
    replace, by : the line to fix, as it is in the correct program and in the wrong one.
    codes : acceptable codes of the mistake, the best first; a code without a section in the docs is a proposal.
    wrong : names of the arrays whose gradients are wrong. All others are right.
    meaning : the mistake in words.
    phrases : regular expressions; an explanation that matches one names the mistake too.
    on : the variant that is edited; the unchanged program by default.
    """

    name: str
    replace: str
    by: str
    codes: tuple[str, ...]
    wrong: tuple[str, ...]
    meaning: str
    phrases: tuple[str, ...] = ()
    on: str = ""


@dataclass(frozen=True)
class Variant:
    """Another correct program, by edits (text, replacement) of the first."""

    name: str
    edits: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Measurement:
    """The measured quantities of a program: a loss of arrays that are changed in place, and its gradient by array."""

    loss: Callable[[], Any]
    gradient: Callable[[], Mapping[str, Any]]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Style:
    """A way of writing backpropagation.

    Attributes
    ----------
    source : a correct program as a student writes it.
    check : makes the student's call of the checker and returns its report.
    measure : prepares the independent measurement.
    slips, variants : mistakes, and further correct programs.
    double_precision : a context in which programs compute in float64, for the measurement.
    """

    source: str
    check: Callable[[Any], Any]
    measure: Callable[[Any], Measurement]
    slips: tuple[Slip, ...]
    variants: tuple[Variant, ...]
    double_precision: Callable[[], AbstractContextManager[Any]] = field(default=nullcontext)


@dataclass(frozen=True)
class Program:
    """A correct program, or a wrong one with its slip."""

    half: str
    style_name: str
    style: Style
    name: str
    source: str
    slip: Slip | None = None

    @property
    def id(self) -> str:
        return f"{self.style_name}-{re.sub('[^a-zA-Z0-9]+', '_', self.name).strip('_')}"

    def load(self, source: str | None = None) -> ModuleType:
        """Run the source, or another one, as a new module."""
        source = self.source if source is None else source
        module = ModuleType(f"student_{self.style_name}")
        filename = f"<{self.id}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        exec(compile(source, filename, "exec"), module.__dict__)
        return module

    def check(self) -> Any:
        return self.style.check(self.load())

    def find_wrong_arrays(self) -> tuple[str, ...]:
        """Names of the arrays whose gradients differ from central differences, in float64."""
        with self.style.double_precision():
            student = self.load(self.source.replace("float32", "float64"))
            return find_wrong_arrays(self.style.measure(student))


def find_wrong_arrays(measurement: Measurement) -> tuple[str, ...]:
    """Names of the arrays whose gradients differ from central differences."""
    generator = np.random.default_rng(20261124)
    for array in measurement.parameters.values():
        array += PERTURBATION * generator.normal(size=array.shape)
    measurement.gradient()  # a gradient that accumulates over calls is wrong from the second call on
    gradient = {name: np.array(array, float) for name, array in measurement.gradient().items()}
    wrong = []
    for name, array in measurement.parameters.items():
        expected = measure_gradient(measurement.loss, array)
        if not is_close(gradient[name], expected):
            wrong.append(name)
    return tuple(wrong)


def is_close(gradient: Any, expected: Any) -> bool:
    """Whether a gradient has the expected shape, except for axes of length 1, and values."""
    if np.squeeze(gradient).shape != np.squeeze(expected).shape:
        return False
    gradient = gradient.reshape(expected.shape)
    scale = max(np.abs(expected).max(), np.abs(gradient).max(), MIN_ERROR_SCALE)
    return bool(np.abs(gradient - expected).max() <= RELATIVE_TOLERANCE * scale)


def measure_gradient(loss: Callable[[], Any], array: Any) -> Any:
    """The central differences of a loss with respect to an array that is moved in place."""
    gradient = np.zeros(array.shape)
    for index in np.ndindex(*array.shape):
        value = array[index]
        array[index] = value + DIFFERENCE_STEP
        above = float(loss())
        array[index] = value - DIFFERENCE_STEP
        gradient[index] = (above - float(loss())) / (2 * DIFFERENCE_STEP)
        array[index] = value
    return gradient


def measure_layer(
    forward: Callable[..., Any], backward: Callable[[Any], Any], inputs: Mapping[str, Any], names: tuple[str, ...] = ()
) -> Measurement:
    """The measurement of a layer: `forward` of the inputs' values, weighted by a random upstream gradient."""
    upstream = np.random.default_rng(977).normal(size=np.shape(forward(*inputs.values())))

    def gradient() -> Mapping[str, Any]:
        forward(*inputs.values())
        gradients = backward(upstream)
        return dict(zip(names or inputs, gradients if isinstance(gradients, tuple) else (gradients,), strict=True))

    return Measurement(lambda: np.sum(upstream * forward(*inputs.values())), gradient, inputs)


def measure_step(
    step: Callable[[], Any], loss: Callable[[], Any], parameters: Mapping[str, Any], learning_rate: float
) -> Measurement:
    """The measurement of an update: the gradient is (before − after) / learning rate."""

    def gradient() -> Mapping[str, Any]:
        before = {name: array.copy() for name, array in parameters.items()}
        step()
        gradients = {name: (before[name] - array) / learning_rate for name, array in parameters.items()}
        for name, array in parameters.items():
            array[...] = before[name]
        return gradients

    return Measurement(loss, gradient, parameters)


def edit(source: str, replace: str, by: str) -> str:
    """Replace text that occurs exactly once."""
    count = source.count(replace)
    if count != 1:
        raise ValueError(f"the text occurs {count} times, expected 1: {replace!r}")
    return source.replace(replace, by)


def list_programs(half: str | None = None) -> tuple[list[Program], list[Program]]:
    """All wrong and all correct programs, of one half or of both; styles whose library is missing are left out."""
    wrong, right = [], []
    for name, module in load_style_files():
        if half not in (None, module.HALF):
            continue
        style: Style = module.STYLE
        sources = {"": style.source}
        for variant in style.variants:
            source = style.source
            for replace, by in variant.edits:
                source = edit(source, replace, by)
            sources[variant.name] = source
        right += [Program(module.HALF, name, style, key or "as written", text) for key, text in sources.items()]
        for slip in style.slips:
            source = edit(sources[slip.on], slip.replace, slip.by)
            wrong.append(Program(module.HALF, name, style, slip.name, source, slip))
    return wrong, right


@cache
def load_style_files() -> tuple[tuple[str, Any], ...]:
    """The names and modules of the files in the corpus that hold a style."""
    return tuple(_load_style_files())


def _load_style_files() -> Iterator[tuple[str, Any]]:
    for path in sorted(CORPUS.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        imported = [name for name in LIBRARIES if re.search(rf"^(import|from) {name}\b", text, re.MULTILINE)]
        if not re.search(r"^HALF = ", text, re.MULTILINE) or any(importlib.util.find_spec(n) is None for n in imported):
            continue
        spec = importlib.util.spec_from_file_location(f"corpus_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        yield path.stem, module


@dataclass(frozen=True)
class Outcome:
    """The result of the checker for a program."""

    program: Program
    verdict: str  # "right", "wrong", "not proved" or "refused"
    codes: tuple[str, ...]
    is_named: bool
    are_arrays_right: bool
    text: str


def judge(program: Program) -> Outcome:
    """Check a program and compare what is reported with the slip's metadata."""
    try:
        report = program.check()
    except Exception as error:
        return Outcome(program, "refused", (), False, False, f"{type(error).__name__}: {error}")
    verdict = "right" if report.ok else "wrong" if "WRONG" in str(report.verdict).upper() else "not proved"
    codes = tuple(diagnosis.code for diagnosis in report.diagnosis)
    slip, text = program.slip, str(report)
    explanations = " ".join(" ".join(map(str, vars_of(diagnosis))) for diagnosis in report.diagnosis)
    is_named = slip is not None and (
        (len(codes) <= 2 and any(code in slip.codes for code in codes))
        or any(re.search(phrase, explanations, re.IGNORECASE) for phrase in slip.phrases)
    )
    return Outcome(program, verdict, codes, is_named, are_arrays_right(program, report), text)


def vars_of(diagnosis: Any) -> list[Any]:
    """The values of a diagnosis's fields, whatever their names."""
    return [getattr(diagnosis, name) for name in getattr(diagnosis, "__dataclass_fields__", {})]


def are_arrays_right(program: Program, report: Any) -> bool:
    """Whether the report's verdict of each array is that of the metadata; False without verdicts by array."""
    verdicts = {array.name: str(array.verdict) for array in getattr(report, "arrays", None) or ()}
    wrong = () if program.slip is None else program.slip.wrong
    with program.style.double_precision():
        names = list(program.style.measure(program.load()).parameters)
    if not set(names) <= set(verdicts):  # a list of arrays: the checker chooses the names
        if len(verdicts) != len(names):
            return False
        verdicts = dict(zip(names, verdicts.values(), strict=True))
    return all((verdicts[name] == "wrong") == (name in wrong) for name in names) and all(
        verdicts[name] == "right" for name in names if name not in wrong
    )
