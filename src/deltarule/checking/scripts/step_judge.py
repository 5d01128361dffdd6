"""Judge a step of a script: compare how its arrays moved with the slopes of the numbers that it met."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np

from deltarule.checking.scripts.candidates import (
    LossCandidate,
    find_candidates,
)
from deltarule.checking.scripts.foretell import foretelling
from deltarule.checking.scripts.numbers_met import is_own_loss, sounds_like_loss
from deltarule.checking.scripts.own_losses import (
    NO_LOSS,
    OwnLoss,
    arrays_without_gradient,
    draws_random_numbers,
    is_named_loss,
    is_signed_error,
    other_loss,
)
from deltarule.checking.scripts.penalties import arrays_without_penalty, unbalanced_arrays
from deltarule.checking.scripts.points import points_around
from deltarule.checking.scripts.remarks import (
    arrays_that_miss_the_rate,
    is_copy_moved,
    kind_of_mistake,
    overwritten_arrays,
    remark_on_still,
)
from deltarule.checking.scripts.slopes import StepSlopes
from deltarule.checking.scripts.step_run import DIRECTIONS
from deltarule.checking.scripts.verdict import NOT_FOUND, StepVerdict

_SUMS = ("total", "sum", "acc")


def judge_step(step: StepSlopes, loss: str | None = None, is_point: bool = False) -> StepVerdict:
    """Compare what the step did with the slopes of the numbers that it met; perhaps as a point for another verdict."""
    candidates = find_candidates(step, loss)
    judge = _Judge(
        step, _empty(step, loss), candidates if is_point else _those_that_foretell(step, candidates, loss is not None)
    )
    return judge.still_arrays() or judge.by_loss() or judge.by_symmetry() or judge.by_own_loss() or judge.nothing()


def _those_that_foretell(step: StepSlopes, candidates: list[LossCandidate], is_given: bool) -> list[LossCandidate]:
    """The candidates with those arrays alone that they explain at other points too."""
    arrays = {i for c in candidates if c.is_plausible for i in c.agreeing}
    losses = [c for c in candidates if is_given or (c.is_loss and (c.agreeing or is_own_loss(c.number[0])))]
    arrays |= {i for loss in losses for i in loss.live}
    arrays -= step.states()
    if not arrays:
        return candidates
    step.points = points_around(step, sorted(arrays))
    return [foretelling(candidate, step, step.points) for candidate in candidates]


def _empty(step: StepSlopes, loss: str | None) -> StepVerdict:
    lines = {path: sorted(lines) for path, lines in step.run.lines_run.items()}
    verdict = StepVerdict("nothing found", step.run.loop, step.run.turn, span=step.turn.span, lines_run=lines)
    mixed = next(((line, *names) for line, names in step.run.met.mixed.items()), None)
    return replace(verdict, is_loss_given=loss is not None, mixed_shapes=mixed)


def _own_loss_for(best: LossCandidate | None, candidates: Iterable[LossCandidate]) -> LossCandidate | None:
    """The script's own loss, followed at a rate that it names, in place of one that it does not compute."""
    if best is None or not (best.is_made and best.is_move):
        return best
    own = [candidate for candidate in candidates if candidate.is_followed_loss and candidate.agreeing]
    return max(own, key=lambda candidate: candidate.order, default=best)


