from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.layers import BATCH_NORM, DENSE, DENSE_WITHOUT_BIASES, DROPOUT
from deltarule.maths.network import (
    Entry,
    PlacedLayer,
    buffer_entries,
    evaluated,
    flatten,
    forward,
    parameter_entries,
    updated_buffers,
    views,
)

SIDE = st.integers(1, 4)


@st.composite
def networks(draw: st.DrawFn) -> list[PlacedLayer]:
    sizes = draw(st.lists(SIDE, min_size=2, max_size=4))
    bias, batch_norm = draw(st.booleans()), draw(st.booleans())
    layers = []
    for n, (inputs, units) in enumerate(pairwise(sizes), 1):
        layers.append(PlacedLayer(DENSE if bias else DENSE_WITHOUT_BIASES, n, inputs, units))
        if n < len(sizes) - 1:
            activation = ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))]
            layers += [PlacedLayer(one, n, units, units) for one in ([BATCH_NORM] if batch_norm else []) + [activation]]
    return layers


def normalized(inputs: int, units: int) -> list[PlacedLayer]:
    formulas = (DENSE, BATCH_NORM, ACTIVATIONS["relu"], DROPOUT)
    hidden = [PlacedLayer(one, 1, inputs if one is DENSE else units, units) for one in formulas]
    return [*hidden, PlacedLayer(DENSE, 2, units, 1)]


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@given(networks())
def test_entries_fill_the_vector_without_gap_in_the_order_of_the_layers(layers: list[PlacedLayer]) -> None:
    entries = parameter_entries(layers)
    assert entries[0].start == 0
    assert all(before.stop == after.start for before, after in zip(entries, entries[1:], strict=False))
    assert all(entry.stop - entry.start == entry.shape[0] * entry.shape[1] for entry in entries)
    expected = []
    for layer in layers:
        if layer.symbol == "z":
            expected.append((f"W{layer.number}", (layer.inputs, layer.units)))
            expected += [(f"b{layer.number}", (1, layer.units))] * (layer.formula == DENSE)
        if layer.symbol == "n":
            expected += [(f"{name}{layer.number}", (1, layer.units)) for name in ("gamma", "beta")]
    assert [(entry.name, entry.shape) for entry in entries] == expected
    norms = [layer for layer in layers if layer.symbol == "n"]
    running = [(f"{name}{layer.number}", (1, layer.units)) for layer in norms for name in ("mean", "variance")]
    assert [(entry.name, entry.shape) for entry in buffer_entries(layers)] == running


@given(networks(), st.integers(0, 3))
def test_flatten_undoes_views_and_views_undo_flatten(layers: list[PlacedLayer], members: int) -> None:
    for entries in (parameter_entries(layers), buffer_entries(layers)):
        if not entries:
            continue
        for shape in ((entries[-1].stop,), (members, entries[-1].stop)):
            vector = drawn(0, *shape)
            named = views(vector, entries)
            assert [(name, array.shape[-2:]) for name, array in named.items()] == [(e.name, e.shape) for e in entries]
            assert np.array_equal(flatten(named, entries), vector)
            again = views(flatten(named, entries), entries)
            assert all(np.array_equal(again[name], named[name]) for name in named)


@given(networks(), st.integers(1, 3))
def test_writing_into_a_view_writes_into_the_vector(layers: list[PlacedLayer], members: int) -> None:
    entries = parameter_entries(layers)
    theta = np.zeros((members, entries[-1].stop))
    for number, array in enumerate(views(theta, entries).values()):
        array += number
    expected = np.concatenate([np.full(e.stop - e.start, number) for number, e in enumerate(entries)])
    assert (theta == expected).all()


