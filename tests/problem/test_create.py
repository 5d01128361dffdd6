"""What a problem is made of, and the one sentence for whatever it cannot be made of."""

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

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


def test_defaults_are_one_member_with_all_rows() -> None:
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
def test_any_list_of_three_makes_three_members(several: dict[str, Any]) -> None:
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


def test_dropout_seeds_are_those_of_the_weights_unless_given() -> None:
    assert make(seeds=[3, 4]).dropout_seeds.tolist() == [3, 4]
    assert make(seeds=[3, 4], dropout_seeds=9).dropout_seeds.tolist() == [9, 9]
    assert make(seeds=2**64 - 1).seeds.tolist() == [2**64 - 1]


def test_momentum_sets_the_parameter_of_the_optimizer() -> None:
    assert make(optimizer="momentum", momentum=0.3).numbers["momentum"].tolist() == [0.3]
    assert make(optimizer={"name": "momentum", "momentum": 0.4}).numbers["momentum"].tolist() == [0.4]
    assert make(optimizer="momentum").numbers["momentum"].tolist() == [0.9]


def test_penalties_count_weights_and_biases_only_where_asked() -> None:
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


def test_a_batch_larger_than_the_data_is_reported() -> None:
    told = "the batch size {} is larger than the data: all {} rows are used in each update"
    assert make(batch_size=3).notes == ()
    assert make(batch_size=4).notes == (told.format(4, 3),)
    assert make(batch_size=2, rows=[[0, 1, 2], [1]]).notes == (told.format(2, 1),)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6))
def test_rows_may_repeat_and_be_in_any_order(own: list[int]) -> None:
    problem = make(rows=[own])
    assert problem.rows is not None and problem.rows[0].tolist() == own
    assert problem.row_count(0) == len(own)


BAD_X = {
    "the inputs have the shape (3,); give at least one row, and rows × columns": [1.0, 2.0, 3.0],
    "the inputs have the shape (0, 2); give at least one row, and rows × columns": np.empty((0, 2)),
    "the inputs have the shape (3, 2, 1); give at least one row, and rows × columns": np.ones((3, 2, 1)),
    "the inputs have the shape (); give at least one row, and rows × columns": 3.0,
    "the inputs have 3 columns and the network 2 inputs; make them equal": np.ones((3, 3)),
    "the inputs have 0 columns and the network 2 inputs; make them equal": np.ones((3, 0)),
    "there are 2 rows of inputs and 3 of targets; give one target row for each input row": X[:2],
    "the inputs hold nan in row 1, column 0; remove or fill in such values first": [[0, 1], [float("nan"), 0], [1, 1]],
    "the inputs hold -inf in row 2, column 1; remove or fill in such values first": [[0, 1], [1, 0], [1, -np.inf]],
    "the inputs hold masked values; remove or fill in such values first": np.ma.masked_equal(X, 0.0),
}
NOT_RECTANGULAR = "the {} are not a rectangular array of numbers; give one row for each sample"


@pytest.mark.parametrize(("sentence", "x"), BAD_X.items())
def test_inputs_that_do_not_fit(sentence: str, x: Any) -> None:
    assert refusal(x=x) == sentence


@pytest.mark.parametrize(
    "data",
    [
        "text",
        [["a", "b"]] * 3,
        [["1", "2"]] * 3,
        [[1.0, 2.0], [1.0]],
        None,
        [[None, 1.0]] * 3,
        np.ones((3, 2), complex),
        [[10**400, 1]] * 3,
        {"a": 1},
        np.array([["2020-01-01", "2020-01-02"]] * 3, "datetime64[D]"),
        [[slice(1), 1]],
    ],
    ids=lambda data: repr(data)[:40],
)
def test_data_that_are_no_numbers(data: Any) -> None:
    assert refusal(x=data) == NOT_RECTANGULAR.format("inputs")
    assert refusal(y=data) == NOT_RECTANGULAR.format("targets")


def test_a_number_that_float32_does_not_have() -> None:
    told = "the inputs hold 1e+300 in row 0, column 1; float32 has no such number; remove or fill in such values first"
    assert refusal(x=[[0, 1e300], [0, 0], [0, 0]], dtype="float32") == told
    assert make(x=[[0, 1e300], [0, 0], [0, 0]]).x[0, 1] == 1e300


