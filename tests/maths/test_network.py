import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.network import (
    Entry,
    Layer,
    buffer_entries,
    flatten,
    forward,
    parameter_entries,
    updated_buffers,
    views,
)

SIDE = st.integers(1, 4)


@st.composite
def networks(draw: st.DrawFn) -> list[Layer]:
    sizes = draw(st.lists(SIDE, min_size=2, max_size=4))
    bias, batch_norm = draw(st.booleans()), draw(st.booleans())
    last = len(sizes) - 1
    return [
        Layer(n, sizes[n - 1], sizes[n], ACTIVATIONS[draw(st.sampled_from(sorted(ACTIVATIONS)))], bias, batch_norm)
        if n < last
        else Layer(n, sizes[n - 1], sizes[n], ACTIVATIONS["identity"], bias)
        for n in range(1, last + 1)
    ]


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@given(networks())
def test_entries_fill_the_vector_without_gap_in_the_order_of_the_layers(layers: list[Layer]) -> None:
    entries = parameter_entries(layers)
    assert entries[0].start == 0
    assert all(before.stop == after.start for before, after in zip(entries, entries[1:], strict=False))
    assert all(entry.stop - entry.start == entry.shape[0] * entry.shape[1] for entry in entries)
    expected = []
    for layer in layers:
        expected.append((f"W{layer.number}", (layer.inputs, layer.units)))
        expected += [(f"b{layer.number}", (1, layer.units))] * layer.bias
        expected += [(f"{name}{layer.number}", (1, layer.units)) for name in ("gamma", "beta")] * layer.batch_norm
    assert [(entry.name, entry.shape) for entry in entries] == expected
    normalized = [layer for layer in layers if layer.batch_norm]
    running = [(f"{name}{layer.number}", (1, layer.units)) for layer in normalized for name in ("mean", "variance")]
    assert [(entry.name, entry.shape) for entry in buffer_entries(layers)] == running


@given(networks(), st.integers(0, 3))
def test_flatten_undoes_views_and_views_undo_flatten(layers: list[Layer], members: int) -> None:
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
def test_writing_into_a_view_writes_into_the_vector(layers: list[Layer], members: int) -> None:
    entries = parameter_entries(layers)
    theta = np.zeros((members, entries[-1].stop))
    for number, array in enumerate(views(theta, entries).values()):
        array += number
    expected = np.concatenate([np.full(e.stop - e.start, number) for number, e in enumerate(entries)])
    assert (theta == expected).all()


@given(networks(), st.integers(1, 3), SIDE, st.booleans())
def test_forward_is_the_layers_one_after_another(layers: list[Layer], K: int, B: int, shared: bool) -> None:
    theta = drawn(1, K, parameter_entries(layers)[-1].stop)
    buffers = np.abs(drawn(2, K, (buffer_entries(layers) or [Entry("", 0, (0, 0), 0, 0)])[-1].stop))
    named, running = views(theta, parameter_entries(layers)), views(buffers, buffer_entries(layers))
    x = drawn(3, *((B, layers[0].inputs) if shared else (K, B, layers[0].inputs)))
    tape, statistics = forward(layers, named, x, buffers=running)
    assert not statistics
    for k in range(K):
        value = x if shared else x[k]
        expected = {}
        for layer in layers:
            n = layer.number
            value = value @ named[f"W{n}"][k] + (named[f"b{n}"][k] if layer.bias else 0)
            expected[f"z{n}"] = value
            if layer.batch_norm:
                value = (value - running[f"mean{n}"][k]) / np.sqrt(running[f"variance{n}"][k] + 1e-5)
                value = named[f"gamma{n}"][k] * value + named[f"beta{n}"][k]
                expected[f"n{n}"] = value
            if layer is not layers[-1]:
                value = layer.activation.forward(value)[0]
                expected[f"a{n}"] = value
        assert [taped.name for taped in tape] == list(expected)
        for taped in tape:
            assert taped.value.shape == (K, B, layers[taped.layer - 1].units)
            assert taped.value[k] == pytest.approx(expected[taped.name], rel=1e-9, abs=1e-9)


def test_dropout_stands_behind_the_activation_and_batch_norm_before_it() -> None:
    layers = [Layer(1, 2, 3, ACTIVATIONS["relu"], batch_norm=True), Layer(2, 3, 1, ACTIVATIONS["identity"])]
    named = views(drawn(1, 1, parameter_entries(layers)[-1].stop), parameter_entries(layers))
    keep, rate = {1: np.array([[[0.0, 1.0, 1.0]] * 4])}, {1: np.full((1, 1, 1), 0.75)}
    tape, _ = forward(layers, named, drawn(2, 4, 2), share=np.full((4, 1), 0.25), keep=keep, rate=rate)
    values = {taped.name: taped.value for taped in tape}
    assert list(values) == ["z1", "n1", "a1", "d1", "z2"]
    assert [taped.kind for taped in tape] == ["dense", "batch_norm", "relu", "dropout", "dense"]
    assert np.array_equal(values["a1"], np.maximum(values["n1"], 0))
    assert np.array_equal(values["d1"], values["a1"] * keep[1] * 4)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=4), st.integers(1, 3))
def test_running_statistics_are_pytorchs(sizes: list[int], units: int) -> None:
    layers = [Layer(1, 2, units, ACTIVATIONS["relu"], batch_norm=True), Layer(2, units, 1, ACTIVATIONS["identity"])]
    named = views(drawn(1, parameter_entries(layers)[-1].stop), parameter_entries(layers))
    named["gamma1"][...], named["beta1"][...] = 1, 0
    theirs = torch.nn.BatchNorm1d(units, dtype=torch.float64)
    ours = {"mean1": np.zeros((1, units)), "variance1": np.ones((1, units))}
    for number, B in enumerate(sizes):
        x = 3 * drawn(number, B, 2)
        tape, statistics = forward(layers, named, x, share=np.full((B, 1), 1 / B))
        ours = updated_buffers(ours, statistics, np.array([[float(B)]]))
        theirs(torch.tensor(tape[0].value))
    assert theirs.running_mean is not None and theirs.running_var is not None
    assert ours["mean1"][0] == pytest.approx(theirs.running_mean.numpy(), rel=1e-12, abs=1e-14)
    assert ours["variance1"][0] == pytest.approx(theirs.running_var.numpy(), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("total", [1 - 2**-53, 1.0, 1 + 2**-52, 1.5, 2.0, 2.5, 10.0, 1e-3])
def test_the_running_variance_stays_bounded_for_any_weights(total: float) -> None:
    buffers = {"mean1": np.zeros((1, 1)), "variance1": np.zeros((1, 1))}
    statistics = {"1": (np.zeros((1, 1)), np.ones((1, 1)))}
    updated = updated_buffers(buffers, statistics, np.array([[total]]))["variance1"][0, 0]
    # A tenth of the way: of N / (N − 1) times the batch's variance 1 from two rows on, of at most N times it below.
    assert updated == pytest.approx(0.1 * (total / (total - 1) if total >= 2 else max(total, 1)))