@given(networks(), st.integers(1, 3), SIDE, st.booleans())
def test_an_evaluation_is_the_layers_one_after_another(layers: list[PlacedLayer], K: int, B: int, shared: bool) -> None:
    theta = drawn(1, K, parameter_entries(layers)[-1].stop)
    buffers = np.abs(drawn(2, K, (buffer_entries(layers) or [Entry("", 0, (0, 0), 0, 0)])[-1].stop))
    named, running = views(theta, parameter_entries(layers)), views(buffers, buffer_entries(layers))
    x = drawn(3, *((B, layers[0].inputs) if shared else (K, B, layers[0].inputs)))
    values = evaluated(layers, named | running, x)
    for k in range(K):
        value = x if shared else x[k]
        expected = {}
        for layer in layers:
            n = layer.number
            if layer.symbol == "z":
                value = value @ named[f"W{n}"][k] + (named[f"b{n}"][k] if layer.formula == DENSE else 0)
            elif layer.symbol == "n":
                value = (value - running[f"mean{n}"][k]) / np.sqrt(running[f"variance{n}"][k] + 1e-5)
                value = named[f"gamma{n}"][k] * value + named[f"beta{n}"][k]
            else:
                value = layer.formula.forward(value)[0]  # type: ignore[union-attr]
            expected[layer.name] = value
        assert list(values) == ["x", *expected]
        for layer in layers:
            assert values[layer.name].shape == (K, B, layer.units)
            assert values[layer.name][k] == pytest.approx(expected[layer.name], rel=1e-9, abs=1e-9)


def test_dropout_stands_behind_the_activation_and_batch_norm_before_it() -> None:
    layers = normalized(2, 3)
    named = views(drawn(1, 1, parameter_entries(layers)[-1].stop), parameter_entries(layers))
    given = {"keep1": np.array([[[0.0, 1.0, 1.0]] * 4]), "dropout1": np.full((1, 1, 1), 0.75)}
    tape, _ = forward(layers, named, drawn(2, 4, 2), {"share": np.full((4, 1), 0.25), **given})
    values = {taped.name: taped.value for taped in tape}
    assert list(values) == ["z1", "n1", "a1", "d1", "z2"]
    assert [taped.kind for taped in tape] == ["dense", "batch_norm", "relu", "dropout", "dense"]
    assert np.array_equal(values["a1"], np.maximum(values["n1"], 0))
    assert np.array_equal(values["d1"], values["a1"] * given["keep1"] * 4)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4), st.integers(1, 3))
def test_running_statistics_are_pytorchs(sizes: list[int], units: int) -> None:
    layers = normalized(2, units)
    named = views(drawn(1, parameter_entries(layers)[-1].stop), parameter_entries(layers))
    named["gamma1"][...], named["beta1"][...] = 1, 0
    theirs = torch.nn.BatchNorm1d(units, dtype=torch.float64)
    ours = {"mean1": np.zeros((1, units)), "variance1": np.ones((1, units))}
    for number, B in enumerate(sizes):
        x = 3 * drawn(number, B, 2)
        tape, statistics = forward(layers, named, x, {"share": np.full((B, 1), 1 / B)})
        ours = updated_buffers(layers, ours, statistics, np.array([[float(B)]]))
        theirs(torch.tensor(tape[0].value))
    assert theirs.running_mean is not None and theirs.running_var is not None
    assert ours["mean1"][0] == pytest.approx(theirs.running_mean.numpy(), rel=1e-12, abs=1e-14)
    assert ours["variance1"][0] == pytest.approx(theirs.running_var.numpy(), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("total", [1 - 2**-53, 1.0, 1 + 2**-52, 1.5, 2.0, 2.5, 10.0, 1e-3])
def test_the_running_variance_stays_bounded_for_any_weights(total: float) -> None:
    buffers = {"mean1": np.zeros((1, 1)), "variance1": np.zeros((1, 1))}
    statistics = {"mean1": np.zeros((1, 1)), "variance1": np.ones((1, 1))}
    updated = updated_buffers(normalized(2, 1), buffers, statistics, np.array([[total]]))["variance1"][0, 0]
    # A tenth of the way: of N / (N − 1) times the batch's variance 1 from two rows on, of at most N times it below.
    assert updated == pytest.approx(0.1 * (total / (total - 1) if total >= 2 else max(total, 1)))
