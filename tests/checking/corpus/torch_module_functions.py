"""A PyTorch module whose unit-length scaling, GELU and loss are functions with a backward pass of one's own."""

from typing import Any

import torch
from student_programs import Measurement, Slip, Style, Variant

from deltarule import check_object

HALF = "second"

SOURCE = """\
import math

import torch
from torch import nn

torch.manual_seed(12)


class UnitLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        norm = x.norm(dim=1, keepdim=True)
        y = x / norm
        ctx.save_for_backward(y, norm)
        return y

    @staticmethod
    def backward(ctx, grad_y):
        y, norm = ctx.saved_tensors
        return (grad_y - y * (grad_y * y).sum(dim=1, keepdim=True)) / norm


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx, grad_y):
        (x,) = ctx.saved_tensors
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        pdf = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return grad_y * (cdf + x * pdf)


class SmoothedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, labels, smooth):
        n, c = logits.shape
        targets = torch.full_like(logits, smooth / c)
        targets[range(n), labels] += 1 - smooth
        logp = logits.log_softmax(dim=1)
        ctx.save_for_backward(logp, targets)
        return -(targets * logp).sum() / n

    @staticmethod
    def backward(ctx, grad_loss):
        logp, targets = ctx.saved_tensors
        return grad_loss * (logp.exp() - targets) / len(logp), None, None


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(UnitLength.apply(Gelu.apply(self.hidden(x))))


model = Classifier().double()
inputs = torch.randn(8, 5, dtype=torch.float64)
labels = torch.tensor([0, 1, 2, 2, 1, 0, 0, 1])


def loss_fn():
    return 0.25 * SmoothedCrossEntropy.apply(model(inputs), labels, 0.1)


def training_loss():
    model.zero_grad()
    loss = loss_fn()
    loss.backward()
    return loss.item()
"""

NAMES = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")


def check(student: Any) -> Any:
    return check_object(
        student.model, params=NAMES, grads=[f"{name}.grad" for name in NAMES], loss=student.training_loss
    )


def measure(student: Any) -> Measurement:
    parameters = dict(student.model.named_parameters())

    def gradient() -> Any:
        student.training_loss()
        return {name: parameter.grad.numpy() for name, parameter in parameters.items()}

    def loss() -> float:
        with torch.no_grad():
            return student.loss_fn().item()

    return Measurement(loss, gradient, {name: parameters[name].detach().numpy() for name in NAMES})


SILU = (
    ("return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))", "return x * torch.sigmoid(x)"),
    (
        "        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))\n"
        "        pdf = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)\n"
        "        return grad_y * (cdf + x * pdf)\n",
        "        s = torch.sigmoid(x)\n        return grad_y * s * (1 + x * (1 - s))\n",
    ),
)
VARIANTS = (
    Variant("silu", SILU),
    Variant("skip connection", (
        ("nn.Linear(5, 4)", "nn.Linear(5, 5)"), ("nn.Linear(4, 3)", "nn.Linear(5, 3)"),
        ("UnitLength.apply(Gelu.apply(self.hidden(x)))", "x + UnitLength.apply(Gelu.apply(self.hidden(x)))"),
    )),
    Variant("hard tanh", (
        ("return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))", "return x.clamp(-1, 1)"),
        ("return grad_y * (cdf + x * pdf)", "return grad_y * (x.abs() < 1)"),
    )),
)  # fmt: skip

HIDDEN = NAMES[:2]
UNIT = "(grad_y - y * (grad_y * y).sum(dim=1, keepdim=True)) / norm"
LOSS = "grad_loss * (logp.exp() - targets) / len(logp)"
SLIPS = (
    Slip("norm as a constant", UNIT, "grad_y / norm", ("normalization_constants", "norm_constant", "path_missing"),
         HIDDEN, "the gradient through the norm is left out"),
    Slip("projection over the batch", "(grad_y * y).sum(dim=1, keepdim=True)", "(grad_y * y).sum(dim=0)",
         ("wrong_axis", "normalization_axis"), HIDDEN, "the projection is summed over the samples"),
    Slip("projection without the gradient", "y * (grad_y * y).sum(dim=1, keepdim=True)",
         "y * (y * y).sum(dim=1, keepdim=True)",
         ("upstream_ignored", "upstream_sum_missing"), HIDDEN, "the projection ignores the upstream gradient"),
    Slip("product rule", "(cdf + x * pdf)", "cdf", ("product_rule", "derivative_missing", "path_missing",
         "other_derivative"), HIDDEN, "the derivative of x Φ(x) lacks x φ(x)"),
    Slip("density not normalized", " / math.sqrt(2 * math.pi)", "", ("scale_missing", "other_derivative"), HIDDEN,
         "the density in GELU's derivative lacks its 1 / √2π"),
    Slip("weight of the loss ignored", LOSS, "(logp.exp() - targets) / len(logp)",
         ("upstream_ignored", "scale_missing", "factor"), NAMES, "the loss ignores its upstream gradient of 0.25"),
    Slip("log-probabilities for probabilities", LOSS, "grad_loss * (logp - targets) / len(logp)",
         ("derivative_wrong", "wrong_input", "loss_wrong"), NAMES, "log p stands in place of p"),
    Slip("divided by the entries", LOSS, "grad_loss * (logp.exp() - targets) / logp.numel()", ("mean_twice", "factor"),
         NAMES, "the gradient is divided by the number of classes too"),
    Slip("silu's derivative as sigmoid's", "s * (1 + x * (1 - s))", "x * s * (1 - s)",
         ("product_rule", "path_missing", "other_derivative"), HIDDEN, "the derivative of x σ(x) lacks σ(x)",
         on="silu"),
    Slip("hard tanh's mask inverted", "(x.abs() < 1)", "(x.abs() > 1)", ("mask_inverted",), HIDDEN,
         "the gradient passes where hard tanh is constant", on="hard tanh"),
)  # fmt: skip

STYLE = Style(SOURCE, check, measure, SLIPS, VARIANTS)