BAD_Y = {
    "the targets have 2 columns and the network 1 outputs; make them equal": np.ones((3, 2)),
    "the targets have the shape (3, 1, 1); give at least one row, and rows × columns": np.ones((3, 1, 1)),
    "the targets have the shape (0, 1); give at least one row, and rows × columns": [],
    "the targets hold nan in row 0, column 0; remove or fill in such values first": [float("nan"), 0, 0],
    "there are 3 rows of inputs and 2 of targets; give one target row for each input row": Y[:2],
}


@pytest.mark.parametrize(("sentence", "y"), BAD_Y.items())
def test_targets_that_do_not_fit(sentence: str, y: Any) -> None:
    assert refusal(y=y) == sentence


@pytest.mark.parametrize(
    ("loss", "output", "y", "needs"),
    [
        ("binary_cross_entropy", "sigmoid", [0, 1, 2], "from 0 to 1; these go from 0 to 2"),
        ("binary_cross_entropy", "sigmoid", [-1, 1, 1], "from 0 to 1; these go from -1 to 1"),
        ("naive_binary_cross_entropy", "sigmoid", [0, 1, 1.5], "from 0 to 1; these go from 0 to 1.5"),
        ("poisson", "exponential", [0, -3, 7], "of 0 or more; these go from -3 to 7"),
        ("cross_entropy", "softmax", [0, 1, 9], "from 0 to 1; these go from 0 to 9"),
    ],
)
def test_labels_outside_what_the_loss_allows(loss: str, output: str, y: list[float], needs: str) -> None:
    told = refusal(network=Network([2, 3, 1], output=output), loss=loss, y=y)
    assert told == f"the loss '{loss}' needs targets {needs}"


@pytest.mark.parametrize(
    ("loss", "output", "needs", "use"),
    [
        ("cross_entropy", "relu", "predictions that sum to 1", "softmax"),
        ("cross_entropy", "sigmoid", "predictions that sum to 1", "softmax"),
        ("binary_cross_entropy", "tanh", "predictions between 0 and 1", "sigmoid"),
        ("poisson", "identity", "predictions above 0", "exponential or softplus"),
        ("poisson", "relu", "predictions above 0", "exponential or softplus"),
    ],
)
def test_losses_that_do_not_fit_the_output_are_refused(loss: str, output: str, needs: str, use: str) -> None:
    told = f"the loss '{loss}' needs {needs}, which the output activation '{output}' does not give; use {use}"
    assert refusal(network=Network([2, 3, 1], output=output), loss=loss) == told


A_NUMBER = "; give a number, or one a member"


def test_masked_values_are_refused() -> None:
    """NumPy makes 0 of a masked number."""
    assert refusal(learning_rate=np.ma.masked) == "learning_rate is masked" + A_NUMBER
    assert refusal(dropout=np.ma.masked).startswith("dropout is masked; give a rate")
    assert refusal(weights=np.ma.masked_less([1, 2, 3], 2)).startswith("the weights are no rectangular array")
    assert make(learning_rate=np.ma.array([0.1, 0.2])).members == 2


def test_copy_must_be_true_or_false() -> None:
    assert refusal(copy="yes") == "copy is 'yes'; give True or False"


