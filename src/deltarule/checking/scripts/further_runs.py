"""What a gradient alone does not say: whether an optimizer moves downhill, and whether an array was updated before.

Both are measured: the step is gone through again with all arrays moved, or with updates that are made at its end.
"""

import re
from dataclasses import replace
from functools import partial

import numpy as np

from deltarule.checking.catalog import join_names, short_names
from deltarule.checking.repair.roles import is_named_after
from deltarule.checking.scripts.answers import accuse_by_answers
from deltarule.checking.scripts.candidates import explained_arrays, is_reward
from deltarule.checking.scripts.measurement import go_through
from deltarule.checking.scripts.slopes import NumberSlopes, StepSlopes
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import DIRECTIONS, StepRun
from deltarule.checking.scripts.verdict import StepVerdict
from deltarule.proofs.differences import Floats

MIN_SHARE = 0.9
"""The share of entries that have to move against their gradient, so that a whole array does."""
_LENGTHS = (1.0, 1e4, 1e6, 1e7, 1e8)
"""How far arrays are moved, in steps: a gradient that is clipped is another one only far away."""
TIGHT = 1e-6
"""Error beside an array's largest slope where nothing but rounding is in the way."""
UPHILL = "has the wrong sign: its gradient is right, but the optimizer moves it uphill"
AT_ITS_TURN = "follows the gradient at what was updated before it"


def look_again(step: StepSlopes, verdict: StepVerdict) -> StepVerdict:
    """The verdict of a step after further runs of it, where they can say more."""
    if verdict.kind == "loss" and not verdict.is_move:
        verdict = _accuse_climbers(step, verdict)
        return verdict if verdict.wrong else accuse_by_answers(step, verdict)[0]
    if verdict.kind not in ("loss", "another loss"):
        return verdict
    return _accuse_stuck(step, _accuse_updated_before(step, verdict))


def _accuse_stuck(step: StepSlopes, verdict: StepVerdict) -> StepVerdict:
    """Accuse arrays that an update leaves as they are even where the loss has a slope, though here it has none."""
    key = verdict.loss_function, verdict.loss
    if verdict.kind != "loss" or verdict.rate is None or verdict.is_loss_later:
        return verdict
    judged = verdict.right.keys() | verdict.wrong.keys()
    left = [i for i, name in enumerate(step.names) if name not in judged and step.run.parameters[i].updates]
    stuck = {}
    for i in [i for i in left if not step.descent[i].any()]:
        slopes, moves = [], []
        for far in (1.0, -1.0):

            def moved(run: StepRun, times: float, i: int = i, far: float = far) -> None:
                parameter = run.parameters[i]
                parameter.move((far + times * run.steps[i]) * run.directions[i][0])
                parameter.start = parameter.current()

            up, down = go_through(step.turn, [partial(moved, times=1.0), partial(moved, times=-1.0)])
            if up is not None and down is not None and key in up.numbers and key in down.numbers:
                change = up.numbers[key][verdict.which] - down.numbers[key][verdict.which]
                slopes.append(abs(change) / (2 * step.run.steps[i]))
                moves += [*up.moves[i], *down.moves[i]]
        if slopes and max(slopes) > 1e-6 and not any(moves):
            stuck[step.names[i]] = f"(line {step.run.parameters[i].line}) does not move"
    return verdict.accusing(stuck, 1.0)


def _accuse_climbers(step: StepSlopes, verdict: StepVerdict) -> StepVerdict:
    """Accuse the arrays that an optimizer moves along their gradient, not against it."""
    slopes = _loss_slopes(step, verdict)
    if slopes is None or verdict.factor is None:
        return verdict
    reads = _gradients_read(step, slopes, verdict)
    places = step.run.places_of_reads()
    verdict = replace(verdict, gradients={name: places[k] for name, k in reads.items()})
    may_be_reward = "objective" in verdict.loss
    return verdict if may_be_reward else verdict.accusing(_climbers(step, slopes, verdict, reads), 2.0)


def _climbers(step: StepSlopes, slopes: NumberSlopes, verdict: StepVerdict, reads: dict[str, int]) -> dict[str, str]:
    """The arrays that go up along their gradient; moved farther and farther until all are decided."""

    def moved(run: StepRun, share: float) -> None:
        run.are_entries_wanted = True
        for i in filter(slopes.is_live, range(step.count)):  # not what an optimizer keeps
            run.parameters[i].move(share * run.steps[i] * run.directions[i][0])
            run.parameters[i].start = run.parameters[i].current()

    climbers = {}
    run = step.run
    sign = float(np.sign(verdict.factor or 1.0)) * (-1 if is_reward(verdict.loss) else 1)
    undecided = {name: step.names.index(name) for name in reads if name in verdict.right}
    for times in _LENGTHS:
        up, down = go_through(step.turn, [partial(moved, share=times), partial(moved, share=-times)])
        if up is None or down is None or not len(up.read) == len(down.read) > max(reads.values()):
            break
        for name, i in list(undecided.items()):
            share = _share_of_climb(run, i, reads[name], up, down, sign)
            if share is None or 1 - MIN_SHARE < share < MIN_SHARE:
                continue
            del undecided[name]
            if share >= MIN_SHARE:
                climbers[name] = f"(line {run.parameters[i].line}) {UPHILL}"
        if not undecided:
            break
    return climbers


