"""Where an edit may help.

Noise into an expression shows which entries of the gradient move with it: wrong ones must, right ones should not. Lines
whose values are right gradients are edited last; the first wrong ones, whose operands are right, first.
"""

import ast
from collections.abc import Sequence
from time import thread_time
from typing import Any

import numpy as np

from deltarule.checking.repair.labels import Labelling
from deltarule.checking.repair.probe import EditPlace, Probe, as_numpy, list_places, probed
from deltarule.checking.repair.trials import Mask, Trials
from deltarule.proofs.differences import Floats

COST_OF_RIGHT_LINE = 0.7
"""The extra cost of editing a line whose value is the right gradient of what it is named after."""
COST_OF_PLAUSIBLE_LINE = 0.2
"""The extra cost of editing a line whose value is a right gradient, perhaps not of the value that is meant."""
COST_OF_FORWARD_LINE = 1.2
"""The cost of an edit of what the forward pass keeps for the backward pass."""
COST_OF_LATER_LINE = 0.4
"""The extra cost of editing a line that is computed from a wrong gradient: the mistake is there."""
COST_OF_RETURNED_NAME = 0.9
"""The extra cost of editing a name that is returned: what is wrong with it is wrong in its own line."""
GAIN_OF_SUSPECT = 0.3
"""How much less an edit costs in one of the first wrong lines: those whose operands are right."""


class Location:
    """The expressions of a program, and what speaks for a mistake in each.

    places          those that run, with their values
    wrong           the wrong entries of the gradient
    mixed_samples   an expression of the forward pass that normalizes over the whole batch, if there is one
    labelling       which values are right gradients; None if that was not found in time
    """

    def __init__(self, trials: Trials, seconds_to_probe: float, seconds_to_label: float) -> None:
        self.trials = trials
        self.wrong: Mask = np.ones(0, bool)
        self.places = self._probe_places(seconds_to_probe)
        self.mixed_samples = next((place for place in self.places if _adds_up_over_samples(place)), None)
        self.labelling: Labelling | None = None
        self._has_backward_pass = any(f.gradient_lines - f.loss_lines for f in trials.program.functions)
        if self.wrong.any() and self.mixed_samples is None:
            end = thread_time() + seconds_to_label
            point = trials.points[0]
            self.labelling = trials.limited(lambda: Labelling(trials.program, point, self.places, end), 2.0)
            trials.state.restore()

    def _probe_places(self, seconds: float) -> list[EditPlace]:
        """Record the values of all expressions, and find the gradient's entries that move with each."""
        trials = self.trials
        point = trials.points[0]
        places = list_places(trials.program.functions)
        with probed(trials.program, places) as probe:
            probe.is_recording = True
            trials.limited(point.gradient)
            probe.is_recording = False
            if len(trials.points) > 1:
                probe.recording_far = trials.points[-1].arranged
                trials.limited(trials.points[-1].gradient)
                probe.recording_far = None
            before = trials.limited(point.gradient)
            if before is not None:
                self.wrong = ~point.right_entries(before)
                self._find_moves(probe, places, point.traces(before), seconds)
        reached = [place for place in places if place.values]
        by_node: dict[ast.AST, EditPlace] = {place.node: place for place in reached}
        for place in reached:  # one that was not probed moves what the expression around it moves
            for node in place.file.ancestors(place.node):
                if place.moves is not None or isinstance(node, ast.stmt):
                    break
                place.moves = by_node[node].moves if node in by_node else None
        return reached

    def _find_moves(self, probe: Probe, places: Sequence[EditPlace], reference: Floats, seconds: float) -> None:
        """Find the entries that noise in each place moves, and the places of which the loss depends."""
        trials = self.trials
        point = trials.points[0]
        end = thread_time() + seconds
        for k, place in enumerate(places):
            if not place.values:
                continue
            if thread_time() > end:
                break
            probe.noisy = k
            probe.has_moved = False
            probe.random = np.random.default_rng(k)
            after = trials.limited(point.gradient)
            if after is not None and probe.has_moved:
                place.moves = ~np.isclose(point.traces(after), reference, rtol=1e-9, atol=1e-13)
            probe.random = np.random.default_rng(k)
            if place.function.loss_lines and trials.limited(point.keeps_loss) is False:
                place.is_forward = True
            trials.state.restore()

    def rank(self, places: Sequence[EditPlace]) -> float | None:
        """The cost of editing some places, 0 for the best; None if no wrong entry moves with them."""
        if not places or any(place.moves is None for place in places):
            return 1.0
        moves = np.logical_or.reduce([place.moves for place in places if place.moves is not None])
        if moves.shape != self.wrong.shape:
            return 1.0
        of_wrong = (moves & self.wrong).sum() / max(self.wrong.sum(), 1)
        of_right = (moves & ~self.wrong).sum() / max((~self.wrong).sum(), 1)
        return None if not of_wrong else float(1.2 * (1 - of_wrong) + 1.5 * of_right)

    def cost_of_line(self, place: EditPlace) -> float:
        """The cost of editing a line, by what is known of its value."""
        is_kept = self._has_backward_pass and place.line in place.function.loss_lines
        cost = COST_OF_FORWARD_LINE if is_kept else 0.0
        is_returned = isinstance(place.statement, ast.Return) and isinstance(place.owner, ast.Tuple | ast.Dict)
        cost += COST_OF_RETURNED_NAME * (is_returned and isinstance(place.node, ast.Name))
        if self.labelling is None or place.whole is None:
            return cost
        if place.whole in self.labelling.right:
            return cost + COST_OF_RIGHT_LINE
        if place.whole in self.labelling.plausible:
            return cost + COST_OF_PLAUSIBLE_LINE
        if place.whole in self.labelling.later:
            return cost + COST_OF_LATER_LINE
        return cost - GAIN_OF_SUSPECT if place.whole in self.labelling.suspects else cost

    def becomes_gradient(self, place: EditPlace, values: Sequence[Any]) -> bool:
        """Whether values at a place make its whole expression the correct gradient."""
        whole = place.whole
        labelling = self.labelling
        if whole is None or not whole.values or labelling is None or whole in labelling.right:
            return False
        return labelling.fits(whole, values[:1])


def _adds_up_over_samples(place: EditPlace) -> bool:
    """Whether a forward value is a softmax over a whole batch: all entries of a table together add up to 1."""
    value = as_numpy(place.values[0])
    if not place.is_forward or not isinstance(value, np.ndarray) or value.ndim != 2 or min(value.shape) < 2:
        return False
    is_quotient = isinstance(place.node, ast.BinOp) and isinstance(place.node.op, ast.Div)
    return is_quotient and value.dtype.kind == "f" and bool((value > 0).all()) and abs(value.sum() - 1) < 1e-9
