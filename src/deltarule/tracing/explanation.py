"""The record of a trace: every array of a forward and a backward pass and of the update, each with its formula.

B samples · D inputs of a layer · H units · C outputs
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.tracing.expressions import SAMPLES, Expression, Index, Ref

SECTIONS = ("settings", "data", "parameters", "forward", "loss", "backward", "update")


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array with a name: what it is, its values, and how each of them is made.

    name     as one would write it: W1, z1, δ2, ∂J/∂W1, W1_new; indexed it is an entry: W1[0, 2]
    section  where it belongs, one of `SECTIONS`
    layer    the number of its layer, from 1, where it has one
    about    what it is, in a few words
    value    the engine's own numbers, of 0, 1 or 2 axes
    axes     a letter for each axis: i samples, j units of the layer, d its inputs
    labels   for each axis the names of its places, where they have any
    rule     index → the formula of that entry; with the axes' letters, that of every entry; None for what is given
    """

    name: str
    section: str
    layer: int | None
    about: str
    value: Floats
    axes: tuple[str, ...]
    labels: tuple[tuple[str, ...] | None, ...]
    rule: Callable[..., Expression] | None = None

    def __call__(self, *index: Index) -> Ref:
        """An entry, as it stands in the formulas of others."""
        known = tuple(place for place in index if isinstance(place, int))
        return Ref(self.name, index, float(self.value[known]) if len(known) == len(index) else None)

    @property
    def formula(self) -> Expression | None:
        """The formula of every entry, with the letters of the axes."""
        return None if self.rule is None else self.rule(*self.axes)

    def places(self, sample: int | None = None) -> Iterator[tuple[int, ...]]:
        """The index of every entry, in order; of one sample's entries, where its place in the batch is given."""
        if sample is None or self.axes[:1] != (SAMPLES,):
            yield from np.ndindex(*self.value.shape)
        else:
            yield from ((sample, *index) for index in np.ndindex(*self.value.shape[1:]))

    def first(self, sample: int | None = None) -> tuple[int, ...]:
        """The index of the first entry that is not 0, or where there is none of the first; among one sample's entries,
        where its place in the batch is given."""
        before = () if sample is None or self.axes[:1] != (SAMPLES,) else (sample,)
        there = np.asarray(self.value[before] != 0)
        return (*before, *map(int, np.unravel_index(int(there.argmax()), there.shape)))

    def label(self, axis: int, place: int) -> str:
        """What a place along an axis is called: its own name, or its number."""
        names = self.labels[axis]
        return str(place) if names is None else names[place]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Every number of one update of one network: the pass forward, the pass back, and what the optimizer makes of it.

    problem, state   what was explained: a problem, and the state of its one member before the update
    rows [B]         the rows of the data that the batch is made of
    quantities       the arrays by name, in the order in which they come to be
    title            what the network is part of, where it is part of something
    notes            sentences worth telling

    `print` shows it; long arrays and sums are folded, and it is said how much is left out.
    """

    problem: Problem
    state: State
    rows: Integers
    quantities: Mapping[str, Quantity]
    title: str = ""
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Floats:
        """An array by its name.

        >>> import deltarule
        >>> network = deltarule.Network([1, 1], output="sigmoid")
        >>> explained = deltarule.explain(network, {"W1": [[0.0]], "b1": [0.0]}, [[1.0]], [1.0], "squared_error")
        >>> explained["δ1"]
        array([[-0.25]])
        """
        if name not in self.quantities:
            raise BadInput(f"nothing is called '{name}' here; there are: {', '.join(self.quantities)}")
        return self.quantities[name].value

    def of_layer(self, layer: int | None) -> tuple[Quantity, ...]:
        """All quantities, or those of one layer, numbered from 1."""
        last = len(self.problem.network.layers)
        if layer is not None and not 1 <= layer <= last:
            raise BadInput(f"there is no layer {layer}; give a layer from 1 to {last}")
        return tuple(one for one in self.quantities.values() if layer is None or one.layer == layer)

    def place_of(self, sample: int | None) -> int | None:
        """Where in the batch a row of the data stands; None for None."""
        if sample is None:
            return None
        found = np.flatnonzero(self.rows == sample)
        if not len(found):
            raise BadInput(f"sample {sample} is not in the batch of step {self.state.step}; {_rows_told(self.rows)}")
        return int(found[0])

    def text(self, sample: int | None = None, layer: int | None = None, width: int = 80) -> str:
        """The trace as text: of one row of the data, of one layer, or all of it.

        Raises `BadInput` for a row that is not in the batch, and for a layer that there is not.
        """
        from deltarule.tracing.render_text import render

        return render(self, sample, layer, width)

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        """The trace as a notebook shows it."""
        return f"<pre>{escape(self.text(width=100))}</pre>"

    def __repr__(self) -> str:
        return (
            f"Explanation of step {self.state.step} of {self.problem.network!r}: {len(self.rows)} samples, "
            f"J = {float(self['J']):.6g}, {len(self.quantities)} arrays"
        )


def _rows_told(rows: Integers) -> str:
    if len(rows) == rows.max() + 1 - rows.min() and (np.sort(rows) == np.arange(rows.min(), rows.max() + 1)).all():
        return f"give a row from {rows.min()} to {rows.max()}"
    told = ", ".join(map(str, rows[:8].tolist())) + (" …" if len(rows) > 8 else "")
    return f"it has the rows {told}; give one of these, or another step"
