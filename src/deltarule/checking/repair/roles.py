"""What the parts of a line are: gradients, masks, counts, slopes, penalties; by their names, form and values."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.repair.differences import factors_of

GRADIENT = re.compile(r"(d|grad|delta|g)([A-Z_]|\d|[a-z]{0,6}\d?$)|.*(grad|delta|upstream|dout)")
"""Names of gradients, such as dz2, d_h, dW, delta3, grad_output."""
MASK = re.compile(r"(?i)mask|drop|keep|kept|active|alive|valid")
DROPOUT = re.compile(r"(?i)drop|keep|kept")
COUNT = re.compile(r"len\(.+\)|.+\.shape\[-?\d\]|.+\.size|[nNmMbB]|(self\.)?(batch(_size)?|num_\w+|n_\w+|count)")
SLOPE = re.compile(r"grad|deriv|prime|slope")
TARGET = re.compile(r"(?i)^(self\.)?(y|t|Y|T|target\w*|labels?|y_?true|one_?hot\w*|\w*\.?eye\(.*\)|y_\w+|ys?\[.*\])$")
PRE_ACTIVATION = re.compile(r"(self\.)?(z|Z|pre|net|logit)|.*_in\b")


@dataclass(frozen=True)
class Facts:
    """What is known about a program beside its lines.

    parameters     the names of its parameters
    inputs         the names of the arguments of its backward pass
    value_of       the value that a text has where the mistake is; None where it has none
    of_numbers     all parameters are numbers: then another number is rarely a constant
    """

    parameters: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    value_of: Callable[[str], Any] = lambda text: None
    of_numbers: bool = False

    def is_parameter(self, text: str) -> bool:
        names = {re.findall(r"\w+", name)[-1] for name in self.parameters if re.findall(r"\w+", name)}
        words = re.findall(r"\w+", text.replace(".T", ""))
        return bool(words) and (text.replace(".T", "") in self.parameters or words[-1] in names)

    def is_number(self, text: str) -> bool:
        value = self.value_of(text)
        is_plain = re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) or "sqrt(" in text
        return bool(is_plain) or (value is not None and np.ndim(value) == 0 and not self.of_numbers)

    def is_count(self, text: str) -> bool:
        """Whether a text is a number of samples, by its name and its value."""
        value = self.value_of(text)
        return bool(COUNT.fullmatch(text)) and not self.is_parameter(text) and (value is None or value == value // 1)

    def is_mask(self, node: ast.expr) -> bool:
        text = ast.unparse(node)
        value = self.value_of(text)
        is_named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and bool(MASK.search(text))
        return isinstance(node, ast.Compare) or is_named or getattr(value, "dtype", np.dtype(float)).kind == "b"


def is_penalty(term: ast.expr, facts: Facts) -> bool:
    """Whether a term has nothing but a parameter, or its signs, and numbers."""
    factors = [ast.unparse(node) for _, node in factors_of(term)]
    of_parameters = [one for one in factors if facts.is_parameter(re.sub(r"^\w+\.sign\((.*)\)$", r"\1", one))]
    rest = [one for one in factors if one not in of_parameters]
    are_numbers = all(COUNT.fullmatch(one) or re.fullmatch(r"[\w.]+", one) for one in rest)
    return len(of_parameters) == 1 and bool(rest) and are_numbers


def is_slope(node: ast.expr, facts: Facts) -> bool:
    """Whether a factor is the derivative of an activation: 1 − a², a (1 − a), or a function called so."""
    text = ast.unparse(node)
    if isinstance(node, ast.Call) and SLOPE.search(ast.unparse(node.func)):
        return True
    return bool(re.search(r"\b1(\.0)? - ", text)) and not GRADIENT.match(text)


def has_gradient(text: str) -> bool:
    return any(is_gradient(word) for word in re.findall(r"[A-Za-z_]\w*", text))


def is_gradient(text: str) -> bool:
    return bool(GRADIENT.match(re.sub(r"^self\.", "", text)))
