"""Try edits: which entries of the gradient are right with one, at each point."""

from collections.abc import Callable, Sequence
from time import thread_time
from typing import Any

from deltarule.checking.repair.oracle import Mask, Point, points_of
from deltarule.checking.repair.program import Edit, Program
from deltarule.checking.repair.safety import State, TooLong, run_limited
from deltarule.checking.user_code.callables import Code
from deltarule.problem.problem import Floats


class Trials:
    """A program, and the points at which its gradient is known; after each run the program has its data back."""

    def __init__(
        self,
        code: Code,
        truth: list[Floats],
        others: Sequence[Callable[[], Code]],
        shorter: Sequence[Callable[[], Code]],
    ) -> None:
        self.code = code
        self.program = Program(lambda: code.loss(code.start), Point(code, truth, float("nan")).gradient)
        live = [one for function in self.program.functions for one in function.objects]
        self.state = State(live, list(code.roots))
        begin = thread_time()
        self.points = points_of(code, truth, live, others, shorter) if self.program.functions else []
        self.state.restore()
        self.limit = 1.0 + (thread_time() - begin)

    def limited(self, call: Callable[[], Any], seconds: float = 0.0) -> Any:
        """What a call of user code gives, or None."""
        try:
            return run_limited(call, seconds or self.limit)
        except (Exception, TooLong, SystemExit):
            return None

    def right_entries(self, edit: Edit, point: Point) -> Mask | None:
        """Which entries are right at a point with an edit; None if it fails, or changes the loss."""
        try:
            with self.program.edited(edit):
                gradient = self.limited(point.gradient)
                right = None if gradient is None else point.right_entries(gradient)
                if right is not None and right.any() and not self.limited(point.keeps_loss):
                    return None
                return right
        except (SyntaxError, ValueError):
            return None
        finally:
            self.state.restore()

    def count_passed(self, edit: Edit) -> int:
        """At how many points an edit is right, which is at the first; 0 if one that is required is not among them."""
        passed = 1
        for point in self.points[1:]:
            right = self.right_entries(edit, point)
            is_right = right is not None and bool(right.all())
            if point.is_required and not is_right:
                return 0
            passed += is_right
        return passed

    def spoils_none(self, edit: Edit) -> bool:
        """Whether an edit makes entries right, and none wrong, at the other points that are required."""
        for point in [one for one in self.points[1:] if one.is_required]:
            gradient = self.limited(point.gradient)
            self.state.restore()
            right = self.right_entries(edit, point)
            if gradient is None or right is None:
                return False
            before = point.right_entries(gradient)
            if (before & ~right).any() or not (right & ~before).any():
                return False
        return True
