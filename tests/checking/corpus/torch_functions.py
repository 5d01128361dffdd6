"""Functions for PyTorch's automatic differentiation with a backward pass of one's own."""

from typing import Any

import torch
from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_object

HALF = "first"

SOURCE = """\
import torch

torch.manual_seed(5)
dtype = torch.float64


class MyTanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        a = torch.tanh(z)
        ctx.save_for_backward(z, a)
        return a

    @staticmethod
    def backward(ctx, grad_output):
        z, a = ctx.saved_tensors
        return grad_output * (1 - a**2)


class MyLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        grad_x = grad_output @ weight
        grad_weight = grad_output.t() @ x
        grad_bias = grad_output.sum(0)
        return grad_x, grad_weight, grad_bias


class Net:
    def __init__(self):
        self.w1 = torch.randn(4, 3, dtype=dtype, requires_grad=True)
        self.b1 = torch.zeros(4, dtype=dtype, requires_grad=True)
        self.w2 = torch.randn(4, 4, dtype=dtype, requires_grad=True)
        self.b2 = torch.zeros(4, dtype=dtype, requires_grad=True)

    def loss(self):
        h = MyTanh.apply(MyLinear.apply(x, self.w1, self.b1))
        out = MyLinear.apply(h, self.w2, self.b2)
        return torch.mean((out - y) ** 2)

    def loss_and_backward(self):
        for p in (self.w1, self.b1, self.w2, self.b2):
            p.grad = None
        loss = self.loss()
        loss.backward()
        return loss.item()


x = torch.randn(6, 3, dtype=dtype)
y = torch.randn(6, 4, dtype=dtype)
net = Net()
"""

NAMES = ("w1", "b1", "w2", "b2")


def check(student: Any) -> Any:
    net = student.net
    return check_object(net, params=NAMES, grads=[f"{name}.grad" for name in NAMES], loss=net.loss_and_backward)


def measure(student: Any) -> Measurement:
    net = student.net
    parameters = {name: getattr(net, name).detach().numpy() for name in NAMES}

    def gradient() -> Any:
        net.loss_and_backward()
        return {name: getattr(net, name).grad.numpy() for name in NAMES}

    def loss() -> float:
        with torch.no_grad():
            return net.loss().item()

    return Measurement(loss, gradient, parameters)


RELU = (("a = torch.tanh(z)", "a = z.clamp(min=0)"), ("grad_output * (1 - a**2)", "grad_output * (z > 0)"))
FOUR_INPUTS = (("torch.randn(4, 3", "torch.randn(4, 4"), ("torch.randn(6, 3", "torch.randn(6, 4"))
VARIANTS = (
    Variant("four inputs", FOUR_INPUTS),
    Variant("relu", RELU),
    Variant("float32", (("dtype = torch.float64", "dtype = torch.float32"),)),
    Variant("sigmoid", (("a = torch.tanh(z)", "a = torch.sigmoid(z)"), ("(1 - a**2)", "a * (1 - a)"))),
)

HIDDEN = ("w1", "b1")
SLIPS = (
    Slip("upstream gradient ignored", "grad_output * (1 - a**2)", "1 - a**2", ("upstream_ignored",), HIDDEN,
         "the backward pass of tanh ignores grad_output", (r"upstream", r"ignore")),
    Slip("derivative at the input", "grad_output * (1 - a**2)", "grad_output * (1 - z**2)", ("derivative_of_z",),
         HIDDEN, "tanh's derivative 1 − a² is computed from z"),
    Slip("derivative of tanh forgotten", "grad_output * (1 - a**2)", "grad_output", ("derivative_missing",), HIDDEN,
         "tanh's derivative is missing"),
    Slip("weight transposed once more", "grad_x = grad_output @ weight", "grad_x = grad_output @ weight.t()",
         ("weights_not_transposed",), HIDDEN, "the gradient of the input uses the transpose of the right matrix",
         on="four inputs"),
    Slip("bias averaged", "grad_output.sum(0)", "grad_output.mean(0)", ("mean_twice",), ("b1", "b2"),
         "the gradients of the biases are divided by the number of samples twice"),
    Slip("mask on the gradient", "grad_output * (z > 0)", "grad_output * (grad_output > 0)",
         ("mask_of_gradient", "other_mask"), HIDDEN,
         "ReLU's mask is taken from the sign of the gradient instead of the input", (r"mask.*gradient",), on="relu"),
    Slip("gradients not set to None", "            p.grad = None\n", "            p.retain_grad()\n",
         ("accumulated",), NAMES, "gradients add up over calls"),
    Slip("tanh's derivative for sigmoid", "a * (1 - a)", "(1 - a**2)", ("other_derivative",), HIDDEN,
         "the derivative is that of tanh", on="sigmoid"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
