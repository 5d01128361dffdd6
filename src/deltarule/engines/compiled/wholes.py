"""How far the whole numbers of a formula may go: Python's have no end, and those of a program have 64 bits.

An expression has a span, the least and the most of its whole values, or none where all of its values are floats. Sums
and products of whole numbers have to stay below 2⁵³, so that they are exact as floats, too.
"""

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from deltarule.maths import elementary

Span = tuple[int, int] | None

_EXACT = 2**53
_FAR = 2**1100
"""More than any float: what may be any whole number."""
_PASSES = 2**24
"""No loop of a formula is gone through more often: the reference engine would take half a minute for one value."""
_ROUNDS = _UNROLLED = 64
_LOOPS = (ast.For, ast.While, ast.comprehension)
_ANY = (-_FAR, _FAR)
_TRUTH = (0, 1)
_OF_ARGUMENTS = frozenset({"min", "max", "sorted", "reversed", "tuple", "list", "zip"})


class Growing(Exception):
    """Whole numbers may go beyond what a program can hold."""


def returned(function: FunctionType, given: Mapping[str, Span], source: Callable[[FunctionType], ast.Module]) -> Span:
    """The span of what a formula returns; raises `Growing` where it cannot be told that its whole numbers stay small.

    given   the spans of its arguments, where they are no floats      source   gives a function's definition
    """
    (definition,) = source(function).body
    assert isinstance(definition, ast.FunctionDef)
    names, defaults = [one.arg for one in definition.args.args], function.__defaults__ or ()
    start = {name: _of_value(value) for name, value in zip(names[len(names) - len(defaults) :], defaults, strict=True)}
    spans = _Spans(function, {**start, **given}, source)
    spans.run(definition.body)
    return _union(*spans.results)


