"""The search for the edit that makes a wrong gradient right.

1. Where may an edit help: noise into each expression of the lines that run (`probe.py`).
2. Which edits have a new value there: each is evaluated with the recorded local values (`edits/`).
3. Which one makes all entries right, at every point, while the loss keeps its value (`oracle.py`).
4. If none does, which value would a place need, and which terms of local values give it (`required.py`).
5. If none does, the best edit that corrects whole arrays and spoils nothing is kept, and the search goes on: there may
   be two mistakes.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappop, heappush, merge
from itertools import count
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.repair import labels
from deltarule.checking.repair.edits.expressions import ExpressionEdits, Text
from deltarule.checking.repair.edits.statements import (
    SAME_EDIT,
    StatementEdit,
    divided_after,
    moved_terms,
    renamed,
    statement_edits,
    twins_of,
)
from deltarule.checking.repair.oracle import Mask, Point, points_of
from deltarule.checking.repair.probe import Place, as_numpy, list_places, probed
from deltarule.checking.repair.program import Change, Edit, Program
from deltarule.checking.repair.required import required_edits
from deltarule.checking.repair.safety import State, TooLong, no_effects, run_limited
from deltarule.checking.repair.wording import line_changes
from deltarule.checking.user_code.callables import Code
from deltarule.problem.problem import Floats

SECONDS = 5.0
"""What a search may take by default."""
MAX_MISTAKES = 3
GAIN_OF_GRADIENT = 0.4
"""How much less an edit costs after which its statement's value is the right gradient of a forward value."""
GAIN_OF_LABEL = 0.03
"""How much less a repair counts after which that is so."""
SHARE_FOR_LABELS = 0.2
"""The share of the time for the right gradients of forward values."""
COST_OF_RIGHT_LINE = 0.7
"""The extra cost of editing a line whose value is the right gradient of what it is named after."""
COST_OF_PLAUSIBLE_LINE = 0.2
"""The extra cost of editing a line whose value is a right gradient, perhaps not of the value that is meant."""
COST_OF_FORWARD_LINE = 1.2
"""The cost of an edit of what the forward pass keeps for the backward pass."""
GAIN_OF_SUSPECT = 0.3
"""How much less an edit costs in one of the first wrong lines: those whose operands are right."""
SHARE_FOR_REQUIRED, MAX_REQUIRED = 0.25, 3
"""The share of the time for values that places need, after other edits; and how many repairs are looked for."""
_FURTHER_COST, _FURTHER_SECONDS = 0.35, 0.7
"""After the first repair others are tried that cost little more: one of them may be right at more points."""

Waiting = tuple[float, Callable[[], Iterator[Edit]]]
"""The least cost of some edits, and what writes them."""


@dataclass(eq=False)
class Repair:
    """An edit that makes the gradient right, with those that had to come before it."""

    edits: list[Edit]
    points: int
    cost: float