class _Judge:
    def __init__(self, step: StepSlopes, empty: StepVerdict, candidates: list[LossCandidate]) -> None:
        self.step = step
        self.empty = empty
        self.candidates = candidates
        self.best = _own_loss_for(max(candidates, key=lambda candidate: candidate.order, default=None), candidates)
        agreeing = self.best.agreeing if self.best and self.best.is_plausible else {}
        moved = {i for i in self.best.live if step.moves(i)} if self.best else set()
        real = (step.parameters() | set(agreeing) | moved) - step.states()
        self.real = [i for i in sorted(real) if not self._is_sum(i)]
        self.symmetry = {(i, k): step.is_symmetric(i, k) for i, k in combinations_with_replacement(self.real, 2)}
        self.asymmetric = [pair for pair, holds in self.symmetry.items() if holds is False]
        self.seen = [pair for pair, holds in self.symmetry.items() if holds is not None]
        self.still = [i for i in self.real if not step.moves(i)]
        states = self._states(agreeing)
        self.real = [i for i in self.real if i not in states]
        self.right = {i: remark for i, remark in agreeing.items() if i in self.real}
        self.wrong = self._wrong_arrays()

    def _states(self, agreeing: dict[int, str]) -> set[int]:
        """Arrays that are made anew, where others that are added to agree with the loss: no parameters."""
        parameters = self.step.run.parameters
        if not any(parameters[i].is_increment for i in agreeing):
            return set()
        return {i for i in self.real if i not in agreeing and not parameters[i].is_increment}

    def _is_sum(self, array: int) -> bool:
        name = self.step.names[array].lower()
        return self.step.sizes[array] == 1 and (sounds_like_loss(name) or any(word in name for word in _SUMS))

    def _wrong_arrays(self) -> list[int]:
        parameters = self.step.run.parameters
        live = self.best.live if self.best else []
        moving = {id(parameters[i].parts[0][0]) for i in range(self.step.count) if self.step.moves(i)}
        return [
            i
            for i in live
            if i in self.real
            and i not in self.right
            # one item of a list that moves elsewhere is data
            and not (i in self.still and id(parameters[i].parts[0][0]) in moving)
            and (not parameters[i].copy or (self.best is not None and is_copy_moved(self.step, i, self.best)))
        ]

    def still_arrays(self) -> StepVerdict | None:
        """The verdict where nothing moves: wrong only if a loss says that something should."""
        if self.step.descent.any():
            return None
        empty = replace(self.empty, kind="still", doubtful=tuple(self.step.names), confidence=(0.0, NOT_FOUND))
        losses = [candidate for candidate in self.candidates if candidate.is_loss and candidate.live]
        if not losses:
            return empty
        loss = max(losses, key=lambda candidate: candidate.order)
        if copied := {i: remark_on_still(self.step, i) for i in loss.live if is_copy_moved(self.step, i, loss)}:
            return replace(self._accusing_verdict(loss, copied), factor=None)
        wrong = {i: remark_on_still(self.step, i) for i in loss.live}
        return replace(
            self._accusing_verdict(loss, wrong), kind="still", factor=None, confidence=(0.1, 0.0)
        )  # less than moves say

    def by_loss(self) -> StepVerdict | None:
        """The verdict if a number explains the moves of some arrays, and this is no coincidence."""
        best = self.best
        if best is None:
            return None
        accusation = self._verdict_on_all(best)
        if accusation is not None or not self._is_credible(best) or self._is_contradicted(best):
            return accusation
        wrong = self._remarks_on_wrong(best)
        self.right = {i: remark for i, remark in self.right.items() if i not in wrong}
        balance = self.step.weight(self.right) - self.step.weight(wrong)
        own_loss, own_loss_place = self._other_loss_of_script(best)
        return replace(
            _with_loss(self.step, self.empty, best),
            right=self._by_name(self.right),
            wrong=self._by_name(wrong),
            doubtful=self._not_judged(wrong),
            own_loss=own_loss,
            own_loss_place=own_loss_place,
            confidence=(1.0 if wrong else 2.0, balance),
        )

    def _not_judged(self, wrong: dict[int, str]) -> tuple[str, ...]:
        """The arrays that the step moves, on which a loss depends, and of which nothing is said."""
        live = {i for candidate in self.candidates if candidate.is_loss for i in candidate.live}
        left = live & set(self.real) - self.right.keys() - wrong.keys()
        return tuple(self.step.names[i] for i in sorted(left) if self.step.moves(i) and self.step.sizes[i] > 1)

    def _verdict_on_all(self, best: LossCandidate) -> StepVerdict | None:
        """The verdict where all moves go uphill, or give the script's own penalty another weight."""
        if self.real and not (self.right and best.is_move):
            uphill = self._uphill_verdict()
            if uphill is not None:
                return uphill
        return self._unbalanced_verdict(best.rate) if best.is_made and best.rate is not None else None

    def _is_credible(self, best: LossCandidate) -> bool:
        """Whether it is no coincidence that a number explains some arrays."""
        is_rate_named = best.rate is not None
        is_known = best.is_loss or is_rate_named or len(self.right) > 1
        # After an epoch of small steps, two numbers that agree at a rate that no line names may be a coincidence.
        count = sum(min(self.step.sizes[i], DIRECTIONS) for i in self.right)
        is_known = is_known and (is_rate_named or count > 2 or not self.wrong or self._is_plain_descent(best))
        is_heavier = bool(self.seen) and self.step.weight(self.right) > self.step.weight(self.wrong)
        return bool(self.right) and is_known and (bool(self.asymmetric) or is_heavier or is_rate_named)

    def _remarks_on_wrong(self, best: LossCandidate) -> dict[int, str]:
        wrong = {i: kind_of_mistake(self.step, i, best) for i in self.wrong}
        if wrong and best.rate is not None and (second := self._loss_of_second_player(wrong)) is not None:
            self.right |= dict.fromkeys(wrong, f"follows {second.name}")
            wrong = {}
        wrong |= dict.fromkeys(self._climbing_arrays(best), "has the wrong sign")
        wrong |= arrays_that_miss_the_rate(self.step, best, self.right)
        wrong |= overwritten_arrays(self.step, best)
        return wrong | arrays_without_penalty(self.step, best, self.right | wrong)

    def _loss_of_second_player(self, wrong: Iterable[int]) -> LossCandidate | None:
        """The loss of a second player: all arrays that the first loss leaves follow it."""
        arrays = set(wrong)
        for candidate in self.candidates:
            if candidate.is_followed_loss and self.step.weight(arrays) > 1:
                if arrays <= {i for i, remark in candidate.agreeing.items() if not remark}:
                    return candidate
        return None

    def _climbing_arrays(self, best: LossCandidate) -> list[int]:
        """Arrays that move up the slopes of a loss where others move down."""
        plain = [c for c in self.candidates if c.is_move and c.number == best.number] if not best.is_move else []
        signs = {i: np.sign(plain[0].multiples[i]) for i in self.right if i in plain[0].multiples} if plain else {}
        return [i for i, sign in signs.items() if sign < 0] if len(set(signs.values())) > 1 else []

    def _unbalanced_verdict(self, rate: float) -> StepVerdict | None:
        """The verdict where moves follow the script's own loss but for the weight of its penalty."""
        for own in self._own_losses():
            if wrong := unbalanced_arrays(self.step, own, rate):
                return self._accusing_verdict(replace(own, factor=rate, rate=rate), wrong)
        return None

    def _own_losses(self) -> list[LossCandidate]:
        """The losses that the script itself computes from all that it updates, before it does."""
        live = {i for i in self.real if any(i in candidate.live for candidate in self.candidates)}
        return [c for c in self.candidates if c.is_move and live <= set(c.live) and self._is_own_before(c)]

    def _is_own_before(self, loss: LossCandidate) -> bool:
        """Whether the script itself computes a loss, before its updates."""
        key = loss.number[0]
        is_loss = is_own_loss(key) or self.empty.is_loss_given
        return is_loss and key not in self.step.run.after_updates and not is_signed_error(self.step, key)

    def _accusing_verdict(self, loss: LossCandidate, wrong: dict[int, str]) -> StepVerdict:
        return replace(_with_loss(self.step, self.empty, loss), wrong=self._by_name(wrong), confidence=(1.0, 0.0))

    def _is_plain_descent(self, loss: LossCandidate) -> bool:
        """Whether each array is updated once, and nothing else changes how: no optimizer with a memory."""
        step, parameters = self.step, self.step.run.parameters
        if any(parameters[i].updates > 1 for i in loss.live if i in self.real):
            return False
        memory = set(range(step.count)) - set(loss.live)
        return not any(step.depends(k, i) for i in memory for k in loss.live if k in self.real)

    def _is_contradicted(self, best: LossCandidate) -> bool:
        """Whether the arrays that disagree with a loss do have symmetric moves: then another one is meant."""
        return (
            bool(self.wrong)
            and not best.is_followed_loss
            and not best.failed & set(self.wrong)
            and not self.asymmetric
            and best.is_move
            and all(any(self.symmetry[min(i, k), max(i, k)] for k in self.real) for i in self.wrong)
        )

    def _uphill_verdict(self) -> StepVerdict | None:
        for candidate in self.candidates:
            is_loss = candidate.name[0] == "½" or sounds_like_loss(candidate.name)
            is_loss = is_loss and "objective" not in candidate.name.lower()  # which may be a reward
            is_negative = candidate.factor is not None and candidate.factor < 0 and candidate.is_move
            real = set(self.real) - self._states(candidate.agreeing)
            if is_loss and is_negative and set(candidate.agreeing) >= real:
                return self._accusing_verdict(candidate, dict.fromkeys(real, "has the wrong sign: the moves go uphill"))
        return None

    def _other_loss_of_script(self, best: LossCandidate) -> OwnLoss:
        """The script's own loss, if the moves are the gradient of another one."""
        if not best.is_made or not self.right:
            return NO_LOSS
        own = [number for number in self.step.numbers if number[0] not in self.step.run.after_updates]
        return other_loss(self.step, best.name, self.right, own)

    def by_symmetry(self) -> StepVerdict | None:
        """Without a loss: moves are a gradient only if their Jacobian is symmetric."""
        if not self.seen or not self.real or all(i == k and self.step.is_trivial(i) for i, k in self.seen):
            return None  # of a gradient that does not change with the arrays nothing can be said
        if not self.asymmetric:
            return None if len(self.seen) < len(self.real) else self._verdict_on_symmetric_moves()
        losses = [loss for loss in self._own_losses() if self._is_plain_descent(loss)]
        if draws_random_numbers(self.step):  # an error of samples is none that they follow, as in a Boltzmann machine
            losses = [loss for loss in losses if is_named_loss(loss.number[0])]
        real = set(self.real) & set(losses[0].live if losses else ())
        wrong = dict.fromkeys(arrays_without_gradient(self.step, losses[0].number, sorted(real)) if real else (), "")
        if wrong:
            return replace(self._accusing_verdict(losses[0], wrong), factor=None)
        doubtful = self._arrays_without_symmetry()
        return replace(
            self.empty,
            kind="no gradient",
            doubtful=tuple(self.step.names[i] for i in doubtful),
            candidates=self._possible_losses(),
            confidence=(0.0, -len(doubtful)),
        )

    def by_own_loss(self) -> StepVerdict | None:
        """The verdict where the script computes a loss, and no hypothesis foretells the moves: all arrays are wrong."""
        for own in self._own_losses():
            moving = [i for i in own.live if i in self.real and self.step.moves(i)]
            is_meant = is_named_loss(own.number[0]) or self.empty.is_loss_given
            moving = arrays_without_gradient(self.step, own.number, moving)
            if moving and self.step.points and is_meant and self._is_plain_descent(own):
                verdict = self._accusing_verdict(own, dict.fromkeys(moving, ""))
                return replace(verdict, factor=None, confidence=(0.9, 0.0))
        return None

    def _verdict_on_symmetric_moves(self) -> StepVerdict:
        """The gradient of something: perhaps of another loss than the script's own."""
        confidence = (0.5, self.step.weight(self.real) / 4)
        own = self._own_losses()
        for unbalanced in filter(None, map(self._unbalanced_verdict, sorted(self.step.constant_rates - {1.0}))):
            return unbalanced
        is_rate_named = bool(self.best and self.best.rate is not None)
        balance = self.step.weight(self.right) - self.step.weight(self.wrong)
        is_right_elsewhere = bool(self.right and self.wrong) and balance >= (0 if is_rate_named else 1)
        if (wrong := self.by_own_loss()) is not None:
            return wrong
        if own or is_right_elsewhere:
            loss = own[0] if own else self.best
            assert loss is not None
            verdict = replace(_with_loss(self.step, self.empty, loss), factor=None, confidence=confidence)
            return replace(verdict, kind="another loss", doubtful=tuple(self.step.names[i] for i in self.real))
        if self.step.points and any(c.is_loss and set(self.real) <= set(c.live) for c in self.candidates):
            return replace(self.nothing(), kind="no known loss", confidence=confidence)
        right = self._by_name(dict.fromkeys(self.real, ""))
        return replace(self.empty, kind="symmetric", right=right, confidence=confidence)

    def _arrays_without_symmetry(self) -> list[int]:
        alone = {i for i, k in self.asymmetric if i == k}
        return sorted(alone or {i for pair in self.asymmetric for i in pair})

    def nothing(self) -> StepVerdict:
        doubtful = tuple(self.step.names)
        return replace(self.empty, doubtful=doubtful, candidates=self._possible_losses(), confidence=(0.0, NOT_FOUND))

    def _possible_losses(self) -> tuple[str, ...]:
        """The script's own numbers that depend on what is updated."""
        own = (c.name for c in self.candidates if not c.is_made)
        return tuple(dict.fromkeys(name for name in own if not name.startswith("return")))

    def _by_name(self, arrays: dict[int, str]) -> dict[str, str]:
        return {self.step.names[i]: remark for i, remark in sorted(arrays.items())}


def _with_loss(step: StepSlopes, empty: StepVerdict, candidate: LossCandidate) -> StepVerdict:
    key = candidate.number[0]
    updates = {parameter.line for parameter in step.run.parameters if not sounds_like_loss(parameter.name)}
    read = sorted(step.run.numbers_beside_updates.items())
    beside = [(line, rates) for (_, line, _), rates in read if line in updates]
    return replace(
        empty,
        kind="loss",
        loss=key[1],
        loss_function=key[0],
        which=candidate.number[1],
        loss_line=step.run.met.lines.get(key),
        is_loss_made=candidate.is_made,
        factor=candidate.factor,
        rate=candidate.rate,
        rate_line=next((line for line, rates in beside if candidate.rate in rates), None),
        is_move=candidate.is_move,
        named_rates=tuple(sorted(step.constant_rates - {1.0})),
    )
