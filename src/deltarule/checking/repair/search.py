"""The search for the edit that makes a wrong gradient right.

1. Where may an edit help (`location.py`)?
2. Which edits have a new value there: each is evaluated with the recorded local values (`edits/`).
3. Which one makes all entries right, at every point, while the loss keeps its value (`trials.py`)?
4. If none does, which value would a place need, and which terms of local values give it (`required.py`)?
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

from deltarule.checking.repair.edits.expressions import ExpressionEdits, Text
from deltarule.checking.repair.edits.statements import (
    SAME_EDIT,
    divided_after,
    statement_edits,
)
from deltarule.checking.repair.edits.twins import renamed, twins_of
from deltarule.checking.repair.location import Location
from deltarule.checking.repair.probe import EditPlace
from deltarule.checking.repair.program import Change, Edit
from deltarule.checking.repair.required import required_edits
from deltarule.checking.repair.trials import Mask, Trials
from deltarule.checking.repair.wording import line_changes

SHARE_TO_PROBE, SHARE_FOR_LABELS, SHARE_FOR_REQUIRED = 0.19, 0.2, 0.25
"""The shares of the time for noise, for the right gradients of forward values, and for values that places need."""
MAX_MISTAKES = 3
MAX_REQUIRED = 3
"""Mistakes that are corrected one after the other; repairs by the value that a place needs."""
GAIN_OF_GRADIENT = 0.4
"""How much earlier an edit is tried after which its statement's value is the right gradient of a forward value."""
GAIN_OF_LABEL = 0.03
"""How much less a repair counts after which that is so."""
_FURTHER_COST, _FURTHER_SECONDS = 0.35, 0.7
"""After the first repair others are tried that cost little more: one of them may be right at more points."""

Waiting = tuple[float, Callable[[], Iterator[Edit]]]
"""The least cost of some edits, and what writes them."""


@dataclass(eq=False)
class Repair:
    """An edit that makes the gradient right, with those that had to come before it, and at how many points."""

    edits: list[Edit]
    points: int

    @property
    def rank(self) -> tuple[float, float]:
        return -self.points, self.edits[-1].cost - GAIN_OF_LABEL * self.edits[-1].is_labelled


