"""Generate the program for small networks, with the inner loop over members.

L lanes (members of a block) · P parameters · D inputs of a layer · H its units · C outputs

All arrays of a block are flat, [rows · L], and row i of one is i · L + lane, with i and L written as numbers: so the
compiler sees that two rows never overlap, and turns every loop over lanes into SIMD instructions. A sum over units is
one expression inside one such loop. Elementwise formulas come from `maths`; dense, softmax and dropout are here.

A block processes a batch row by row. A single member (L = 1) has no neighbors to fill a vector with: it processes the
batch layer by layer, and in elementwise loops the rows take the place of lanes. So does a block whose members all see
the same rows: for its first layer it is one network with the units of all members, whose products are computed in
tiles, as are those of later layers lane by lane. Every sum runs over the same numbers in the same order in all of
these, so all give the same bits.

What the form for a single member buys: 8-3-8 takes 14 times as long in lanes that stay empty, 16-16-16-4 nine times.
"""

from deltarule.engines.compiled.codegen_formulas import (
    elementary_source_files,
    is_softmax_cross_entropy,
    loss_calls,
    read_program_sources,
)
from deltarule.engines.compiled.codegen_lanes import STEP_VALUES, Shape, Space
from deltarule.engines.compiled.codegen_small_update import UpdateWriter
from deltarule.engines.compiled.formula_printer import NotCompilable
from deltarule.maths.network import Layer
from deltarule.maths.random import DROPOUT
from deltarule.problem.problem import Problem

ROWS_AT_ONCE = 24
"""Rows that go through the layers together with tiles: enough for them, few enough to stay in the nearest memory."""


def program(problem: Problem, shape: Shape) -> str:
    """Return the program's source text, or raise `NotCompilable` for what it lacks."""
    return _ProgramWriter(problem, shape).text()


def not_compilable(problem: Problem) -> str:
    """Return what keeps a problem from a program for small networks, or ""."""
    try:
        program(problem, Shape(1, False, "none", tuple(False for _ in problem.network.layers[1:])))
    except NotCompilable as reason:
        return str(reason)
    return ""


