"""Messages of PyTorch are shown to students with the sizes of their arrays, and without values."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from deltarule.grading.process import HIDDEN, public_text

A, B = torch.ones(3, 4), torch.ones(5, 6)
LEARNED = torch.ones(3, 4, requires_grad=True)


def twice() -> None:
    loss = (LEARNED * LEARNED).sum()
    loss.backward()
    loss.backward()


def message(call: Callable[[], Any]) -> str:
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: A @ B,
        lambda: A + B,
        lambda: A @ torch.ones(5),
        lambda: torch.ones(2, 3, 4) @ torch.ones(2, 5, 6),
        lambda: A.reshape(5, 5),
        lambda: A.t().view(12),
        lambda: A @ torch.ones(4, 2, dtype=torch.float64),
        lambda: LEARNED.numpy(),
        lambda: (LEARNED * 2).backward(),
        lambda: A.sum().backward(),
        lambda: torch.cat([A, B]),
        lambda: torch.stack([A, B]),
        lambda: A[5],
        lambda: A[0, 0, 0],
        lambda: A.sum(2),
        lambda: bool(A > 0),
        lambda: functional.cross_entropy(A, torch.tensor([0, 1])),
        lambda: functional.cross_entropy(A, torch.tensor([0.0, 1.0, 1.0]).int()),
        lambda: torch.tensor([1, 2]).mean(),
        lambda: LEARNED.add_(1),
        lambda: A.expand(5, 4),
        lambda: functional.binary_cross_entropy(A, B),
        lambda: functional.conv2d(torch.ones(1, 3, 5, 5), torch.ones(2, 4, 3, 3)),
        twice,
    ],
)
def test_a_message_of_pytorch_is_shown(call: Callable[[], Any]) -> None:
    text = message(call)
    assert public_text(text) == text


def test_the_value_of_a_class_is_not_shown() -> None:
    """The largest of three classes is a value of the call; three and four are sizes of its arrays."""
    text = message(lambda: A.reshape(int(torch.tensor(7)), -1))
    assert text == "shape '[7, -1]' is invalid for input of size 12"
    assert public_text(text, numbers={"12", "1"}) == f"shape '[{HIDDEN}, -1]' is invalid for input of size 12"
