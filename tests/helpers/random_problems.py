"""Problems of one small network, drawn by hypothesis over all formulas."""

import numpy as np
from hypothesis import strategies as st

from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.losses import LOSSES, REDUCTIONS, meaningful
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network

UPDATED = list(OPTIMIZERS)
EVERY_FORMULA = [
    *(("hidden", [name]) for name in ACTIVATIONS),
    *(("loss", name) for name in LOSSES),
    *(("penalty", name) for name in PENALTIES),
    *(("optimizer", name) for name in UPDATED),
    *(("schedule", name) for name in SCHEDULES),
]
"""Arguments of `problems`, one for each formula."""


@st.composite
def problems(
    draw,
    max_units=5,
    max_rows=9,
    strength=0.01,
    learning_rate=0.02,
    is_finite=False,
    dtypes=("float64", "float32"),
    **chosen,
):
    """Draw a problem; `chosen` fixes formulas by kind, and `is_finite` puts the naive loss behind a sigmoid only."""
    hidden = chosen.get("hidden", draw(st.lists(st.sampled_from(list(ACTIVATIONS)), max_size=2)))
    sizes = draw(st.tuples(*[st.integers(1, max_units)] * (len(hidden) + 2)))
    loss = chosen.get("loss", draw(st.sampled_from(list(LOSSES))))
    output = draw(st.sampled_from([name for name in ACTIVATIONS if meaningful(LOSSES[loss], ACTIVATIONS[name])]))
    if is_finite and loss.startswith("naive"):
        output = "sigmoid"  # the loss is not finite for most other outputs
    given = {name: draw(st.booleans()) for name in ("bias", "batch_norm", "scaling_layer")}
    network = Network(sizes, hidden, output, **given)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(1, max_rows))
    y = rng.random((rows, sizes[-1])) if draw(st.booleans()) else rng.integers(0, 2, (rows, sizes[-1]))
    penalty = chosen.get("penalty", draw(st.sampled_from([None, *PENALTIES])))
    return create_problem(
        network,
        rng.normal(size=(rows, sizes[0])),
        y,
        loss=loss,
        reduction=draw(st.sampled_from(REDUCTIONS)),
        penalty=penalty,
        strength=strength if penalty else 0.0,
        penalize_biases=draw(st.booleans()),
        optimizer=chosen.get("optimizer", draw(st.sampled_from(UPDATED))),
        learning_rate=learning_rate,
        schedule={
            "name": chosen.get("schedule", draw(st.sampled_from(list(SCHEDULES)))),
            "per": draw(st.sampled_from(["step", "epoch"])),
        },
        learning_rate_factors=draw(st.sampled_from([{}, {}, {"W": 0.5, "W1": 3.0}])),
        parametrization=draw(st.sampled_from(["standard", "neural_tangent"])),
        batch_size=draw(st.integers(1, rows)),
        dropout=draw(st.sampled_from([0.0, 0.3])) if hidden else 0.0,
        weights=rng.random(rows) + 0.5 if draw(st.booleans()) else None,
        rows=[rng.integers(0, rows, rows)] if draw(st.booleans()) else None,
        seeds=[draw(st.integers(0, 2**64 - 1))],
        data_seeds=[draw(st.integers(0, 2**64 - 1))],
        dtype=draw(st.sampled_from(dtypes)),
    )