class Search:
    """The search for one wrong gradient."""

    def __init__(self, trials: Trials, seconds: float) -> None:
        self.trials = trials
        self.seconds = seconds
        self.begin = thread_time()
        self.end = self.begin + (1 - SHARE_FOR_REQUIRED) * seconds
        self.kept: list[Edit] = []
        self.where: Location
        self.writer: ExpressionEdits

    def run(self) -> list[Repair]:
        """The repairs, the best first; without one, `kept` has edits that correct some arrays."""
        for _ in range(MAX_MISTAKES):
            self.writer = ExpressionEdits(self.trials.program, self.trials.code.names)
            self.where = Location(self.trials, SHARE_TO_PROBE * self.seconds, SHARE_FOR_LABELS * self.seconds)
            if self.where.mixed_samples is not None or not self.where.wrong.any():
                break
            repairs, best = self._try_edits()
            repairs = repairs or self._try_required()
            if repairs or best is None or thread_time() > self.end:
                return sorted(repairs, key=lambda repair: repair.rank)
            best.described = line_changes(best)
            self.kept.append(best)
            self.trials.program.keep(best)
        return []

    def _edits(self) -> Iterator[Edit]:
        """The edits, those of least cost first; those of expressions are evaluated shortly before their turn."""
        by_node: dict[ast.AST, EditPlace] = {place.node: place for place in self.where.places}
        alike: dict[tuple[str, Any], list[EditPlace]] = {}
        for place in self.where.places:
            alike.setdefault((ast.unparse(place.node), place.function), []).append(place)
        streams: list[Iterator[Waiting]] = []
        for place in self.where.places:
            rank = self.where.rank([place])
            if rank is not None and not place.is_forward:
                group, rank = alike[ast.unparse(place.node), place.function], rank + self.where.cost_of_line(place)
                streams.append(self._edits_of_place(place, rank, group, twins_of(place, by_node)))
        of_statements = sorted(self._edits_of_statements(), key=lambda edit: edit.cost)
        streams.append((edit.cost, partial(iter, [edit])) for edit in of_statements)
        waiting: list[tuple[float, int, Edit]] = []
        number = count()
        for cost, write in merge(*streams, key=lambda waiting: waiting[0]):
            while waiting and waiting[0][0] <= cost - GAIN_OF_GRADIENT:
                yield heappop(waiting)[2]
            for edit in write():
                heappush(waiting, (edit.cost - GAIN_OF_GRADIENT * edit.is_labelled, next(number), edit))
        while waiting:
            yield heappop(waiting)[2]

    def _edits_of_place(
        self, place: EditPlace, rank: float, group: list[EditPlace], twins: list[EditPlace]
    ) -> Iterator[Waiting]:
        """Edits of a place, of all places with the same text, and of its twins in statements of the same form."""
        old = ast.unparse(place.node)
        statement = place.statement
        in_whole = [other for other in group if other.whole is place.whole and place.whole is not None]
        is_first_twin = place.line < max((twin.line for twin in twins), default=place.line)

        def write(text: Text) -> Iterator[Edit]:
            evaluated = self.writer.evaluated(place, text)
            if evaluated is None:
                return
            new = evaluated.text
            cost = evaluated.cost
            is_labelled = self.where.becomes_gradient(place, evaluated.values)
            changes = partial(_changes, [place], [new])
            yield Edit(place.line, old, new, cost + rank, changes, file=place.file, is_labelled=is_labelled)
            if cost < 2.5 and len(group) > 1 and group[0] is place:
                yield from self._edits_at_several(group, new, [new] * len(group), cost)
            if cost < 2.5 and 1 < len(in_whole) < len(group) and in_whole[0] is place:
                yield from self._edits_at_several(in_whole, new, [new] * len(in_whole), cost - 0.6)
            if cost < 3 and is_first_twin and statement is not None:
                texts = [renamed(new, statement, twin.statement) for twin in twins if twin.statement]
                yield from self._edits_at_several([place, *twins], new, [new, *texts], cost)

        for text in self.writer.texts(place):
            yield text.cost + rank, partial(write, text)

    def _edits_at_several(self, places: list[EditPlace], new: str, texts: list[str], size: float) -> Iterator[Edit]:
        rank = self.where.rank(places)
        if rank is not None and not any(place.is_forward for place in places):
            first = places[0]
            changes = partial(_changes, places, texts)
            yield Edit(first.line, ast.unparse(first.node), new, size + rank + 1, changes, SAME_EDIT, first.file)

    def _edits_of_statements(self) -> Iterator[Edit]:
        inside = self._places_by_statement()
        moving = {key: [place for place in places if place.moves is not None] for key, places in inside.items()}
        edits = [
            (edit.edit, [place for statement in edit.statements for place in moving.get(statement, ())])
            for edit in statement_edits(self.trials.program)
        ]
        for statement, places in inside.items():  # divided by a count, after an array was changed in place
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Subscript):
                counts = sorted(self.writer.atoms.at(places[0]).counts, key=len)[:6]
                edits += [(edit, places) for edit in divided_after(places[0].file, statement, counts)]
        for edit, places in edits:
            rank = self.where.rank(places)
            if rank is not None:
                edit.cost += rank
                yield edit

    def _places_by_statement(self) -> dict[ast.stmt, list[EditPlace]]:
        inside: dict[ast.stmt, list[EditPlace]] = {}
        for place in self.where.places:
            for node in place.file.ancestors(place.statement):
                if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
                    inside.setdefault(node, []).append(place)
        return inside

    def _try_edits(self) -> tuple[list[Repair], Edit | None]:
        """Full repairs, and the best edit that corrects something and spoils nothing."""
        repairs: list[Repair] = []
        best: tuple[tuple[float, ...], Edit | None] = (), None
        end = self.end
        highest = float("inf")
        for edit in self._edits():
            now = thread_time()
            if now > end or (edit.cost > highest and not edit.is_labelled):
                break
            if best[0] and not repairs and now > self.begin + 0.6 * (self.end - self.begin):
                break
            right = self._right_entries_if_better(edit)
            if right is None:
                continue
            if right.all():
                points = self.trials.count_passed(edit)
                if not points:
                    continue
                repairs.append(Repair([*self.kept, edit], points))
                if len(repairs) == 1:
                    end, highest = min(end, now + _FURTHER_SECONDS), edit.cost + _FURTHER_COST
                if points < len(self.trials.points):
                    highest = edit.cost + 3 * _FURTHER_COST
                    end = max(end, min(self.end, now + 3 * _FURTHER_SECONDS))
            elif not repairs:
                best = max(best, (self._score_of_partial(edit, right), edit), key=lambda partial: partial[0])
        return repairs, best[1]

    def _right_entries_if_better(self, edit: Edit) -> Mask | None:
        """The right entries with an edit that corrects something and spoils nothing; None with any other."""
        wrong = self.where.wrong
        right = self.trials.right_entries(edit, self.trials.points[0])
        is_worse = right is None or (~wrong & ~right).any() or not (right & wrong).any()
        return None if is_worse else right

    def _score_of_partial(self, edit: Edit, right: Mask) -> tuple[float, ...]:
        """How much an edit corrects: whole arrays, entries; () if it spoils something at another point."""
        point = self.trials.points[0]
        truth = np.concatenate([array[known] for array, known in zip(point.truth, point.known, strict=True)])
        corrected = right & self.where.wrong & (np.abs(truth) > 1e-7)
        sizes = np.cumsum([int(known.sum()) for known in point.known])[:-1]
        parts = zip(np.split(right, sizes), np.split(corrected, sizes), strict=True)
        arrays = sum(bool(of_right.all() and of_corrected.any()) for of_right, of_corrected in parts)
        return (
            (arrays, float(corrected.sum()), -edit.cost) if arrays and self.trials.improves_other_points(edit) else ()
        )

    def _try_required(self) -> list[Repair]:
        """Repairs by the value that a place needs."""
        end = thread_time() + SHARE_FOR_REQUIRED * self.seconds
        repairs: list[Repair] = []
        for edit in required_edits(self.trials, self.where, self.writer, end):
            right = self.trials.right_entries(edit, self.trials.points[0])
            points = self.trials.count_passed(edit) if right is not None and right.all() else 0
            repairs += [Repair([*self.kept, edit], points)] if points else []
            if len(repairs) == MAX_REQUIRED or thread_time() > end:
                break
        return repairs


def _changes(places: Sequence[EditPlace], texts: Sequence[str]) -> list[Change]:
    return [place.change(text) for place, text in zip(places, texts, strict=True)]