class Search:
    """The search for one wrong gradient."""

    def __init__(
        self,
        code: Code,
        truth: list[Floats],
        others: Sequence[Callable[[], Code]] = (),
        shorter: Sequence[Callable[[], Code]] = (),
        seconds: float = SECONDS,
    ) -> None:
        self.begin = thread_time()
        self.last = self.begin + seconds
        self.end = self.begin + (1 - SHARE_FOR_REQUIRED) * seconds
        self.code = code
        first = Point(code, truth, float("nan"))
        self.program = Program(lambda: code.loss(code.start), first.gradient)
        live = [one for function in self.program.functions for one in function.objects]
        self.state = State(live, list(code.roots))
        begin = thread_time()
        self.points = points_of(code, truth, live, others, shorter) if self.program.functions else []
        self.state.restore()
        self.limit = 1.0 + (thread_time() - begin)
        self.places: list[Place] = []
        self.writer: ExpressionEdits
        self.labelling: labels.Labelling | None = None
        self.wrong: Mask = np.zeros(0, bool)
        self.kept: list[Edit] = []
        self.mixed_samples: Place | None = None

    def run(self) -> list[Repair]:
        """The repairs, the best first; without one, `kept` has edits that correct some arrays."""
        if not self.points or not any(np.nan_to_num(array).any() for array in self.points[0].truth):
            return []
        with no_effects():
            for _ in range(MAX_MISTAKES):
                self.writer = ExpressionEdits(self.program)
                self._locate()
                if self.mixed_samples is not None or not self.wrong.any():
                    break
                self._label()
                repairs, best = self._try_edits()
                repairs = repairs or self._try_required()
                if repairs or best is None or thread_time() > self.end:
                    return repairs
                best.described = line_changes(best)
                self.kept.append(best)
                self.program.keep(best)
        return []

    # --- where ---

    def _locate(self) -> None:
        """Record the values of all expressions, and find the gradient's entries that move with each."""
        places = list_places(self.program.functions)
        point = self.points[0]
        with probed(self.program, places) as probe:
            probe.is_recording = True
            self._limited(point.gradient)
            probe.is_recording = False
            if len(self.points) > 1:
                probe.recording_far = self.points[-1].arranged
                self._limited(self.points[-1].gradient)
                probe.recording_far = None
            before = self._limited(point.gradient)
            reference = None if before is None else point.flat(before)
            self.wrong = ~point.right_entries(before) if before is not None else np.ones(0, bool)
            end = thread_time() + 0.25 * (self.end - self.begin)
            for k in [k for k, place in enumerate(places) if place.values and reference is not None]:
                if thread_time() > end:
                    break
                probe.noisy, probe.has_moved, probe.random = k, False, np.random.default_rng(k)
                after = self._limited(point.gradient)
                flat = None if after is None else point.flat(after)
                if flat is not None and probe.has_moved and reference is not None:
                    places[k].moves = ~np.isclose(flat, reference, rtol=1e-9, atol=1e-13)
                probe.random = np.random.default_rng(k)
                if places[k].function.loss_lines and self._limited(point.keeps_loss) is False:
                    places[k].is_forward = True
                self.state.restore()
        self.places = [place for place in places if place.values]
        self.mixed_samples = next((place for place in self.places if _adds_up_over_samples(place)), None)
        by_node: dict[ast.AST, Place] = {place.node: place for place in self.places}
        for place in self.places:  # one that was not probed moves what the expression around it moves
            node: ast.AST | None = place.node
            while place.moves is None and node is not None and not isinstance(node, ast.stmt):
                node = place.file.parents.get(node)
                place.moves = by_node[node].moves if node in by_node else None

    def _rank(self, places: Sequence[Place]) -> float | None:
        """The cost of editing some places, 0 for the best; None if no wrong entry moves with them."""
        if not places or any(place.moves is None for place in places):
            return 1.0
        moves = np.logical_or.reduce([place.moves for place in places if place.moves is not None])
        if moves.shape != self.wrong.shape:
            return 1.0
        of_wrong = (moves & self.wrong).sum() / max(self.wrong.sum(), 1)
        of_right = (moves & ~self.wrong).sum() / max((~self.wrong).sum(), 1)
        return None if not of_wrong else float(1.2 * (1 - of_wrong) + 1.5 * of_right)

    def _label(self) -> None:
        """Find the values of the backward pass that are right gradients, and those that should be."""
        end = thread_time() + SHARE_FOR_LABELS * (self.last - self.begin)
        point = self.points[0]
        self.labelling = self._limited(
            lambda: labels.Labelling(self.program, point, self.places, end), SHARE_FOR_LABELS * 10
        )
        self.state.restore()

    def _suspicion(self, place: Place) -> float:
        """The cost of editing a line, by what is known of its value."""
        if self.labelling is None or place.whole is None:
            return 0.0
        if place.whole in self.labelling.right:
            return COST_OF_RIGHT_LINE
        if place.whole in self.labelling.plausible:
            return COST_OF_PLAUSIBLE_LINE
        return -GAIN_OF_SUSPECT if place.whole in self.labelling.suspects else 0.0

    # --- what ---

    def _edits(self) -> Iterator[Edit]:
        """The edits, those of least cost first; those of expressions are evaluated shortly before their turn."""
        by_node: dict[ast.AST, Place] = {place.node: place for place in self.places}
        alike: dict[tuple[str, Any], list[Place]] = {}
        for place in self.places:
            alike.setdefault((ast.unparse(place.node), place.function), []).append(place)
        streams: list[Iterator[Waiting]] = []
        has_backward_pass = any(one.gradient_lines - one.loss_lines for one in self.program.functions)
        for place in self.places:
            rank = self._rank([place])
            if rank is None or place.is_forward:
                continue
            is_kept = has_backward_pass and place.line in place.function.loss_lines
            rank += self._suspicion(place) + (COST_OF_FORWARD_LINE if is_kept else 0.0)
            group = alike[ast.unparse(place.node), place.function]
            streams.append(self._edits_of_place(place, rank, group, twins_of(place, by_node)))
        of_statements = sorted(self._edits_of_statements(), key=lambda edit: edit.cost)
        streams.append((edit.cost, partial(iter, [edit])) for edit in of_statements)
        waiting: list[tuple[float, int, Edit]] = []
        number = count()
        for cost, write in merge(*streams, key=lambda one: one[0]):
            while waiting and waiting[0][0] <= cost - GAIN_OF_GRADIENT:
                yield heappop(waiting)[2]
            for edit in write():
                heappush(waiting, (edit.cost - GAIN_OF_GRADIENT * edit.is_labelled, next(number), edit))
        while waiting:
            yield heappop(waiting)[2]

    def _edits_of_place(self, place: Place, rank: float, group: list[Place], twins: list[Place]) -> Iterator[Waiting]:
        """Edits of a place, of all places with the same text, and of its twins in statements of the same form."""
        old, statement = ast.unparse(place.node), place.statement
        in_whole = [one for one in group if one.whole is place.whole and place.whole is not None]
        is_first_twin = bool(twins) and place.line < max(twin.line for twin in twins)

        def write(text: Text) -> Iterator[Edit]:
            one = self.writer.evaluated(place, text)
            if one is None:
                return
            edit = Edit(
                place.line, old, one.text, one.cost + rank, partial(_changes, [place], [one.text]), file=place.file
            )
            edit.is_labelled = self._is_labelled(place, one.values)
            yield edit
            if one.cost < 2.5 and len(group) > 1 and group[0] is place:
                yield from self._at_several(group, one.text, [one.text] * len(group), one.cost)
            if one.cost < 2.5 and 1 < len(in_whole) < len(group) and in_whole[0] is place:
                yield from self._at_several(in_whole, one.text, [one.text] * len(in_whole), one.cost - 0.6)
            if one.cost < 3 and is_first_twin and statement is not None:
                texts = [renamed(one.text, statement, twin.statement) for twin in twins if twin.statement]
                yield from self._at_several([place, *twins], one.text, [one.text, *texts], one.cost)

        for text in self.writer.texts(place):
            yield text.cost + rank, partial(write, text)

    def _is_labelled(self, place: Place, values: Sequence[Any]) -> bool:
        """Whether an edit makes a statement's value, which is none, the right gradient of a forward value."""
        whole, labelling = place.whole, self.labelling
        if whole is None or not whole.values or labelling is None or whole in labelling.right:
            return False
        return labelling.fits(whole, values[:1])

    def _at_several(self, places: list[Place], new: str, texts: list[str], size: float) -> Iterator[Edit]:
        rank = self._rank(places)
        if rank is not None and not any(place.is_forward for place in places):
            first, changes = places[0], partial(_changes, places, texts)
            yield Edit(first.line, ast.unparse(first.node), new, size + rank + 1, changes, SAME_EDIT, first.file)

    def _edits_of_statements(self) -> Iterator[Edit]:
        inside: dict[ast.stmt, list[Place]] = {}
        for place in self.places:
            node: ast.AST | None = place.statement
            while node is not None:
                if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                    inside.setdefault(node, []).append(place)
                node = place.file.parents.get(node)
        edits = [(one.edit, self._of_statements(one, inside)) for one in statement_edits(self.program)]
        for statement, places in inside.items():  # divided by a count, after an array was changed in place
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Subscript):
                counts = sorted(self.writer.atoms.at(places[0])[1], key=len)[:6]
                edits += [(edit, places) for edit in divided_after(places[0].file, statement, counts)]
        edits += moved_terms([place for place in self.places if not place.is_forward])
        for edit, places in edits:
            rank = self._rank(places)
            if rank is not None:
                edit.cost += rank
                yield edit

    @staticmethod
    def _of_statements(one: StatementEdit, inside: dict[ast.stmt, list[Place]]) -> list[Place]:
        return [place for statement in one.statements for place in inside.get(statement, ()) if place.moves is not None]

    # --- tries ---

    def _limited(self, call: Callable[[], Any], seconds: float = 0.0) -> Any:
        """What a call of user code gives, or None."""
        try:
            return run_limited(call, seconds or self.limit)
        except (Exception, TooLong, SystemExit):
            return None

    def _right_entries(self, edit: Edit, point: Point) -> Mask | None:
        """Which entries are right at a point with an edit; None if it fails, or changes the loss."""
        try:
            with self.program.edited(edit):
                gradient = self._limited(point.gradient)
                right = None if gradient is None else point.right_entries(gradient)
                if right is not None and right.any() and not self._limited(point.keeps_loss):
                    return None
                return right
        except (SyntaxError, ValueError):
            return None
        finally:
            self.state.restore()

    def _try_edits(self) -> tuple[list[Repair], Edit | None]:
        """Full repairs, the best first; and the best edit that corrects something and spoils nothing."""
        repairs: list[Repair] = []
        best: tuple[tuple[float, ...], Edit | None] = (), None
        end, highest = self.end, float("inf")
        for edit in self._edits():
            now = thread_time()
            if now > end or (edit.cost > highest and not edit.is_labelled):
                break
            if best[0] and not repairs and now > self.begin + 0.6 * (self.end - self.begin):
                break
            right = self._right_entries(edit, self.points[0])
            if right is None or (~self.wrong & ~right).any() or not (right & self.wrong).any():
                continue
            if right.all():
                points = self._points_passed(edit)
                if points is None:
                    continue
                repairs.append(Repair([*self.kept, edit], points, edit.cost))
                if len(repairs) == 1:
                    end, highest = min(end, now + _FURTHER_SECONDS), edit.cost + _FURTHER_COST
                if points < len(self.points):
                    highest = edit.cost + 3 * _FURTHER_COST
                    end = max(end, min(self.end, now + 3 * _FURTHER_SECONDS))
            elif not repairs:
                best = max(best, (self._score_of_partial(edit, right), edit), key=lambda one: one[0])
        repairs.sort(key=lambda one: (-one.points, one.cost - GAIN_OF_LABEL * one.edits[-1].is_labelled))
        return repairs, best[1] if best[0] else None

    def _try_required(self) -> list[Repair]:
        """Repairs by the value that a place needs."""
        end = thread_time() + SHARE_FOR_REQUIRED * (self.last - self.begin)
        cost_of = self._suspicion
        repairs: list[Repair] = []
        for edit in required_edits(self.program, self.points[0], self.places, self.wrong, self.writer, cost_of, end):
            right = self._right_entries(edit, self.points[0])
            points = self._points_passed(edit) if right is not None and right.all() else None
            repairs += [] if points is None else [Repair([*self.kept, edit], points, edit.cost)]
            if len(repairs) == MAX_REQUIRED or thread_time() > end:
                break
        return sorted(repairs, key=lambda one: (-one.points, one.cost))

    def _points_passed(self, edit: Edit) -> int | None:
        """At how many points an edit is right; None if one that is required is not among them."""
        passed = 1
        for point in self.points[1:]:
            right = self._right_entries(edit, point)
            is_right = right is not None and bool(right.all())
            if point.is_required and not is_right:
                return None
            passed += is_right
        return passed

    def _score_of_partial(self, edit: Edit, right: Mask) -> tuple[float, ...]:
        """How much an edit corrects: whole arrays, entries; () if it spoils something at another point."""
        truth = np.concatenate([t[k] for t, k in zip(self.points[0].truth, self.points[0].known, strict=True)])
        corrected = right & self.wrong & (np.abs(truth) > 1e-7)
        sizes = np.cumsum([int(known.sum()) for known in self.points[0].known])[:-1]
        parts = zip(np.split(right, sizes), np.split(corrected, sizes), strict=True)
        arrays = sum(bool(of_right.all() and of_corrected.any()) for of_right, of_corrected in parts)
        for point in [one for one in self.points[1:] if one.is_required and arrays]:
            before = self._limited(point.gradient)
            self.state.restore()
            there = self._right_entries(edit, point)
            if before is None or there is None or (point.right_entries(before) & ~there).any():
                return ()
            if not (there & ~point.right_entries(before)).any():
                return ()
        return (arrays, float(corrected.sum()), -edit.cost) if arrays else ()


def _changes(places: Sequence[Place], texts: Sequence[str]) -> list[Change]:
    return [place.change(text) for place, text in zip(places, texts, strict=True)]


def _adds_up_over_samples(place: Place) -> bool:
    """Whether a forward value is a softmax over a whole batch: all entries of a table together add up to 1."""
    value = as_numpy(place.values[0])
    if not place.is_forward or not isinstance(value, np.ndarray) or value.ndim != 2 or min(value.shape) < 2:
        return False
    is_quotient = isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.Div)
    return is_quotient and value.dtype.kind == "f" and bool((value > 0).all()) and abs(value.sum() - 1) < 1e-9