@pytest.mark.parametrize("name", ["learning_rate", "strength", "initial_scale"])
@pytest.mark.parametrize("value", ["0.1", None, True, 1j, [[0.1]], [0.1, "0.2"], [[1], [1, 2]], {}, [None]], ids=repr)
def test_invalid_numbers_are_refused(name: str, value: Any) -> None:
    assert refusal(penalty="l2", **{name: value}) == f"{name} is {value!r}{A_NUMBER}"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"learning_rate": float("nan")}, "learning_rate is nan; give a finite number"),
        ({"learning_rate": [0.1, float("inf")]}, "learning_rate is inf; give a finite number"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1; give a number of 0 or more"),
        ({"learning_rate": []}, "learning_rate is empty; give at least one number"),
        ({"strength": [1, -1], "penalty": "l2"}, "strength is -1; give a number of 0 or more"),
        ({"initial_scale": -1}, "initial_scale is -1; give a number of 0 or more"),
        ({"strength": 0.1}, "a strength is given without a penalty; name the penalty too"),
        ({"momentum": 0.9}, 'the optimizer \'sgd\' has no momentum; use "momentum" or "nesterov"'),
        (
            {"momentum": 1.0, "optimizer": "momentum"},
            "the parameter 'momentum' of the optimizer 'momentum' is 1.0; give a number from 0 to under 1",
        ),
        ({"reduction": "mean"}, 'the reduction is \'mean\'; give "sum", "mean_samples" or "mean_elements"'),
        ({"dtype": "float16"}, 'the dtype is \'float16\'; give "float64" or "float32"'),
        ({"dtype": None}, 'the dtype is None; give "float64" or "float32"'),
        ({"dtype": np.array(["float64", "float32"])}, "the dtype is array"),
        ({"reduction": np.array(["sum", "mean_samples"])}, "the reduction is array"),
        ({"reduction": ["sum"]}, "the reduction is ['sum']; give"),
        ({"schedule": {"name": "step", "per": np.array(["step", "epoch"])}}, "a schedule counts per array"),
        ({"learning_rate": [0.1, None] * 500}, "learning_rate is [0.1, None, 0.1, None, 0.1, None, ...]; give a"),
        ({"network": [2, 3, 1]}, "the network is [2, 3, 1]; make one with Network([inputs, ..., outputs])"),
        (
            {"loss": "mse"},
            "there is no loss 'mse'; there are: squared_error, half_squared_error, absolute_error, ",
        ),
        ({"penalty": "ridge"}, "there is no penalty 'ridge'; there are: l2, weight_decay, l1, "),
        ({"penalize_biases": "no"}, "penalize_biases is 'no'; give True or False"),
        ({"label_smoothing": 0.1}, "label_smoothing is 0.1, but the loss 'squared_error' has no labels; use cross_e"),
        ({"label_smoothing": 1}, "label_smoothing is 1; give a number from 0 to under 1"),
        ({"label_smoothing": "some"}, "label_smoothing is 'some'; give a finite number"),
        (
            {"optimizer": {"name": "rprop", "smallest": 2, "largest": 1}},
            "the optimizer 'rprop' has a smallest step above its largest; exchange the two",
        ),
        (
            {"schedule": {"name": "cosine", "steps": 10, "warm_up": 10}},
            "the schedule 'cosine' warms up for as long as it lasts; give it more steps than its warm_up",
        ),
        (
            {"schedule": "exponential_ramp", "learning_rate": 0},
            "the schedule 'exponential_ramp' cannot rise from 0; give a learning_rate above 0",
        ),
    ],
    ids=lambda given: ", ".join(f"{key}={value}" for key, value in given.items()) if isinstance(given, dict) else "",
)
def test_numbers_and_names_that_do_not_fit(changed: dict[str, Any], told: str) -> None:
    assert refusal(**changed).startswith(told)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2.0, "2", True, None, [2], np.array([1, 2])], ids=repr)
def test_a_batch_size_is_a_whole_number(value: Any) -> None:
    if value is None:
        assert make(batch_size=None).batch_size is None
    else:
        assert refusal(batch_size=value) == f"batch_size is {value!r}; give a whole number of 1 or more"


@pytest.mark.parametrize("name", ["seeds", "data_seeds", "dropout_seeds"])
@pytest.mark.parametrize(
    "value", [-1, 2**64, 1.0, "a", True, np.True_, [1, 2.5], [1, None], np.ones(2), {1, 2}], ids=repr
)
def test_a_seed_is_a_whole_number(name: str, value: Any) -> None:
    assert re.fullmatch(rf"{name} hold .*; a seed is a whole number from 0 to 2\*\*64 - 1", refusal(**{name: value}))


def test_labels_are_smoothed_in_their_own_precision() -> None:
    network = Network([2, 3], output="softmax")
    for dtype in ("float32", "float64"):
        problem = make(network=network, y=np.eye(3), loss="cross_entropy", label_smoothing=0.3, dtype=dtype)
        np.testing.assert_allclose(problem.y, 0.1 + 0.7 * np.eye(3), rtol=1e-6)
        assert problem.y.dtype == dtype and not problem.y.flags.writeable


