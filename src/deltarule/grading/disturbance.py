"""Run a submission's code with small errors in each of its operations, as if it were rounded more coarsely.

A gradient that is written out changes by little more than these errors. Differences and complex steps divide by a small
number what two nearly equal values differ in, so they magnify the errors, however the code is written (Monte Carlo
arithmetic: Parker 1997). The errors are a function of the value: equal values stay equal, whole numbers whole.

A submission's process runs this file too; it imports nothing of deltarule.
"""

import ast
import builtins
import contextlib
import decimal
import fractions
import gc
import math
import types

import numpy as np

RELATIVE_ERROR = 2.0**-30
RELATIVE_ERROR_SINGLE = 2.0**-19
"""For arrays in single precision, whose own rounding is 2⁻²⁴."""
COMPUTING = set(
    "sum mean average dot einsum matmul tensordot inner vdot outer norm var std prod fsum convolve interp "
    "expit softmax log_softmax logsumexp cumsum trapezoid".split()
)
"""Functions and methods that compute, beside those of `math`, and NumPy's elementwise ones but for `SELECTING`."""
SELECTING = set(
    "maximum minimum fmax fmin absolute fabs negative positive sign rint floor ceil trunc conjugate".split()
)
AS_WRITTEN = set("super locals globals vars dir eval exec".split())
"""Functions that depend on the frame that calls them."""
MAX_OPERATIONS = 200_000
"""So that loops over single numbers take twice as long, not ten times."""
MIN_OWN_OPERATIONS = 4
"""Results of a class's own operators from which on it may record a gradient."""
OPERATORS = ast.Add | ast.Sub | ast.Mult | ast.Div | ast.Pow | ast.MatMult


class Disturbance(ast.NodeTransformer):
    """A context in which functions from some files compute with relative errors.

    `read_trees` gives the parts of a file that were compiled each on its own; none for files of others. `kinds` are
    what the functions met meanwhile: complex numbers, numbers of another type, operators of its own classes, fft.
    """

    def __init__(self, read_trees, error=RELATIVE_ERROR):
        self.read_trees = read_trees
        self.error = error
        self.kinds = set()
        self.replaced = []
        self.operations = self.own_operations = 0

    def __enter__(self):
        builtins.__disturb__, builtins.__disturb_call__ = self.disturb, self.call
        builtins.__disturb_in_place__ = self.disturb_in_place
        functions = [f for f in gc.get_objects() if type(f) is types.FunctionType]
        codes = {}
        for name in {function.__code__.co_filename for function in functions}:
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                for tree in self.read_trees(name):
                    plain = compile(tree, name, "exec")
                    disturbed = ast.fix_missing_locations(self.visit(tree))
                    codes |= paired(plain, compile(disturbed, name, "exec"))
        self.replaced = [(f, f.__code__) for f in functions if f.__code__ in codes]
        for function, code in self.replaced:
            function.__code__ = codes[code]
        return self

    def __exit__(self, *_):
        for function, code in self.replaced:
            function.__code__ = code
        self.error = 0.0  # functions that were made meanwhile are still disturbed

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return called("__disturb__", node, node) if isinstance(node.op, OPERATORS) else node

    def visit_Call(self, node):
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in AS_WRITTEN:
            return node
        return called("__disturb_call__", node, node.func, *node.args, keywords=node.keywords)

    def visit_AugAssign(self, node):
        """Add an assignment of the target's own disturbed value."""
        self.generic_visit(node)
        if not isinstance(node.op, OPERATORS) or any(isinstance(part, ast.Call) for part in ast.walk(node.target)):
            return node
        target = ast.unparse(node.target)
        [again] = ast.parse(f"{target} = __disturb_in_place__({target})").body
        return [node, again]

    def disturb_in_place(self, value):
        if not isinstance(value, np.ndarray):
            return self.disturb(value)
        value[...] = self.disturb(value)
        return value

    def call(self, function, /, *arguments, **options):
        result = function(*arguments, **options)
        name, module = (getattr(function, key, None) or "" for key in ("__name__", "__module__"))
        if "fft" in module or "fft" in name:
            self.kinds.add("fft")
        is_computing = isinstance(function, np.ufunc) or module == "math" or name in COMPUTING
        return self.disturb(result) if is_computing and name not in SELECTING else result

    def disturb(self, value):
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            return value
        kind = type(value)
        if kind is float:
            if value.is_integer() or not math.isfinite(value):
                return value
            return value + value * self.error * math.sin(1e12 * math.frexp(value)[0])
        if isinstance(value, np.ndarray | np.generic):
            return self.disturb_array(value)
        if kind is complex:
            self.kinds.add("complex numbers")
            return value + abs(value) * self.error * complex(0.6, 0.8)
        if kind in (decimal.Decimal, fractions.Fraction) or kind.__name__ == "mpf":
            self.kinds.add("numbers of another type")
            share = hash(value) * 0x9E3779B97F4A7C15 % 2**32 / 2**31 - 1.0  # of all their digits
            return value + value * kind(self.error * share)
        if isinstance(getattr(kind, "__add__", None), types.FunctionType):
            self.own_operations += 1
            self.kinds |= {"operators of its own classes"} if self.own_operations >= MIN_OWN_OPERATIONS else set()
        return value

    def disturb_array(self, value):
        kind = value.dtype.kind
        if kind == "O" and value.ndim:
            return np.frompyfunc(self.disturb, 1, 1)(value)
        if kind not in "fc":
            return value
        if kind == "c" or value.dtype.itemsize > 8:
            self.kinds.add("complex numbers" if kind == "c" else "numbers of another type")
        with np.errstate(all="ignore"):
            errors = self.error * np.sin(1e12 * np.frexp(value.real)[0]).astype(float)
            if kind == "c":
                return value + np.abs(value) * errors * complex(0.6, 0.8)
            disturbed = value + value * errors.astype(value.dtype)
            return np.where((value == np.rint(value)) | ~np.isfinite(value), value, disturbed)[()]


def called(name, node, *arguments, keywords=()):
    return ast.copy_location(ast.Call(ast.Name(name, ast.Load()), list(arguments), list(keywords)), node)


def paired(code, other):
    """The codes of functions within a code, each with its counterpart."""
    parts, others = ([c for c in owner.co_consts if isinstance(c, types.CodeType)] for owner in (code, other))
    pairs = {}
    for part, counterpart in zip(parts, others, strict=True):
        pairs |= {part: counterpart} | paired(part, counterpart)
    return pairs
