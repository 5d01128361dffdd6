"""What one step of a script proves about each of its arrays."""

from dataclasses import dataclass, field, replace

from deltarule.checking.scripts.source import Loop, Read

NOT_FOUND = -99.0
HELD = ", constant is "
"""What follows the name of a loss one side of which is not moved, before that side."""


@dataclass(frozen=True)
class StepVerdict:
    """What a step proved.

    kind        "loss" where a loss explains moves; "symmetric" where moves are the gradient of some function;
                "no known loss" where they are too, and of none of the losses that the script or we compute;
                "another loss" where they are, but the script's own loss is not that function; "no gradient" where they
                are of none; "not foretold" where a loss explains the moves of one turn, and those of another not with
                the same numbers; "still" where nothing moves; "unfinished"; "nothing found"
    span        how many turns the step has
    is_loss_given   whether the user has named the loss
    is_loss_later   whether the script computes the loss after its updates
    right, wrong, doubtful   arrays, with remarks
    gradients   for each array what an optimizer reads as its gradient
    used_before the line in which an array is updated, its name, and the line and name of that which needs the old one
    lines_run   by file the lines that ran in the step
    own_loss    the loss that the script computes itself, where the moves follow another one, and `own_loss_place` its
                function, line, and which of its values it is
    named_rates numbers beside the updates
    mixed_shapes a line, and the column and the row in it whose difference is a table
    candidates  numbers that depend on the arrays, for a question
    confidence  the larger, the more is proved
    """

    kind: str
    loop: Loop
    turn: int
    loss: str = ""
    loss_function: str = ""
    loss_line: int | None = None
    which: int = 0
    span: int = 1
    is_loss_made: bool = False
    is_loss_later: bool = False
    factor: float | None = None
    rate: float | None = None
    rate_line: int | None = None
    is_move: bool = True
    right: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    doubtful: tuple[str, ...] = ()
    gradients: dict[str, Read] = field(default_factory=dict)
    used_before: tuple[int, str, int, str] | None = None
    own_loss: str = ""
    own_loss_place: tuple[str, int, int] = ("", 0, 0)
    named_rates: tuple[float, ...] = ()
    mixed_shapes: tuple[int, str, str] | None = None
    candidates: tuple[str, ...] = ()
    reason: str = ""
    is_loss_given: bool = False
    lines_run: dict[str, list[int]] = field(default_factory=dict)
    confidence: tuple[float, float] = (-1.0, NOT_FOUND)

    def accusing(self, arrays: dict[str, str], confidence: float) -> "StepVerdict":
        """The verdict with further arrays wrong, each with a remark."""
        right = {name: remark for name, remark in self.right.items() if name not in arrays}
        wrong = {**self.wrong, **arrays}
        return replace(self, right=right, wrong=wrong, confidence=(confidence, 0.0)) if arrays else self
