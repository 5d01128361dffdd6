"""Find the calls of PyTorch's `backward()` in a script, and the parameters to whose gradients they add."""

import ast
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gc import get_objects
from types import FrameType
from typing import Any

from deltarule.checking.scripts.numbers_met import Key
from deltarule.checking.scripts.source import Loop
from deltarule.checking.scripts.tracing import Sources, StopRun, TracedRun, loop_of

Follow = Callable[[Any, Any, FrameType, Callable[[], None]], None]
"""What is done in a call of backward(): of a tensor, its gradient, the frame that calls, and what the call does."""


@contextmanager
def followed_backward(follow: Follow) -> Iterator[None]:
    """Call a function in place of each call of backward()."""
    import torch

    tensors: Any = torch.Tensor
    plain = tensors.backward

    def backward(self: Any, gradient: Any = None, *arguments: Any, **options: Any) -> None:
        follow(self, gradient, sys._getframe(1), lambda: plain(self, gradient, *arguments, **options))

    tensors.backward = backward
    try:
        yield
    finally:
        tensors.backward = plain


class BackwardFinder(TracedRun):
    """A first run, which learns in which turns of which loop backward() is called.

    loop         the innermost loop around the calls
    turns        the turns of it with calls, at most two
    has_optimizer   whether there is an optimizer of PyTorch
    not_cleared  the names of parameters that it moved by gradients in which those of an earlier step still were
    """

    def __init__(self, sources: Sources, deadline: float) -> None:
        super().__init__(sources, deadline)
        self.loop: Loop | None = None
        self.turns: Counter[int] = Counter()
        self.has_optimizer = False
        self.not_cleared: set[str] = set()
        self._count: Counter[Loop] = Counter()
        self._used: dict[int, Any] = {}
        self._kept: dict[int, str] = {}

    def find(self) -> bool:
        """Run the script; whether backward() was called in a loop."""
        from torch.optim.optimizer import register_optimizer_step_pre_hook

        hook = register_optimizer_step_pre_hook(lambda optimizer, arguments, options: self._note_step(optimizer))
        try:
            with followed_backward(self._follow):
                self.start()
        finally:
            hook.remove()
        return self.loop is not None

    def loop_turned(self, frame: FrameType, loop: Loop) -> None:
        self._count[loop] += 1
        if loop == self.loop and len(self.turns) > 1:
            raise StopRun

    def _follow(self, tensor: Any, gradient: Any, frame: FrameType, call: Callable[[], None]) -> None:
        from torch.optim import Optimizer

        if self.loop is None:
            kinds = {type(item) for item in get_objects() if issubclass(type(item), Optimizer)}
            self.has_optimizer = any(kind.__module__.startswith("torch.") for kind in kinds)
        loop = self._innermost_loop(frame)
        self.loop = self.loop or loop
        if loop is not None and loop == self.loop:
            self.turns[self._count[loop]] += 1
        for name, leaf in named_leaves(tensor, frame).items():
            self._kept.pop(id(leaf), None)
            used = self._used.get(id(leaf))
            if used is not None and leaf.grad is not None and leaf.grad.equal(used):
                self._kept[id(leaf)] = name
        call()

    def _note_step(self, optimizer: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and bool(parameter.grad.any()):
                    self._used[id(parameter)] = parameter.grad.clone()
                    if id(parameter) in self._kept:
                        self.not_cleared.add(self._kept[id(parameter)])

    def _innermost_loop(self, frame: FrameType | None) -> Loop | None:
        while frame is not None:
            source = self.sources.get(frame.f_code.co_filename)
            headers = source.loops.get(frame.f_lineno, ()) if source else ()
            if headers:
                return loop_of(frame, max(headers))
            frame = frame.f_back
        return None


def _leaves(tensor: Any) -> list[Any]:
    """The parameters to whose gradients a tensor's backward() adds."""
    leaves: dict[int, Any] = {}
    waiting, seen = [tensor.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves[id(node.variable)] = node.variable
        waiting += [following for following, _ in node.next_functions]
    return list(leaves.values())


def named_leaves(tensor: Any, frame: FrameType) -> dict[str, Any]:
    """The same, in the order of the modules in reach, by the names that PyTorch has for them."""
    import torch

    leaves = {id(leaf): leaf for leaf in _leaves(tensor)}
    names: dict[int, str] = {}
    current: FrameType | None = frame
    while current is not None:
        variables = dict(current.f_locals)
        owner = variables.get("self")
        if owner is not None and not isinstance(owner, torch.nn.Module):
            variables |= {f"self.{name}": value for name, value in getattr(owner, "__dict__", {}).items()}
        for variable, value in variables.items():
            if isinstance(value, torch.nn.Module):
                for name, parameter in value.named_parameters():
                    names.setdefault(id(parameter), name if variable == "self" else f"{variable}.{name}")
            elif id(value) in leaves:
                names.setdefault(id(value), variable)
        current = current.f_back
    known = {name: leaves[key] for key, name in names.items() if key in leaves}
    rest = [leaf for leaf in leaves.values() if id(leaf) not in names]
    return known | {f"parameter {number} of shape {tuple(leaf.shape)}": leaf for number, leaf in enumerate(rest, 1)}


def loss_of(frame: FrameType, sources: Sources) -> Key:
    """The function in which backward() is called, and the expression of which it is called there."""
    source = sources.get(frame.f_code.co_filename)
    nodes = ast.walk(source.tree) if source is not None else ()
    calls = [node for node in nodes if isinstance(node, ast.Call) and node.lineno <= frame.f_lineno]
    functions = [call.func for call in calls if frame.f_lineno <= (call.end_lineno or call.lineno)]
    texts = [ast.unparse(f.value) for f in functions if isinstance(f, ast.Attribute) and f.attr == "backward"]
    return frame.f_code.co_name, texts[0] if texts else "loss"