def _share_of_climb(run: StepRun, i: int, k: int, up: StepRecord, down: StepRecord, sign: float) -> float | None:
    """The share of an array's entries that move uphill; 0 if the whole does not, as an optimizer's first steps may."""
    parameter = run.parameters[i]
    gradient = run.read_in_order()[k].values.reshape(parameter.start.shape)
    if not float((parameter.moved() * sign * gradient).sum()) > 0:
        return 0.0
    change = np.subtract(up.read[k], down.read[k])
    return _share_uphill(sign * change, np.subtract(up.entries[i], down.entries[i]))


def _gradients_read(step: StepSlopes, slopes: NumberSlopes, verdict: StepVerdict) -> dict[str, int]:
    """For each array which of the arrays that updates read is its gradient, or should be: the only one of its size."""
    run = step.run
    chosen = dict[str, int]()
    for i, parameter in enumerate(run.parameters):
        k = _place_of_right_gradient(step, slopes, verdict, i)
        if k is not None:
            chosen[parameter.name] = k
    read = run.read_in_order()
    lines = [place[:3] for place in run.places_of_reads()]
    known = {lines[k] for k in chosen.values()}
    wrong = [i for i, parameter in enumerate(run.parameters) if parameter.name in verdict.wrong]
    for i in wrong:
        free = [k for k in range(len(read)) if k not in chosen.values()]
        beside = [k for k in free if lines[k] in known]
        fitting = [k for k in free if read[k].values.shape == run.parameters[i].start.shape]
        # The only wrong one may have another shape, in the line in which all others are read.
        others = beside if len(wrong) == len(known) == 1 else []
        alike = [k for k in fitting if k in beside] or others or _named_gradients(run, i, fitting)
        if len({read[k].values.tobytes() for k in alike}) == 1:
            chosen[run.parameters[i].name] = alike[0]
    return chosen


def _place_of_right_gradient(step: StepSlopes, slopes: NumberSlopes, verdict: StepVerdict, i: int) -> int | None:
    """The first of the arrays that updates read that is the gradient of a right array, as its remark may say."""
    parameter = step.run.parameters[i]
    if parameter.name not in verdict.right:
        return None
    remark = verdict.right[parameter.name]
    for k, array in enumerate(step.run.read_in_order()):
        is_named = not remark.startswith("gradient ") or remark == f"gradient {array.text}"
        is_possible = array.values.size == step.sizes[i] and array.text != parameter.text and array.values.any()
        if is_named and is_possible:
            values = array.values.reshape(parameter.start.shape)
            if step.fits(np.array(step.run.along(i, values)), slopes, i, verdict.factor or 1.0):
                return k
    return None


def _named_gradients(run: StepRun, i: int, fitting: list[int]) -> list[int]:
    """The arrays read that are variables, none that is updated; those named after an array, if there are such."""
    read = run.read_in_order()
    updated = {parameter.text for parameter in run.parameters} | set().union(*(array.targets for array in read))
    variables = [k for k in fitting if re.fullmatch(r"[\w.\[\]'\"]+", read[k].text)]
    variables = [k for k in variables if not updated & {read[k].text, read[k].text.removesuffix(".T")}]
    return [k for k in variables if is_named_after(read[k].text, run.parameters[i].name)] or variables


def _share_uphill(gradient: Floats, move: Floats) -> float | None:
    """The share of entries whose move has the sign of the gradient.

    Entries with a negligible product of the two are left out.
    """
    sizes = np.abs(gradient) * np.abs(move)
    seen = sizes > 1e-3 * sizes.max(initial=0)
    return float(((gradient * move)[seen] > 0).mean()) if seen.any() else None


def _loss_slopes(step: StepSlopes, verdict: StepVerdict) -> NumberSlopes | None:
    return step.numbers.get(((verdict.loss_function, verdict.loss), verdict.which))