@pytest.mark.parametrize("name", ["seeds", "data_seeds"])
def test_only_dropout_seeds_are_optional(name: str) -> None:
    assert refusal(**{name: None}).startswith(f"{name} hold None; ")
    assert make(dropout_seeds=None, seeds=[3, 4]).dropout_seeds.tolist() == [3, 4]


@pytest.mark.parametrize(
    "given",
    [
        {name: -(10**400)}
        for name in ("batch_size", "seeds", "learning_rate", "dropout", "loss", "optimizer", "penalize_biases", "rows")
    ]
    + [
        {"network": 10**400},
        {"optimizer": {"name": "momentum", "momentum": 10**400}},
        {"schedule": {"name": "step", "per": 10**400}},
    ],
    ids=lambda given: next(iter(given)),
)
def test_messages_about_long_values_are_short(given: dict[str, Any]) -> None:
    assert len(refusal(**given)) < 170


@pytest.mark.parametrize("name", ["seeds", "data_seeds", "dropout_seeds"])
def test_no_seed_at_all(name: str) -> None:
    for empty in ([], range(0), np.arange(0)):
        assert refusal(**{name: empty}) == f"{name} are an empty list; give at least one seed"


def test_lists_of_different_lengths_are_reported_with_their_lengths() -> None:
    told = (
        "the members' numbers differ in length (2 for learning_rate, 3 for seeds); "
        "give one number, or as many as there are members"
    )
    assert refusal(learning_rate=[0.1, 0.2], seeds=range(3)) == told
    for other in (
        {"rows": [[0], [1]]},
        {"weights": np.ones((2, 3))},
        {"dropout": [[0.1], [0.2]]},
        {"optimizer": {"name": "momentum", "momentum": [0.1, 0.2]}},
        {"schedule": {"name": "step", "every": [1, 2]}},
    ):
        assert refusal(seeds=range(3), **other).startswith("the members' numbers differ in length (")


@pytest.mark.parametrize("value", [1, 1.0, -0.1, float("nan"), [float("inf")], [[0.5], [1]]], ids=repr)
def test_dropout_rates_are_below_1(value: Any) -> None:
    assert refusal(dropout=value) == f"dropout is {value!r}; give a number from 0 to under 1"


def test_a_dropout_rate_that_float32_rounds_to_1() -> None:
    rate = 1 - 1e-9
    assert make(dropout=rate).drops
    assert (
        refusal(dropout=[rate], dtype="float32") == f"dropout is [{rate}], of which float32 makes 1; give lower rates"
    )


@pytest.mark.parametrize("value", ["0.5", None, True, {}, [0.1, 0.2], [[[0.1]]], [[0.1, 0.2], [0.1]], [[]]], ids=repr)
def test_dropout_has_a_rate_for_each_hidden_layer(value: Any) -> None:
    told = f"dropout is {value!r}; give a rate, one for each hidden layer (1), or [members, layers]"
    assert refusal(dropout=value) == told


def test_dropout_without_a_hidden_layer() -> None:
    assert refusal(network=Network([2, 1]), dropout=0.5) == (
        "dropout acts on hidden layers and the network has none; leave it out"
    )
    assert not make(network=Network([2, 1]), dropout=0).drops


@pytest.mark.parametrize("value", [[1, 2], np.ones((3, 1)), np.ones((2, 2)), 1.0, np.ones((1, 1, 3)), np.ones((0, 3))])
def test_weights_of_a_wrong_shape(value: Any) -> None:
    shape = np.shape(value)
    told = f"the weights are of the shape {shape}; give one for each of the 3 rows, or [members, 3]"
    assert refusal(weights=value) == told


@pytest.mark.parametrize("value", ["abc", ["1", "2", "3"], [1, None, 1], [[1, 2, 3], [1]], [1j, 1, 1]], ids=repr)
def test_weights_that_are_no_numbers(value: Any) -> None:
    told = "the weights are no rectangular array of numbers; give one for each of the 3 rows, or [members, 3]"
    assert refusal(weights=value) == told


