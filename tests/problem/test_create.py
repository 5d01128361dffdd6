"""What a problem is made of, and the one sentence for whatever it cannot be made of."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.training.train import train

NETWORK = Network([2, 3, 1])
X = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
Y = [0.0, 1.0, 0.5]


def make(**changed: Any) -> Problem:
    given = {"network": NETWORK, "x": X, "y": Y} | changed
    return create_problem(given.pop("network"), given.pop("x"), given.pop("y"), **given)


def refusal(**changed: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadInput) as refused:
            make(**changed)
    sentence = str(refused.value)
    assert "\n" not in sentence
    return sentence


def test_defaults() -> None:
    problem = make()
    assert (problem.members, problem.notes, problem.weights, problem.rows) == (1, (), None, None)
    assert problem.x.dtype == problem.y.dtype == problem.dtype == np.float64
    assert problem.y.tolist() == [[0], [1], [0.5]]
    assert not problem.drops


@pytest.mark.parametrize(
    "several",
    [
        {"seeds": [1, 2, 3]},
        {"seeds": np.arange(3)},
        {"seeds": range(3)},
        {"data_seeds": (4, 5, 6)},
        {"dropout_seeds": [4, 5, 6]},
        {"learning_rate": [0.1, 0.2, 0.3]},
        {"learning_rate": np.array([0.1, 0.2, 0.3], np.float32)},
        {"momentum": [0.1, 0.2, 0.3], "optimizer": "nesterov"},
        {"optimizer": {"name": "adam", "beta1": [0.1, 0.2, 0.3]}},
        {"schedule": {"name": "step", "every": [1, 2, 3]}},
        {"penalty": "l2", "strength": [0, 1, 2]},
        {"initial_scale": [0, 1, 2]},
        {"dropout": [[0.1], [0.2], [0.0]]},
        {"weights": np.ones((3, 3))},
        {"rows": [[0], [1, 1], [2]]},
    ],
    ids=lambda several: ", ".join(several),
)
def test_list_of_three_makes_three_members(several: dict[str, Any]) -> None:
    problem = make(**several)
    assert problem.members == 3
    for array in (*problem.numbers.values(), *problem.schedule_numbers.values(), problem.strength):
        assert array.shape == (3,) and array.dtype == np.float64
    for seeds in (problem.seeds, problem.data_seeds, problem.dropout_seeds):
        assert seeds.shape == (3,) and seeds.dtype == np.uint64
    assert problem.dropout.shape == (3, 1) and problem.initial_scale.shape == (3,)
    assert problem.rows is None or len(problem.rows) == 3
    for name, value in several.items():
        if name in ("seeds", "data_seeds", "dropout_seeds", "strength", "initial_scale"):
            assert getattr(problem, name).tolist() == pytest.approx(list(value))
        if name in ("learning_rate", "momentum"):
            assert problem.numbers[name] == pytest.approx(list(value))


def test_lists_of_one_serve_all_members() -> None:
    problem = make(
        seeds=[1, 2], learning_rate=[0.5], data_seeds=[9], rows=[[0, 2]], weights=[[1, 1, 2]], dropout=[[0.5]]
    )
    assert problem.members == 2
    assert problem.numbers["learning_rate"].tolist() == [0.5, 0.5]
    assert problem.data_seeds.tolist() == [9, 9]
    assert problem.rows is not None and [own.tolist() for own in problem.rows] == [[0, 2], [0, 2]]
    assert problem.weights is not None and problem.weights.tolist() == [1, 1, 2]
    assert problem.dropout.tolist() == [[0.5], [0.5]]


def test_dropout_seeds_default_to_weight_seeds() -> None:
    assert make(seeds=[3, 4]).dropout_seeds.tolist() == [3, 4]
    assert make(seeds=[3, 4], dropout_seeds=9).dropout_seeds.tolist() == [9, 9]
    assert make(seeds=[2**64 - 1]).seeds.tolist() == [2**64 - 1]


def test_momentum_sets_the_parameter_of_the_optimizer() -> None:
    assert make(optimizer="momentum", momentum=0.3).numbers["momentum"].tolist() == [0.3]
    assert make(optimizer={"name": "momentum", "momentum": 0.4}).numbers["momentum"].tolist() == [0.4]
    assert make(optimizer="momentum").numbers["momentum"].tolist() == [0.9]


def test_penalty_includes_biases_on_request() -> None:
    network = Network([2, 3, 1], batch_norm=True)
    of_weights = {"W1": 6, "W2": 3}
    for biases, expected in ((False, of_weights), (True, of_weights | {"b1": 3, "b2": 1})):
        problem = make(network=network, penalty="l2", strength=1, penalize_biases=biases)
        counted = {e.name: int(problem.penalized[e.start : e.stop].sum()) for e in network.entries}
        assert {name: count for name, count in counted.items() if count} == expected


@pytest.mark.parametrize("convert", [lambda a: a, tuple, np.array, lambda a: np.array(a, np.float32)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_data_of_any_kind_becomes_arrays_of_the_dtype(convert: Callable[[Any], Any], dtype: str) -> None:
    problem = make(x=convert(X), y=convert(Y), weights=convert([1, 2, 3]), dtype=dtype)
    assert problem.x.tolist() == X and problem.y.ravel().tolist() == Y
    assert problem.weights is not None
    assert problem.x.dtype == problem.y.dtype == problem.weights.dtype == dtype
    assert problem.x.flags.c_contiguous


@pytest.mark.parametrize(
    "x",
    [
        [[True, False]] * 3,
        [[1, 0]] * 3,
        np.ones((3, 2), np.uint8),
        np.ones((2, 3)).T,
        np.array([[True, 0.5], [np.float32(2), 3], [np.int8(4), False]], object),
    ],
)
def test_booleans_and_whole_numbers_are_data_too(x: Any) -> None:
    assert make(x=x).x.tolist() == np.asarray(x, float).tolist()


def test_batch_larger_than_the_data_is_noted() -> None:
    told = "the batch size {} is larger than the data: all {} rows are used in each update"
    assert make(batch_size=3).notes == ()
    assert make(batch_size=4).notes == (told.format(4, 3),)
    assert make(batch_size=2, rows=[[0, 1, 2], [1]]).notes == (told.format(2, 1),)


SIGMOID, TANH = Network([2, 3, 1], output="sigmoid"), Network([2, 3, 1], output="tanh")
EXPONENTIAL = Network([2, 3, 1], output="exponential")
NAN = [[0, 1], [float("nan"), 0], [1, 1]]
RPROP, COSINE = {"name": "rprop", "smallest": 2, "largest": 1}, {"name": "cosine", "steps": 10, "warm_up": 10}
BAD = [
    # inputs and targets
    ({"x": [1.0, 2.0, 3.0]}, "the inputs have the shape (3,); give at least one row, and rows × columns"),
    ({"x": np.ones((3, 3))}, "the inputs have 3 columns and the network 2 inputs; make them equal"),
    ({"x": X[:2]}, "there are 2 rows of inputs and 3 of targets"),
    ({"x": NAN}, "the inputs hold nan in row 1, column 0; remove or fill in such values first"),
    ({"x": np.ma.masked_equal(X, 0.0)}, "the inputs are not a rectangular array of numbers"),
    ({"x": [[1.0, 2.0], [1.0]]}, "the inputs are not a rectangular array of numbers"),
    ({"x": [[0, 1e300], [0, 0], [0, 0]], "dtype": "float32"}, "the inputs hold 1e+300 in row 0, column 1; float32 has"),
    ({"y": ["a", "b", "c"]}, "the targets are not a rectangular array of numbers"),
    (
        {"network": SIGMOID, "loss": "binary_cross_entropy", "y": [0, 1, 2]},
        "the loss 'binary_cross_entropy' needs ta",
    ),
    ({"network": EXPONENTIAL, "loss": "poisson", "y": [0, -3, 7]}, "the loss 'poisson' needs targets of 0 or more"),
    # what the loss needs
    ({"network": SIGMOID, "loss": "cross_entropy"}, "the loss 'cross_entropy' needs predictions that sum to 1, which"),
    ({"network": TANH, "loss": "binary_cross_entropy"}, "the loss 'binary_cross_entropy' needs predictions between 0"),
    ({"loss": "poisson"}, "the loss 'poisson' needs predictions above 0, which the output activation 'identity' does"),
    # numbers
    ({"learning_rate": "0.1"}, "learning_rate is '0.1'; give a number, or one a member"),
    ({"learning_rate": [0.1, float("inf")]}, "learning_rate is inf; give a finite number"),
    ({"strength": [1, -1], "penalty": "l2"}, "strength is -1; give a number of 0 or more"),
    ({"strength": 0.1}, "a strength is given without a penalty; name the penalty too"),
    ({"momentum": 0.9}, 'the optimizer \'sgd\' has no momentum; use "momentum" or "nesterov"'),
    ({"label_smoothing": 0.1}, "label_smoothing is 0.1, but the loss 'squared_error' has no labels; use cross_e"),
    ({"seeds": -1}, "seeds is -1; give a whole number of 1 or more"),
    ({"seeds": [-1]}, "seeds is -1; give whole numbers from 0 to 2**64 - 1"),
    ({"seeds": 2**40}, "seeds is 1099511627776; give up to 1,000,000, or a list of seeds, as [1099511627776]"),
    ({"data_seeds": [1, 2.5]}, "data_seeds is 2.5; give whole numbers from 0 to 2**64 - 1"),
    ({"seeds": range(0)}, "seeds are an empty list; give at least one seed"),
    # names and switches
    ({"network": [2, 3, 1]}, "the network is [2, 3, 1]; make one with Network([inputs, ..., outputs])"),
    ({"loss": "mse"}, "there is no loss 'mse'; there are: squared_error, half_squared_error, absolute_error, "),
    ({"penalize_biases": "no"}, "penalize_biases is 'no'; give True or False"),
    ({"reduction": "mean"}, 'the reduction is \'mean\'; give "sum", "mean_samples" or "mean_elements"'),
    ({"dtype": "float16"}, 'the dtype is \'float16\'; give "float64" or "float32"'),
    # what does not fit together
    ({"optimizer": RPROP}, "the optimizer 'rprop' has a smallest step above its largest; exchange the two"),
    ({"schedule": COSINE}, "the schedule 'cosine' warms up for as long as it lasts"),
    ({"schedule": "exponential_ramp", "learning_rate": 0}, "the schedule 'exponential_ramp' cannot rise from 0"),
    ({"learning_rate": [0.1, 0.2], "seeds": range(3)}, "the members' numbers differ in length (2 for learning_rate, 3"),
    # dropout
    ({"dropout": 1}, "dropout is 1; give a number from 0 to under 1"),
    ({"dropout": [0.1, 0.2]}, "dropout is [0.1, 0.2]; give a rate, one for each hidden layer (1), or [members, l"),
    ({"network": Network([2, 1]), "dropout": 0.5}, "dropout acts on hidden layers, or where a list"),
    # weights
    ({"weights": [1, 2]}, "the weights have the shape (2,); give one for each of the 3 rows, or [members, 3]"),
    ({"weights": [1, -1, 1]}, "the weights hold a negative number, or their sum is not finite; give weights"),
    ({"weights": [[1, 1, 1], [0, 0, 0]]}, "all rows of member 1 have weight 0 in float64; give one of them a larger"),
    # rows
    ({"rows": [[0, 1], []]}, "a member's rows are not a list of whole numbers; give at least one row's index"),
    ({"rows": [[0, 3]]}, "a member's rows go from 0 to 3; there are rows 0 to 2"),
    ({"rows": 3}, "rows is 3; give for each member a list of the indices of its rows"),
]


@pytest.mark.parametrize(("changed", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_bad_arguments_get_a_sentence(changed: dict[str, Any], sentence: str) -> None:
    assert refusal(**changed).startswith(sentence)


def test_labels_are_smoothed_in_their_own_precision() -> None:
    network = Network([2, 3], output="softmax")
    for dtype in ("float32", "float64"):
        problem = make(network=network, y=np.eye(3), loss="cross_entropy", label_smoothing=0.3, dtype=dtype)
        np.testing.assert_allclose(problem.y, 0.1 + 0.7 * np.eye(3), rtol=1e-6)
        assert problem.y.dtype == dtype and not problem.y.flags.writeable


@pytest.mark.parametrize(
    ("weights", "rows", "left"),
    [
        ([1, 0, 2], None, [[0, 2], [0, 2]]),
        ([[1, 0, 2], [0, 0, 1]], None, [[0, 2], [2]]),
        ([1, 0, 2], [[2, 1, 2], [0, 1]], [[2, 2], [0]]),
        ([[1, 0, 2], [0, 1, 1]], [[2, 1, 0]], [[2, 0], [2, 1]]),
    ],
)
def test_rows_of_weight_0_are_removed(weights: Any, rows: Any, left: list[list[int]]) -> None:
    problem = make(weights=weights, rows=rows, seeds=[0, 1], batch_size=2)
    assert problem.rows is not None and [own.tolist() for own in problem.rows] == left
    assert bool(problem.notes) == (min(map(len, left)) < 2)


@pytest.mark.parametrize("kind", [list, tuple, np.array, np.ndarray.tolist])
def test_each_member_has_its_own_rows(kind: Callable[[Any], Any]) -> None:
    folds = np.arange(20).reshape(4, 5)
    problem = make(x=np.ones((20, 2)), y=np.ones(20), rows=kind(folds))
    assert problem.rows is not None and [own.tolist() for own in problem.rows] == folds.tolist()


@pytest.mark.parametrize(("batch_size", "rows", "told"), [(1, None, 1), (2, None, 1), (3, None, 0), (None, [[1]], 1)])
def test_batch_of_one_row_with_batch_norm_is_noted(batch_size: Any, rows: Any, told: int) -> None:
    sizes = [len(X[0]), 3, 1]
    normed = make(network=Network(sizes, batch_norm=True), batch_size=batch_size, rows=rows)
    assert [note.partition(",")[0] for note in normed.notes] == told * [
        "the last batch has one row: batch norm cannot use it"
    ]
    assert make(network=Network(sizes), batch_size=batch_size, rows=rows).notes == ()


def test_labels_become_columns() -> None:
    network = Network([2, 3], output="softmax")
    labels, x = [2, 0, 1], np.eye(3)[:, :2]
    problem = create_problem(network, x, labels, loss="cross_entropy")
    np.testing.assert_array_equal(problem.y, np.eye(3)[labels])
    with refuses("labels", 0, 3):
        create_problem(network, x, [0, 3, 1], loss="cross_entropy")


def test_members_are_a_count_of_seeds() -> None:
    x = np.eye(2)
    for count in ({"members": 3}, {"seeds": 3}, {"seeds": np.int64(3)}):
        assert create_problem(Network([2, 2]), x, x, **count).seeds.tolist() == [0, 1, 2]
    with refuses("members", "seeds"):
        create_problem(Network([2, 2]), x, x, members=3, seeds=[1, 2, 3])


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy", "absolute_error"])
def test_labels_serve_every_loss(loss: str) -> None:
    output = "softmax" if loss == "cross_entropy" else "identity"
    problem = make(network=Network([2, 3], output=output), y=[2, 0, 1], loss=loss)
    assert problem.y.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("options", [{}, {"weights": [1, 2, 3]}, {"rows": [[0, 1], [2, 1]]}, {"rows": [[0, 2]]}])
def test_members_may_have_targets_of_their_own(options: dict[str, Any]) -> None:
    network, targets = Network([2, 2], output="softmax"), np.array([[0, 1, 1], [1, 1, 0]])
    given = {"network": network, "loss": "cross_entropy", "batch_size": 2}
    together = train(make(y=targets, members=2, **given, **options), max_steps=5)
    assert np.array_equal(
        train(make(y=np.eye(2)[targets], members=2, **given, **options), max_steps=5).state.theta, together.state.theta
    )
    for member in range(2):
        own = {name: [value[member % len(value)]] if name == "rows" else value for name, value in options.items()}
        alone = train(make(y=targets[member], seeds=[member], **given, **own), max_steps=5)
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])


@pytest.mark.parametrize("targets", [np.array([[0, 1, 1], [1, 1, 0]]), np.array([0, 1, 1])])
@pytest.mark.parametrize("options", [{}, {"weights": [1, 2, 3]}, {"rows": [[0, 2]]}])
def test_members_may_have_inputs_of_their_own(targets: Any, options: dict[str, Any]) -> None:
    network, x = Network([2, 2], output="softmax"), np.random.default_rng(0).normal(size=(2, 3, 2))
    given = {"network": network, "loss": "cross_entropy", "batch_size": 2, **options}
    together = train(make(x=x, y=targets, members=2, **given), max_steps=5)
    for member in range(2):
        own = targets if targets.ndim == 1 else targets[member]
        alone = train(make(x=x[member], y=own, seeds=[member], **given), max_steps=5)
        assert np.array_equal(alone.state.theta[0], together.state.theta[member])
    with refuses("[2, 3, 2]", "[3, 3, 2]"):
        make(x=x, y=np.zeros((3, 3, 2)), **given)
