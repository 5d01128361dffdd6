"""A tape of scalar operations: each entry has its inputs and local derivatives, and is replayed backward."""

from typing import Any

from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_gradient

HALF = "second"

SOURCE = """\
import math

import numpy as np

tape = []


class Node:
    def __init__(self, value, parents=()):
        self.value = float(value)
        self.index = len(tape)
        tape.append([(parent.index, derivative) for parent, derivative in parents])

    def __add__(self, other):
        return Node(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __sub__(self, other):
        return Node(self.value - other.value, [(self, 1.0), (other, -1.0)])

    def __mul__(self, other):
        return Node(self.value * other.value, [(self, other.value), (other, self.value)])

    def __truediv__(self, other):
        return Node(self.value / other.value, [(self, 1 / other.value), (other, -self.value / other.value**2)])


def exp(node):
    result = math.exp(node.value)
    return Node(result, [(node, result)])


def log(node):
    return Node(math.log(node.value), [(node, 1 / node.value)])


def sqrt(node):
    root = math.sqrt(node.value)
    return Node(root, [(node, 0.5 / root)])


def sin(node):
    return Node(math.sin(node.value), [(node, math.cos(node.value))])


def backward(node):
    grads = [0.0] * len(tape)
    grads[node.index] = 1.0
    for i in range(node.index, -1, -1):
        for parent, derivative in tape[i]:
            grads[parent] += grads[i] * derivative
    return grads


points = [(0.5, -1.2), (1.5, 0.3), (-0.7, 0.8), (0.2, 2.0)]
labels = [0, 2, 1, 2]


def total(nodes):
    result = nodes[0]
    for node in nodes[1:]:
        result = result + node
    return result


def scores(W, b, point):
    x = [Node(value) for value in point]
    h = [sin(row[0] * x[0] + row[1] * x[1] + bias) for row, bias in zip(W, b)]
    length = sqrt(total([unit * unit for unit in h]))
    return [unit / length for unit in h]


def loss(W, b):
    tape.clear()
    W = [[Node(w) for w in row] for row in W]
    b = [Node(v) for v in b]
    losses = []
    for point, label in zip(points, labels):
        e = [exp(score) for score in scores(W, b, point)]
        losses.append(Node(0.0) - log(e[label] / total(e)))
    result = total(losses) / Node(len(points))
    return result, W, b


def loss_value(W, b):
    return loss(W, b)[0].value


def loss_gradient(W, b):
    result, W, b = loss(W, b)
    grads = backward(result)
    return [[grads[w.index] for w in row] for row in W], [grads[v.index] for v in b]


W = np.array([[0.9, -0.4], [0.3, 0.8], [-0.5, 0.6]])
b = np.array([0.1, -0.2, 0.4])
"""

NAMES = ("W", "b")


def check(student: Any) -> Any:
    return check_gradient(student.loss_value, student.loss_gradient, [student.W, student.b])


def measure(student: Any) -> Measurement:
    values = {name: getattr(student, name) for name in NAMES}
    return Measurement(
        lambda: student.loss_value(*values.values()),
        lambda: dict(zip(NAMES, student.loss_gradient(*values.values()), strict=True)),
        values,
    )


BY_TEMPERATURE = (("e = [exp(score) for", "e = [exp(score / Node(0.3)) for"),)
UNNORMALIZED = (
    ("    length = sqrt(total([unit * unit for unit in h]))\n    return [unit / length for unit in h]\n",
     "    return h\n"),
)  # fmt: skip
VARIANTS = (
    Variant("temperature", BY_TEMPERATURE),
    Variant("without unit length", UNNORMALIZED),
    Variant("penalty", (
        ("    return result, W, b\n",
         "    result = result + Node(0.1) * total([w * w for row in W for w in row])\n    return result, W, b\n"),
    )),
)  # fmt: skip

ALL = ("W", "b")
QUOTIENT = "-self.value / other.value**2"
SLIPS = (
    Slip("assignment", "grads[parent] += grads[i]", "grads[parent] = grads[i]",
         ("gradient_overwritten",), ALL, "a node that is used twice keeps one gradient"),
    Slip("quotient without a square", QUOTIENT, "-self.value / other.value", ("power_rule", "quotient_rule",
         "derivative_wrong"), ALL, "the derivative in the denominator is divided by it once instead of twice"),
    Slip("sign of the quotient", QUOTIENT, "self.value / other.value**2", ("quotient_rule", "power_rule",
         "loss_derivative_sign"), ALL,
         "the derivative in the denominator lacks its minus"),
    Slip("denominator as a constant", QUOTIENT, "0.0", ("normalization_constants", "path_missing"),
         ALL, "the gradient does not pass the denominators"),
    Slip("sign of the difference", "(self, 1.0), (other, -1.0)", "(self, 1.0), (other, 1.0)", ("sign",), ALL,
         "the second term of a difference gets the sign of a sum"),
    Slip("logarithm's derivative at the output", "[(node, 1 / node.value)]", "[(node, 1 / math.log(node.value))]",
         ("derivative_at_output",), ALL, "1 / log u stands in place of 1 / u"),
    Slip("sine's derivative at the output", "math.cos(node.value))]", "math.cos(math.sin(node.value)))]",
         ("derivative_at_output",), ALL, "the cosine is taken of the output instead of the input"),
    Slip("derivative of the exponential function", "[(node, result)]", "[(node, node.value)]",
         ("derivative_of_z", "other_derivative", "derivative_wrong"), ALL,
         "the derivative of exp is its argument instead of its result"),
    Slip("root without the half", "0.5 / root", "1 / root", ("power_rule", "factor_two", "scale_missing"), ALL,
         "the derivative of the root lacks its ½"),
    Slip("sine left out", "[(node, math.cos(node.value))]", "[(node, 1.0)]", ("derivative_missing",), ALL,
         "the derivative of the sine is missing"),
    Slip("tape from the start", "range(node.index, -1, -1)", "range(node.index)",
         ("zero_gradient", "topological_order"), ALL, "the tape is replayed from its start"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
