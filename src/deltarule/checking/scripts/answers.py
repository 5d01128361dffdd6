"""How the moves of arrays answer to gradients: to those of their turn, and to those of the turns before."""

from functools import partial

import numpy as np

from deltarule.checking.scripts.measurement import go_through
from deltarule.checking.scripts.points import deltas_away, move_start
from deltarule.checking.scripts.slopes import NumberSlopes, StepSlopes
from deltarule.checking.scripts.step_record import FollowedTurn, StepRecord
from deltarule.checking.scripts.step_run import StepRun
from deltarule.checking.scripts.verdict import StepVerdict
from deltarule.proofs.differences import Floats

_TIMES = (1.0, -1.0, 5.0, 25.0)
"""How far arrays are moved, beside a tenth of their size: what is linear answers alike."""
_TURNS_AFTER = 2
_SAME = 1e-3
"""What answers may differ, beside the largest one."""
STALE = "does not use the gradient of its turn, but an old one"
UPHILL_LATER = "moves against its gradient, but what is kept of old gradients moves it uphill"


def accuse_by_answers(step: StepSlopes, verdict: StepVerdict) -> tuple[StepVerdict, set[str]]:
    """Accuse arrays that answer late to a gradient, or uphill; and name those with a linear answer.

    All arrays are moved in one turn and back in the next: how later moves differ is the answer to one other gradient.
    With momentum it is 0.05, 0.04, 0.032, …: the rate and the momentum, without fitting.
    """
    run = step.run
    slopes = step.numbers.get(((verdict.loss_function, verdict.loss), verdict.which))
    if slopes is None or run.is_simultaneous or run.is_float32 or step.turn.span > 1:
        return verdict, set()
    numbers = {name: step.names.index(name) for name in verdict.right if name in step.names}
    texts = {name: _text_of_gradient(step, slopes, i) for name, i in numbers.items()}
    if not any(texts.values()):
        return verdict, set()
    away = deltas_away(step, sorted(numbers.values()), np.random.default_rng(2))

    def there_and_back(run: StepRun, times: float) -> None:
        move_start(run, away, times)
        run.are_reads_wanted, run.more_turns = True, _TURNS_AFTER
        run.at_next = partial(move_start, deltas=away, times=-times)

    plain, *moved = go_through(step.turn, [partial(there_and_back, times=times) for times in (0.0, *_TIMES)])
    others = [record for record in moved if record is not None and len(record.turns) > _TURNS_AFTER]
    if plain is None or len(plain.turns) <= _TURNS_AFTER:
        return verdict, set()
    wrong, linear = dict[str, str](), set[str]()
    for name, text in texts.items():
        answers = [_answers(plain, other, numbers[name], text) for other in others] if text else []
        known = [answer for answer in answers if answer]
        if len(known) < 2 or np.ptp([answer[0] for answer in known]) > _SAME * _largest(known):
            continue  # an optimizer that divides by the size of gradients, or one that clips them
        if all(len(answer) > 1 for answer in known):
            linear.add(name)
        where = f"(line {run.parameters[numbers[name]].line})"
        if abs(known[0][0]) < _SAME * _largest(known):
            wrong[name] = f"{where} {STALE}"
        elif all(len(answer) > 1 and answer[1] * answer[0] < -1e-6 * answer[0] ** 2 for answer in known):
            wrong[name] = f"{where} {UPHILL_LATER}"
    return verdict.accusing(wrong, 2.0), linear - wrong.keys()


def _text_of_gradient(step: StepSlopes, slopes: NumberSlopes, i: int) -> str | None:
    """The text of what updates read that is a multiple of an array's slopes: not of sums with what was kept."""
    values = slopes.values[i]
    for text, vector in step.read[i]:
        factor = float(vector @ values / max(values @ values, 1e-300))
        if factor and step.fits(vector, slopes, i, factor):
            return text
    return None


def _answers(plain: StepRecord, other: StepRecord, i: int, text: str) -> list[float]:
    """How moves answer to a difference of gradients: at once, and in the next turns, as far as they are linear."""
    pairs = [
        (_read(b, i, text), _read(a, i, text), np.subtract(a[0][i], b[0][i]))
        for a, b in zip(plain.turns, other.turns, strict=False)
    ]
    gradients = [there - here for there, here, _ in pairs if there is not None and here is not None]
    if len(gradients) < len(pairs) or not np.abs(gradients[0]).max() > 0:
        return []
    first, moves = gradients[0], [move for _, _, move in pairs]
    size = np.abs(first).max()
    largest = max(float(np.abs(move).max()) for move in moves) / size
    answers: list[float] = []
    for turn, move in enumerate(moves):
        rest = move - sum((answers[turn - k] * gradients[k] for k in range(1, turn + 1)), np.zeros(len(first)))
        answer = float(rest @ first / (first @ first))
        if np.abs(rest - answer * first).max() > _SAME * size * largest:
            break
        answers.append(answer)
    return answers


def _read(turn: FollowedTurn, i: int, text: str) -> Floats | None:
    return next((np.array(along) for own, k, along in turn[1] if k == i and own == text), None)


def _largest(answers: list[list[float]]) -> float:
    return max(abs(value) for answer in answers for value in answer)