def _accuse_updated_before(step: StepSlopes, verdict: StepVerdict) -> StepVerdict:
    """Accuse arrays whose gradient is computed with what was updated before, and is right without that.

    Not those that follow the gradient at the updated arrays, as in alternating descent.
    """
    slopes = _loss_slopes(step, verdict)
    run = step.run
    judged = _judged_arrays(step, verdict)
    if slopes is None or len(run.order) < 2:
        return verdict
    if _is_explained(step, slopes, judged, verdict.factor):
        return verdict
    simultaneous = _descent_of_simultaneous_updates(step)
    if simultaneous is None:
        return verdict
    factor, agreeing = _best_factor(replace(step, descent=simultaneous), slopes, judged)
    if not set(judged) <= agreeing.keys():
        return verdict
    scale = np.abs(simultaneous).max(axis=1)
    changed = [i for i in judged if np.abs(simultaneous[i] - step.descent[i]).max() > 10 * TIGHT * scale[i]]
    right = {step.names[i]: agreeing[i] for i in judged}
    wrong = {}
    order = None
    for i in changed:
        before = _updated_before(run, i, judged)
        if not before:
            return verdict
        name = step.names[i]
        if _follows_gradient_at_its_turn(step, verdict, i, before, factor):
            right[name] = AT_ITS_TURN
            continue
        del right[name]
        own_order, wrong[name] = _remark_on_updates_before(step, i, before)
        order = order or own_order
    return replace(
        verdict,
        kind="loss",
        factor=factor,
        rate=verdict.rate if factor == verdict.factor else _rate_of(step, factor),
        right=right,
        wrong=wrong,
        doubtful=(),
        used_before=order,
        confidence=(2.0, float(step.weight(judged))),  # a larger loop would say no more
    )


def _judged_arrays(step: StepSlopes, verdict: StepVerdict) -> list[int]:
    names = {*verdict.right, *verdict.wrong, *verdict.doubtful}
    return [i for i, name in enumerate(step.names) if name in names]


def _is_explained(step: StepSlopes, slopes: NumberSlopes, arrays: list[int], factor: float | None) -> bool:
    return factor is not None and set(arrays) <= explained_arrays(step, slopes, arrays, factor, TIGHT).keys()


def _updated_before(run: StepRun, i: int, arrays: list[int]) -> list[int]:
    return [k for k in run.order[: run.order.index(i)] if k in arrays] if i in run.order else []


def _remark_on_updates_before(step: StepSlopes, i: int, before: list[int]) -> tuple[tuple[int, str, int, str], str]:
    """Which arrays are updated in which line before another one is in its own; and the same as a remark."""
    parameters = step.run.parameters
    updated = join_names(short_names(step.names[k] for k in before), 4)
    lines = sorted({parameters[k].line for k in before})
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(map(str, lines))}"
    verb = "are" if len(before) > 1 else "is"
    line = parameters[i].line
    remark = f"(line {line}) is computed with {updated}, which {verb} updated before ({where})"
    return (lines[0], updated, line, step.names[i]), remark


def _rate_of(step: StepSlopes, factor: float) -> float | None:
    return next((rate for rate in step.constant_rates if abs(factor - rate) < 1e-6 * rate), None)


def _best_factor(step: StepSlopes, slopes: NumberSlopes, arrays: list[int]) -> tuple[float, dict[int, str]]:
    """The factor with which most arrays agree but for rounding."""
    factors = []
    for i in arrays:
        values = slopes.values[i]
        if values.any():
            factors.append(float(f"{step.descent[i] @ values / (values @ values):.9g}"))
    factors += sorted(step.constant_rates) + [2 * rate for rate in step.constant_rates]
    remarks = {factor: explained_arrays(step, slopes, arrays, factor, TIGHT) for factor in factors if factor > 0}
    return max(remarks.items(), key=lambda entry: len(entry[1]), default=(0.0, {}))


def _descent_of_simultaneous_updates(step: StepSlopes) -> Floats | None:
    def prepare(run: StepRun) -> None:
        run.is_simultaneous = True

    [record] = go_through(step.turn, [prepare])
    return None if record is None else -np.array(record.moves).reshape(-1, DIRECTIONS)


def _follows_gradient_at_its_turn(
    step: StepSlopes, verdict: StepVerdict, i: int, before: list[int], factor: float
) -> bool:
    """Whether the array moves along the slopes of the loss where the arrays before it have been updated."""
    key = verdict.loss_function, verdict.loss
    ends = {k: step.run.parameters[k].moved() for k in before}

    def moved(run: StepRun, j: int, times: float) -> None:
        run.is_simultaneous = verdict.is_loss_later
        for k, end in ends.items():
            run.parameters[k].move(end)
            run.parameters[k].start = run.parameters[k].current()
        run.shift_by((i, j, times))

    prepared = [partial(moved, j=j, times=times) for j in range(DIRECTIONS) for times in (1.0, -1.0)]
    records = go_through(step.turn, prepared)
    numbers = [record.numbers[key][verdict.which] for record in records if record is not None and key in record.numbers]
    if len(numbers) < len(prepared):
        return False
    there = np.subtract(numbers[::2], numbers[1::2]) / (2 * step.run.steps[i])
    allowed = 1e-4 * np.abs(step.descent[i]).max()
    return bool((np.abs(step.descent[i] - factor * there) <= allowed).all())