class _Spans:
    """The spans of a formula's variables, after each of its statements in turn."""

    def __init__(
        self, function: FunctionType, start: dict[str, Span], source: Callable[[FunctionType], ast.Module]
    ) -> None:
        self.own, self.known, self.source = set(function.__code__.co_varnames), function.__globals__, source
        self.variables, self.results = start, list[Span]()

    def run(self, body: Sequence[ast.stmt]) -> None:
        """Go through statements; loops of a few passes are gone through as often as the formula does."""
        for node in body:
            if isinstance(node, ast.If) and not _holds(node.test, *_LOOPS, ast.NamedExpr):
                list(self._assigned(node.test))
                before = dict(self.variables)
                self.run(node.body)
                after, self.variables = self.variables, before
                self.run(node.orelse)
                self.variables |= {name: _union(span, self.variables.get(name)) for name, span in after.items()}
            elif isinstance(node, ast.For) and (passes := self._passes(node)) is not None:
                for i in passes:
                    self.variables[ast.unparse(node.target)] = (i, i)
                    self.run(node.body)
                self.run(node.orelse)
            elif _holds(node, *_LOOPS, ast.NamedExpr):
                self._settle(node)
            else:
                self.variables |= {name: self.of(value) for name, value in list(self._assigned(node))}

    def _passes(self, node: ast.For) -> range | None:
        """What a loop counts through, where it is known, and not much, and the loop never cut short."""
        call = node.iter
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and isinstance(node.target, ast.Name)):
            return None
        if call.func.id != "range" or "range" in {*self.known, *self.own} or _holds(node, ast.Break, ast.Continue):
            return None
        ends = [span[0] for span in map(self.of, call.args) if span and span[0] == span[1]]
        if len(ends) < len(call.args) or 0 in ends[2:]:
            return None
        found = range(*ends)
        return None if found[_UNROLLED:] else found

    def _settle(self, node: ast.stmt) -> None:
        """Let each variable have what every statement of a loop gives it, however often."""
        begun = dict(self.variables)
        """The spans of variables without what they are counted up or down by."""
        for _ in range(_ROUNDS):
            before, steps = dict(self.variables), dict[str, Span]()
            for name, value in self._assigned(node):
                step = _step(name, value)
                if step:
                    steps[name] = _union(steps.get(name), self.of(step))
                else:
                    begun[name] = _union(begun.get(name), self.of(value))
            for name, span in begun.items():
                far = _PASSES * _size(steps.get(name))
                self.variables[name] = _small((span[0] - far, span[1] + far)) if span and far else span
            if self.variables == before:
                return
        raise Growing

    def _assigned(self, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
        """What is given to which variable; every sum and product is looked at on the way, and every result."""
        for one in ast.walk(node):
            if isinstance(one, ast.Assign):
                for target in one.targets:
                    yield from _pairs(target, one.value)
            elif isinstance(one, ast.AugAssign):
                yield from _pairs(one.target, ast.BinOp(one.target, one.op, one.value))
            elif isinstance(one, ast.AnnAssign | ast.NamedExpr) and one.value:
                yield from _pairs(one.target, one.value)
            elif isinstance(one, ast.For | ast.comprehension):
                yield from _pairs(one.target, _any_of(one.iter))
            elif isinstance(one, ast.Return):
                self.results.append(self.of(one.value))
            elif isinstance(one, ast.BinOp | ast.Call):
                self.of(one)

    def of(self, node: ast.AST | None) -> Span:
        """The span of an expression."""
        if isinstance(node, ast.Constant):
            return _of_value(node.value)
        if isinstance(node, ast.Name):
            return self.variables.get(node.id) if node.id in self.own else _of_value(self.known.get(node.id))
        if isinstance(node, ast.Compare):
            return _TRUTH
        if isinstance(node, ast.UnaryOp):
            span = self.of(node.operand)
            if isinstance(node.op, ast.Not):
                return _TRUTH
            return (-span[1], -span[0]) if span and isinstance(node.op, ast.USub) else span
        if isinstance(node, ast.BinOp):
            return _combined(node.op, self.of(node.left), self.of(node.right))
        if isinstance(node, ast.Call):
            return self._called(node)
        if isinstance(node, ast.Subscript):
            return self.of(node.value)
        if isinstance(node, ast.IfExp):
            return _union(self.of(node.body), self.of(node.orelse))
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            return self.of(node.elt)
        return _union(*map(self.of, ast.iter_child_nodes(node))) if isinstance(node, ast.expr) else None

    def _called(self, node: ast.Call) -> Span:
        given = [*map(self.of, node.args)]
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name == "select":  # of the test nothing is kept
            return _union(*given[1:])
        value = self.known.get(name) if isinstance(node.func, ast.Name) else np
        if isinstance(value, FunctionType) and value.__module__ != elementary.__name__:
            names = value.__code__.co_varnames
            by_name = {one.arg: self.of(one.value) for one in node.keywords if one.arg}
            return returned(value, {**dict(zip(names, given, strict=False)), **by_name}, self.source)
        if value is not None or name == "float":  # one of NumPy's functions, or of ours
            return None
        if name == "pow" and len(given) == 2:
            return _combined(ast.Pow(), *given)
        span = _union(*given)
        if name in _OF_ARGUMENTS:
            return span
        if name == "abs":
            return span and (0, _size(span))
        if name == "range" and span:
            begin, step = (given[0] if given[1:] else None) or (0, 0), given[2] if given[2:] else (1, 1)
            far = _PASSES * _size(step)
            return max(min(0, span[0]), begin[0] - far), min(max(0, span[1]), begin[1] + far)
        if name == "enumerate":
            return _union(span, (0, _PASSES))
        return (0, _PASSES) if name == "len" else _ANY


def _of_value(value: Any) -> Span:
    """The span of a number that a formula reads."""
    return (int(value), int(value)) if isinstance(value, int) else None


def _holds(node: ast.AST, *kinds: type[ast.AST]) -> bool:
    return any(isinstance(one, kinds) for one in ast.walk(node))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """The variables in a target, each with what it is given: its own part of a tuple, or one of all that there are."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for part, its in zip(target.elts, value.elts, strict=True):
            yield from _pairs(part, its)
    else:
        yield from ((one.id, _any_of(value)) for one in ast.walk(target) if isinstance(one, ast.Name))


def _any_of(values: ast.expr) -> ast.expr:
    return ast.Subscript(values, ast.Constant(0), ast.Load())


def _step(name: str, value: ast.expr) -> ast.expr | None:
    """What a variable is counted up or down by: e in n + e, e + n and n - e."""
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add | ast.Sub):
        return None
    if isinstance(value.left, ast.Name) and value.left.id == name:
        return value.right
    back = isinstance(value.op, ast.Add) and isinstance(value.right, ast.Name) and value.right.id == name
    return value.left if back else None


def _combined(op: ast.operator, one: Span, other: Span) -> Span:
    """The span of an operation; raises `Growing` where a program might not do it exactly."""
    if one is None or other is None or isinstance(op, ast.Div):
        return None
    if isinstance(op, ast.Pow):  # a program makes a float of it
        if other[1] < 0:
            return None
        far = max(2, _size(one)) ** other[1] if other[1] < 1100 else _FAR
        return (-far if one[0] < 0 else 0, far)
    _small(one), _small(other)
    if isinstance(op, ast.Mult):
        ends = [i * j for i in one for j in other]
        return _small((min(ends), max(ends)))
    if isinstance(op, ast.Add):
        return _small((one[0] + other[0], one[1] + other[1]))
    if isinstance(op, ast.Sub):
        return _small((one[0] - other[1], one[1] - other[0]))
    if isinstance(op, ast.Mod):
        return -_size(other), _size(other)
    if isinstance(op, ast.LShift):
        raise Growing
    # Of // and >> no result is farther from 0, but for rounding down; of & | ^ none has more digits.
    far = 2 * _size(one) + 2 * _size(other) if isinstance(op, ast.BitAnd | ast.BitOr | ast.BitXor) else _size(one) + 1
    return _TRUTH if {*one, *other} <= {*_TRUTH} else _small((-far, far))


def _small(span: tuple[int, int]) -> tuple[int, int]:
    if _size(span) > _EXACT:
        raise Growing
    return span


def _size(span: Span) -> int:
    return max(map(abs, span)) if span else 0


def _union(*spans: Span) -> Span:
    ends = [end for span in spans if span for end in span]
    return (min(ends), max(ends)) if ends else None
