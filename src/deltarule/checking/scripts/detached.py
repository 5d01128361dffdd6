"""Hold what a script takes out of PyTorch's graph: constants for `backward()`, whatever they were computed from."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def detached_values_held(values: list[Any], is_moved: bool, move: Callable[[float], None]) -> Iterator[None]:
    """Keep values that are taken out of the graph as they are where nothing is moved.

    Parameters
    ----------
    values : the results of `detach()`, `data` and `item()` in their order: noted if nothing is moved, else given again.
    is_moved : whether something is moved.
    move : moves it back (-1), and there again (1): for blocks of `no_grad()`.
    """
    import torch

    tensors: Any = torch.Tensor
    blocks: Any = torch.no_grad
    of_data = tensors.data
    plain: dict[str, Any] = {"detach": tensors.detach, "item": tensors.item, "data": of_data.__get__}
    enter, leave = blocks.__enter__, blocks.__exit__
    if not is_moved:
        values.clear()
    noted = iter(values[:])

    def taking_out(name: str) -> Callable[[Any], Any]:
        def take(self: Any) -> Any:
            value = plain[name](self)
            is_ours = str(sys._getframe(1).f_globals.get("__name__")).startswith("deltarule.")
            if self.grad_fn is None or is_ours:
                return value
            if not is_moved:
                values.append(value if name == "item" else value.clone())
                return value
            held = next(noted, value)
            return held if name == "item" else held.clone()

        return take

    def enter_unmoved(self: Any) -> None:
        self.is_moved_back = is_moved and torch.is_grad_enabled()  # not in the forward pass of an own Function
        if self.is_moved_back:
            move(-1.0)
        enter(self)

    def leave_moved(self: Any, *error: Any) -> None:
        leave(self, *error)
        if self.is_moved_back:
            move(1.0)

    tensors.detach, tensors.item = taking_out("detach"), taking_out("item")
    tensors.data = property(taking_out("data"), of_data.__set__)
    blocks.__enter__, blocks.__exit__ = enter_unmoved, leave_moved
    try:
        yield
    finally:
        tensors.detach, tensors.item = plain["detach"], plain["item"]
        del tensors.data
        blocks.__enter__, blocks.__exit__ = enter, leave