class _ProgramWriter(UpdateWriter):
    """Writes the program's text: the passes through the layers, and the loss."""

    def text(self) -> str:
        out = self.out
        names = ["theta", "gradient", *self.row_counts, *self.optimizer_slots()]
        names += ["hyperparameters", "factor", "x", "y", "w", "ids", "positions", "limits", "keys"]
        names += ["first", "steps", "size", "rows", "objective", "bad"]
        out.add("@njit(**INNER)")
        with out.block(f"def advance_block({', '.join(names)})"):
            out.add(f'"""{self.problem.network!r}, {self.L} lanes"""', "batches = (rows + size - 1) // size")
            self.name_arrays()
            for name in self.number_names if self.formulas.rounds else []:
                out.lanes(f"{self.setting(name)} = {self.number(name)}")
            with out.block("for s in range(steps)"):
                self.step()
        out.add("", "", "@entry")
        self.all_blocks(names)
        sources = ["linking.py", *elementary_source_files(self.problem.dtype)]
        sources += ["gemm_tiles.py"] if self.is_tiled else []
        head = read_program_sources(*sources, "block_ops.py", lanes=self.L)
        return "\n\n\n".join([*head, *self.formulas.texts, "\n".join(out.lines), ""])

    def all_blocks(self, names: list[str]) -> None:
        """Write the function that Python calls, the updates of several blocks."""
        out, vectors = self.out, ["theta", *self.optimizer_slots()]
        copies = "".join(f"{vector}_before, {vector}_after, " for vector in vectors)
        of_block = {name: f"{name}[block]" for name in ("hyperparameters", "limits", "keys")} | {"w": "own_w"}
        with out.block(f"def advance(members, counts, objectives, first_bad, factors, {copies}{', '.join(names)})"):
            with out.block("for block in range(len(members))"):
                out.add("own, count = members[block], counts[block]")
                out.add(*(f"gather_lanes({vector}_before, own, {vector})" for vector in vectors))
                out.add("own_w = w[min(block, len(w) - 1)]", "objective[:] = 0.0")
                out.lanes("factor[l], bad[l] = factors[own[l]], -1")
                out.add(f"advance_block({', '.join(of_block.get(name, name) for name in names)})")
                out.add(*(f"scatter_lanes({vector}, own, count, {vector}_after)" for vector in vectors))
                with out.block("for l in range(count)"):
                    out.add("first_bad[own[l]] = bad[l]")
                with out.block("for s in range(steps)"), out.block("for l in range(count)"):
                    out.add(f"objectives[s, own[l]] = objective[s * {self.L} + l]")

    def name_arrays(self) -> None:
        """Write a named array for each kind of value, indexed from 0."""
        if self.is_batched:
            room = ROWS_AT_ONCE * self.L if self.is_tiled else "size"
            for kind, reserved in self.array_ranges.items():
                if reserved.array not in (STEP_VALUES, "inputs") and kind != ("x", 0):
                    stop = reserved.start + reserved.rows
                    self.out.add(f"{reserved.name} = {reserved.array}[{reserved.start} * {room} : {stop} * {room}]")
        if self.is_tiled:
            start = self.array_ranges["zero", 0].start * self.L
            self.out.add(f"zero = {STEP_VALUES}[{start} : {start + self.L}]", "zero[:] = 0.0")

    def step(self) -> None:
        out = self.out
        out.add(
            "step = first + s",
            "epoch = 0 if batches == 1 else step // batches - first // batches",
            "begin = (step % batches) * size",
            "end = min(begin + size, rows)",
            "start, count = begin, end - begin",
            f"for i in range({self.problem.network.parameters * self.L}):",
            "    gradient[i] = 0.0",
        )
        out.lanes(f"{self.objective} = 0.0")
        self.totals()
        if self.is_tiled:
            with out.block(f"for start in range(begin, end, {ROWS_AT_ONCE})"):
                out.add(f"count = min(end - start, {ROWS_AT_ONCE})")
                out.add("gather(x, ids[epoch, start : start + count], inputs)")
                self.batch()
        elif self.is_single:
            self.batch()
        else:
            with out.block("for i in range(begin, end)"):
                self.load_row()
                self.batch()
        self.penalty()
        self.norms()
        self.update()
        self.flush()
        self.finish_objective()

    def totals(self) -> None:
        """Write the code for the sum of the weights of the batch's rows, in each lane."""
        total = self.at("total")
        if self.shape.weights == "none":
            self.out.lanes(f"{total} = (end - begin) * 1.0", f"{self.at('share')} = 1.0 / {self.divisor()}")
            return
        self.out.lanes(f"{total} = 0.0")
        with self.out.block(f"for i in range({self.row_range})"):
            self.load_row(inputs=False)
            self.out.lanes(f"{total} += {self.row_weight()}")

    def batch(self) -> None:
        for layer in self.layers:
            self.forward(layer)
        self.loss()
        for layer in reversed(self.layers):
            self.backward(layer)

    def forward(self, layer: Layer) -> None:
        """Write the code for z = x W + b and a = f(z) of a layer."""
        n, units = layer.number, layer.units
        self.multiply(layer)
        if layer is self.layers[-1]:
            return
        if layer.activation.rowwise:
            self.softmax(n, units)
        else:
            self.units(n, f"{self.every('a', n)} = {self.activation(layer.activation, self.every('z', n))}")
        if self.shape.drops[n - 1]:
            self.drop(layer)

    def multiply(self, layer: Layer) -> None:
        """Write the code for z = x W + b of a layer."""
        if self.is_tiled:
            self.multiply_in_tiles(layer)
            return
        n, units, weights = layer.number, layer.units, f"W{layer.number}"
        total = self.parameter(f"b{n}", 0, "h") if layer.bias else self.formulas.constant(0.0)
        for d in range(layer.inputs):
            total = f"fma({self.input(layer, d)}, {self.parameter(weights, d * units, 'h')}, {total})"
        with self.each_row(inputs=n == 1):
            self.out.lanes(f"{self.at('z', n, 0, 'h')} = {total}", over=f"h in range({units})")

    def multiply_in_tiles(self, layer: Layer) -> None:
        n, columns, W = layer.number, layer.units * self.L, self.parameters(f"W{layer.number}")
        if layer.number > 1 and not self.is_single:
            b = f"{self.parameters(f'b{n}')}, {self.L}" if layer.bias else "zero, 0"
            self.out.add(
                f"multiply_lanes({self.inputs(layer)}, {W}, {b}, z{n}, count, {layer.inputs}, {layer.units}, {self.L})"
            )
            return
        if not layer.bias:
            self.units(n, f"z{n}[j] = 0.0")
        b = f"{self.parameters(f'b{n}')}, 0" if layer.bias else f"z{n}, {columns}"
        self.out.add(f"multiply({self.inputs(layer)}, {layer.inputs}, {W}, {b}, z{n}, count, {columns})")

    def softmax(self, n: int, units: int) -> None:
        """Write the code for a = e^(z − max) / Σ e^(z − max) of layer n."""
        z, a, each = self.at("z", n, 0, "h"), self.at("a", n, 0, "h"), f"h in range({units})"
        maximum, total = self.at("max"), self.at("sum")
        with self.each_row():
            self.out.lanes(f"{maximum} = {self.at('z', n)}")
            self.out.lanes(f"{maximum} = select({z} - {maximum}, {z}, {maximum})", over=each)
            self.out.lanes(f"{a} = {z} - {maximum}", over=each)
        self.units(n, f"{self.every('a', n)} = {self.formulas.helper('exp')}({self.every('a', n)})")
        with self.each_row():
            self.out.lanes(f"{total} = 0.0")
            self.out.lanes(f"{total} += {a}", over=each)
            self.out.lanes(f"{a} /= {total}", over=each)
            self.out.lanes(f"{self.at('log')} = {self.formulas.helper('log')}({total})")

    def softmax_backward(self, n: int, units: int) -> None:
        """Write the code for ∂J/∂z = a (∂J/∂a − Σ a ∂J/∂a) of a softmax layer n."""
        a, g, each = self.at("a", n, 0, "h"), self.at("g", n, 0, "h"), f"h in range({units})"
        total = self.at("sum")
        with self.each_row():
            self.out.lanes(f"{total} = 0.0")
            self.out.lanes(f"{total} += {a} * {g}", over=each)
            self.out.lanes(f"{g} = {a} * ({g} - {total})", over=each)

    def drop(self, layer: Layer) -> None:
        n, purpose = layer.number, DROPOUT | layer.number << 8
        position = f"positions[epoch, {f'i * {self.L} + l' if self.has_own_rows else self.row_index}]"
        counter = f"np.uint64({position}), np.uint64(step), np.uint64({purpose}), keys[0, l], keys[1, l]"
        gain, limit = self.setting(f"gain of layer {n}"), f"limits[{n - 1}, l]"
        with self.each_row():
            for group in range(0, layer.units, 4):
                some = range(min(4, layer.units - group))
                self.out.lanes(
                    f"c0, c1, c2, c3 = philox(np.uint64({group // 4}), {counter})",
                    *(f"{self.at('k', n, group + j)} = {gain} * (c{j} >= {limit})" for j in some),
                )
        self.units(n, f"{self.every('d', n)} = {self.every('a', n)} * {self.every('k', n)}")

    def share(self) -> None:
        """Write the code for the share of a row's loss in the objective."""
        if self.shape.weights != "none":
            self.out.lanes(f"{self.at('share')} = {self.row_weight()} / {self.divisor()}")

    def divisor(self) -> str:
        total, units = self.at("total"), self.formulas.constant(self.layers[-1].units)
        return {"sum": "1.0", "mean_samples": total, "mean_elements": f"({total} * {units})"}[self.problem.reduction]

    def loss(self) -> None:
        """Write the code for J += share · ℓ, and ∂J/∂z of the last layer."""
        problem, n, units = self.problem, self.layers[-1].number, self.layers[-1].units
        output = problem.network.output
        share, each = self.at("share"), f"h in range({units})"
        z, a, g, y = self.at("z", n, 0, "h"), self.at("a", n, 0, "h"), self.at("g", n, 0, "h"), self.at("y", 0, 0, "h")
        target = f"y[{self.row()}, h]"
        if output.rowwise:
            self.softmax(n, units)
        if is_softmax_cross_entropy(problem):
            targets = self.at("sum")
            with self.each_row():
                self.share()
                self.out.lanes(f"{targets} = 0.0")
                self.out.lanes(f"{targets} += {target}", over=each)
                # Maximum and logarithm are kept apart: a large maximum would swallow the logarithm's digits.
                loss = f"{target} * ({self.at('log')} - ({z} - {self.at('max')}))"
                slope = f"{a} * {targets} - {target}"
                self.out.lanes(self.add_to_objective(f"{share} * ({loss})"), f"{g} = {share} * ({slope})", over=each)
            return
        arguments = []
        if problem.loss.fused_with(output) is None:
            a = self.every("a", n) if self.is_single else a
            arguments.append(f"a = {a if output.rowwise else self.activation(output, 'z')}")
        value, slope = loss_calls(problem, self.formulas, "z", "a", "t")
        with self.each_row():
            self.share()
            if not self.is_single:
                lines = [f"t = {target}", f"z = {z}", *arguments, self.add_to_objective(f"{share} * {value}")]
                self.out.lanes(*lines, f"{g} = {share} * {slope}", over=each)
            else:
                self.out.lanes(f"{g} = {share}", f"{y} = {target}", over=each)
        if self.is_single:
            g, v = self.every("g", n), self.every("v")
            arguments = [f"t = {self.every('y')}", f"z = {self.every('z', n)}", *arguments]
            self.units(n, *arguments, f"{v} = {g} * {value}", f"{g} = {g} * {slope}")
            self.units(n, self.add_to_objective(v))
        if output.rowwise:
            self.softmax_backward(n, units)

    def backward(self, layer: Layer) -> None:
        """Write the code for ∂J/∂W, ∂J/∂b, and ∂J/∂z of the previous layer."""
        if self.is_tiled:
            self.add_gradient_in_tiles(layer)
        else:
            self.add_gradient(layer)
        if layer.number > 1:
            self.backward_through(self.layers[layer.number - 2], layer)

    def add_gradient_in_tiles(self, layer: Layer) -> None:
        sizes = f"count, {layer.inputs}, {layer.units}, {self.L}"
        n, columns, gradient = layer.number, layer.units * self.L, self.parameters(f"W{layer.number}", "gradient")
        if layer.bias:
            self.out.add(f"add_rows(g{n}, {self.parameters(f'b{n}', 'gradient')}, count, {columns})")
        if layer.number == 1 or self.is_single:
            self.out.add(f"add_gradient({self.inputs(layer)}, {layer.inputs}, g{n}, {gradient}, count, {columns})")
        else:
            self.out.add(f"add_gradient_lanes({self.inputs(layer)}, g{n}, {gradient}, {sizes})")

    def add_gradient(self, layer: Layer) -> None:
        """Write the code for ∂J/∂W += x ∂J/∂z and ∂J/∂b += ∂J/∂z row by row."""
        n, units = layer.number, layer.units
        lines = [f"d = {self.at('g', n, 0, 'h')}"]
        if layer.bias:
            lines.append(f"{self.parameter(f'b{n}', 0, 'h', vector='gradient')} += d")
        for d in range(layer.inputs):
            gradient = self.parameter(f"W{n}", d * units, "h", vector="gradient")
            lines.append(f"{gradient} = fma({self.input(layer, d)}, d, {gradient})")
        with self.each_row(inputs=n == 1):
            self.out.lanes(*lines, over=f"h in range({units})")

    def backward_through(self, before: Layer, layer: Layer) -> None:
        """Write the code for ∂J/∂z of the layer `before` from that of the next one."""
        n, weights = before.number, f"W{layer.number}"
        if self.is_tiled:
            sizes = f"count, {layer.inputs}, {layer.units}, {self.L}"
            self.out.add(f"multiply_back_lanes(g{n + 1}, {self.parameters(weights)}, zero, g{n}, {sizes})")
        else:
            total = self.formulas.constant(0.0)
            for h in range(layer.units):
                total = f"fma({self.at('g', n + 1, h)}, {self.parameter(weights, h, 'd', layer.units)}, {total})"
            with self.each_row():
                self.out.lanes(f"{self.at('g', n, 0, 'd')} = {total}", over=f"d in range({before.units})")
        if self.shape.drops[n - 1]:
            self.units(n, f"{self.every('g', n)} *= {self.every('k', n)}")
        if before.activation.rowwise:
            self.softmax_backward(n, before.units)
        else:
            slope = self.slope(before.activation, self.every("z", n), self.every("a", n))
            self.units(n, f"{self.every('g', n)} *= {slope}")


def scratch(problem: Problem, shape: Shape, batch_size: int) -> dict[str, Space]:
    """Return the flat scratch arrays that a program needs, by name."""
    writer = _ProgramWriter(problem, shape)
    rows_at_once = ROWS_AT_ONCE if writer.is_tiled else batch_size if shape.lanes == 1 else 1
    width = shape.lanes * rows_at_once
    return {array: (count * width, problem.dtype.type) for array, count in writer.row_counts.items()}
