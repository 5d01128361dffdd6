"""Generate penalty and update in the program for small networks.

L lanes (members of a block) · P parameters      theta, gradient, slots [P · L], flat
"""

import numpy as np

from deltarule.engines.base import FLUSH_EVERY
from deltarule.engines.compiled.codegen_formulas import flush_lines, once_a_step_call, optimizer_step, update_numbers
from deltarule.engines.compiled.codegen_lanes import LaneWriter


class UpdateWriter(LaneWriter):
    """Writes what follows the backward pass of a batch: penalty, norms, update."""

    def optimizer_slots(self) -> list[str]:
        return [f"slot{index}" for index in range(len(self.problem.optimizer.slots))]

    def penalty(self) -> None:
        """Write the code for J += λ Σ penalty(θ), and add λ penalty'(θ) to the gradient."""
        penalty = self.problem.penalty
        if penalty is None:
            return
        scale = f"{self.number('strength')} / {self.at('total')}" if penalty.per_sample else self.number("strength")
        objective, before = self.objective, self.at("check")
        self.out.lanes(f"{self.at('share')} = {scale}", f"{before} = {objective}")
        value, slope = (self.formulas.call(function, "q") for function in (penalty.value, penalty.derivative))
        q, share = f"q = theta[p * {self.L} + l]", self.at("share")
        for part in filter(lambda part: part.penalized, self.problem.update_ranges):
            # In two loops, because the sum, in a fixed order, cannot be vectorized.
            each = f"p in range({part.start}, {part.stop})"
            self.out.lanes(q, f"gradient[p * {self.L} + l] += {share} * {slope}", over=each)
            self.out.lanes(q, self.add_to_objective(f"{share} * {value}"), over=each)
        self.out.lanes(f"{objective} = {objective} if {share} != 0 else {before}")  # 0 · ∞ is no number

    def norms(self) -> None:
        if not self.problem.optimizer.norms:
            return
        for index, entry in enumerate(self.problem.network.entries):
            norm = self.at("norm", 0, index)
            self.out.lanes(f"{norm} = 0.0")
            square = f"gradient[p * {self.L} + l] * gradient[p * {self.L} + l]"
            self.out.lanes(f"{norm} += {square}", over=f"p in range({entry.start}, {entry.stop})")
            self.out.lanes(f"{norm} = math.sqrt({norm})")

    def update(self) -> None:
        """Write the optimizer's update of each range of θ with the same numbers."""
        problem, optimizer = self.problem, self.problem.optimizer
        counted = "step // batches" if problem.schedule.per == "epoch" else "step"
        schedule = {name: self.number(f"schedule's {name}") for name in problem.schedule_numbers}
        arguments = f"({counted}) * 1.0", self.number("learning_rate")
        rate = (
            self.formulas.call(problem.schedule.rate, *arguments, numbers=schedule, dtype=np.float64) + " * factor[l]"
        )
        self.out.lanes("nonfinite = 0" if self.is_single else f"{self.at('check')} = 0.0")
        # What is computed once a step takes all numbers in float64, and otherwise they have the dtype of θ.
        number = self.number if optimizer.once_a_step else self.setting
        for index, part in enumerate(problem.number_ranges):
            range_rate = f"{rate} * {self.number(f'learning_rate of range {index}')}"
            parameters = {name: number(f"{name} of range {index}") for name in optimizer.parameters}
            if optimizer.once_a_step:
                self.once_a_step({"learning_rate": range_rate} | parameters)
            else:
                self.out.lanes(f"{self.at('rate')} = {range_rate}")
            numbers = {"learning_rate": self.at("rate")} | parameters
            if not optimizer.norms:
                self.update_range(part.start, part.stop, 0, numbers)
                continue
            for entry_index, entry in enumerate(problem.network.entries):
                if part.start <= entry.start < part.stop:
                    self.update_range(entry.start, entry.stop, entry_index, numbers)

    def once_a_step(self, numbers: dict[str, str]) -> None:
        names = update_numbers(self.problem.optimizer)
        self.out.lanes(
            f"{', '.join(f'o{i}' for i in range(len(names)))} = "
            f"{once_a_step_call(self.problem.optimizer, self.formulas, numbers)}",
            *(f"{self.at('once', 0, i)} = o{i}" for i in range(len(names))),
        )

    def update_range(self, start: int, stop: int, index: int, numbers: dict[str, str]) -> None:
        optimizer = self.problem.optimizer
        slots = [f"{slot}[p * {self.L} + l]" for slot in self.optimizer_slots()]
        if optimizer.once_a_step:
            numbers = {name: self.at("once", 0, i) for i, name in enumerate(update_numbers(optimizer))}
        elif optimizer.norms:
            numbers = {"norm": self.at("norm", 0, index), **numbers}
        theta, gradient = f"theta[p * {self.L} + l]", f"gradient[p * {self.L} + l]"
        lines, new = optimizer_step(optimizer, self.formulas, theta, gradient, slots, numbers)
        self.out.lanes(*lines, *self.check_finite(new), over=f"p in range({start}, {stop})")

    def check_finite(self, names: list[str]) -> list[str]:
        if self.is_single:
            return [f"nonfinite += 1 if {name} - {name} != 0 else 0" for name in names]
        return [f"{self.at('check')} += {' + '.join(f'({name} - {name})' for name in names)}"]

    def finish_objective(self) -> None:
        """Add the lines that store the objective and the first nonfinite step."""
        if self.is_single:
            self.out.add(
                "objective[s] = value",
                "if bad[0] < 0 and (nonfinite > 0 or objective[s] - objective[s] != 0):",
                "    bad[0] = step",
            )
            return
        self.out.lanes(
            f"checked = {self.at('check')} + ({self.objective} - {self.objective})",
            "bad[l] = step if bad[l] < 0 and not checked == 0 else bad[l]",
        )

    def flush(self) -> None:
        with self.out.block(f"if (step + 1) % {FLUSH_EVERY} == 0"):
            for vector in ("theta", *self.optimizer_slots()):
                with self.out.block(f"for p in range({self.problem.network.parameters * self.L})"):
                    self.out.add(*flush_lines(self.problem.dtype, f"{vector}[p]"))