@pytest.mark.parametrize("value", [[1, -1, 1], [1, np.nan, 1], [1, np.inf, 1]], ids=repr)
def test_weights_are_finite_and_not_negative(value: Any) -> None:
    told = "the weights hold a negative number, a NaN or an infinity; give finite weights of 0 or more"
    assert refusal(weights=value) == told


@pytest.mark.parametrize(
    ("changed", "member"),
    [
        ({"weights": [0, 0, 0]}, 0),
        ({"weights": [[1, 1, 1], [0, 0, 0]]}, 1),
        ({"weights": [0, 0, 1], "rows": [[0, 1, 2], [0, 1]]}, 1),
    ],
)
def test_a_member_without_any_weight(changed: dict[str, Any], member: int) -> None:
    told = f"all rows of member {member} have weight 0 in float64; give one of them a larger weight"
    assert refusal(**changed) == told


def test_weights_that_float32_rounds_to_0() -> None:
    assert make(weights=[1e-60] * 3).rows is None
    told = "all rows of member 0 have weight 0 in float32; give one of them a larger weight"
    assert refusal(weights=[1e-60] * 3, dtype="float32") == told


@pytest.mark.parametrize(
    ("dtype", "weights", "largest"),
    [
        ("float64", [1e308] * 3, "1e+308"),
        ("float64", [[1, 1, 1], [1e308, 1e308, 1]], "1e+308"),
        ("float32", [3e38] * 3, "3e+38"),
        ("float32", [1, 1e308, 1], "1e+308"),
    ],
)
def test_weights_whose_sum_is_no_number(dtype: str, weights: Any, largest: str) -> None:
    """Every sum over rows is divided by it, and each gradient would be 0."""
    told = f"the weights go up to {largest}, and their sum is beyond {dtype}; divide all of them"
    assert refusal(weights=weights, dtype=dtype) == told
    small = np.array(weights) / (1e300 if largest == "1e+308" else 1e30)
    assert make(weights=small, dtype=dtype).weights is not None


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


class MadeOnTheFly(Sequence[Any]):
    """Rows that nobody keeps: the next list may lie where the one before did."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place].tolist()


@pytest.mark.parametrize("kind", [MadeOnTheFly, list, tuple, np.array, np.ndarray.tolist])
def test_each_member_has_its_own_rows(kind: Callable[[Any], Any]) -> None:
    folds = np.arange(20).reshape(4, 5)
    problem = make(x=np.ones((20, 2)), y=np.ones(20), rows=kind(folds))
    assert problem.rows is not None and [own.tolist() for own in problem.rows] == folds.tolist()


@pytest.mark.parametrize("value", [5, "012", [], {0: [1]}, np.array("a"), np.array(5), b"", None], ids=repr)
def test_rows_are_one_list_per_member(value: Any) -> None:
    if value is None:
        assert make(rows=None).rows is None
    else:
        assert refusal(rows=value) == f"rows is {value!r}; give for each member the list of its rows' indices"


@pytest.mark.parametrize("own", [[], [0.0, 1.0], ["0"], [[0, 1]], [True, False, True], 3, None, [[0], [1]]], ids=repr)
def test_a_members_rows_are_whole_numbers(own: Any) -> None:
    told = "a member's rows are not a list of whole numbers; give for each member at least one row's index"
    assert refusal(rows=[[0, 1], own]) == told


@pytest.mark.parametrize(("own", "lowest", "highest"), [([0, 3], 0, 3), ([-1, 2], -1, 2)])
def test_rows_that_are_not_there(own: list[int], lowest: int, highest: int) -> None:
    assert refusal(rows=[own]) == f"a member's rows go from {lowest} to {highest}; there are rows 0 to 2"


@pytest.mark.parametrize(("batch_size", "rows", "told"), [(1, None, 1), (2, None, 1), (3, None, 0), (None, [[1]], 1)])
def test_a_batch_of_one_row_with_batch_norm_is_noted(batch_size: Any, rows: Any, told: int) -> None:
    sizes = [len(X[0]), 3, 1]
    normed = make(network=Network(sizes, batch_norm=True), batch_size=batch_size, rows=rows)
    assert [note.partition(",")[0] for note in normed.notes] == told * ["a batch is a single row"]
    assert make(network=Network(sizes), batch_size=batch_size, rows=rows).notes == ()
