"""Hard numbers: exact losses, and trainings that end with numbers, or with a member, a step and a layer; no warning."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

from deltarule import BadInput, MLPClassifier, MLPRegressor, Network, create_problem, train
from deltarule.maths.activations import sigmoid

ENGINES = ("reference", "compiled", "autograd")
RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(12, 3))

# Inputs [12, 3] that strain arithmetic, each by its name.
HARD = {
    "huge": PLAIN * 1e30,
    "tiny": PLAIN * 1e-30,
    "denormal": PLAIN * 1e-310,
    "largest": np.sign(PLAIN) * np.finfo(np.float64).max,
    "mixed scales": PLAIN * np.array([1e30, 1.0, 1e-30]),
    "constant columns": np.ones((12, 3)) * np.array([0.0, 1.0, -1e30]),
    "duplicate rows": np.repeat(PLAIN[:1], 12, 0),
    "far from zero": PLAIN + 1e15,
}
CLASSES = np.arange(12) % 2


@pytest.fixture(autouse=True)
def no_warning_escapes() -> Iterator[None]:
    """Any warning is an error, but those that are sentences of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_losses_and_slopes_are_those_of_fifty_digits(hard_numbers: ModuleType) -> None:
    compared = hard_numbers.compare()
    assert compared.total > 10_000 and not compared.differ, compared.differ[:5]


def test_a_loss_that_is_not_exact_is_caught(hard_numbers: ModuleType) -> None:
    compared = hard_numbers.Compared()
    for z in (40.0, 1e4):
        with np.errstate(all="ignore"):
            naive = -np.log(1 - sigmoid(np.array(z)))
        compared.add("naive", naive, hard_numbers.binary_terms(hard_numbers.mpf(z), hard_numbers.mpf(0)), z)
    assert len(compared.differ) == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", HARD)
def test_a_training_on_hard_inputs_ends_with_numbers_or_says_where_it_stopped(name: str, engine: str) -> None:
    network = Network([3, 4, 1], activation="tanh", output="sigmoid")
    rates = [1e-300, 0.1, 1e30]
    problem = create_problem(network, HARD[name], CLASSES, loss="binary_cross_entropy", learning_rate=rates)
    run = train(problem, max_steps=5, engine=engine)
    gone = {one.member: one for one in run.diverged}
    for member, reason in enumerate(run.reasons):
        assert reason == ("diverged" if member in gone else "max_steps")
        assert np.isfinite(run.state.theta[member]).all(), "the last finite state is kept"
    for one in gone.values():
        assert 0 <= one.step < 5 and one.where


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error"])
def test_targets_of_any_size_are_learnt_or_diverge_by_name(loss: str) -> None:
    for scale in (1e-320, 1e-30, 1e30, 1e300):
        run = train(create_problem(Network([3, 1]), PLAIN, PLAIN[:, 0] * scale, loss=loss), max_steps=5)
        assert run.reasons[0] in ("max_steps", "diverged")


@pytest.mark.parametrize("engine", ENGINES)
def test_one_sample_and_a_batch_larger_than_the_data(engine: str) -> None:
    problem = create_problem(Network([3, 2, 1]), PLAIN[:1], [1.0], batch_size=100, learning_rate=0.1)
    run = train(problem, max_steps=50, engine=engine)
    assert run.reasons == ("max_steps",) and run.objective[0] < 1e-2
    assert any("all 1 rows are used" in note for note in run.notes)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.empty((0, 3)), np.empty((0, 1))),
        (np.empty((3, 0)), np.empty((3, 1))),
        (PLAIN * np.nan, CLASSES),
        (np.where(PLAIN > 0, np.inf, PLAIN), CLASSES),
        (PLAIN, np.where(CLASSES, np.nan, 0.0)),
        (PLAIN, np.where(CLASSES, -np.inf, 0.0)),
        (np.where(PLAIN == PLAIN[0, 0], None, PLAIN.astype(object)), CLASSES),
        (np.where(PLAIN == PLAIN[0, 0], "1.0", PLAIN.astype(object)), CLASSES),
        (PLAIN.astype(str), CLASSES),
        (PLAIN + 1j, CLASSES),
        (PLAIN, CLASSES[:-1]),
    ],
)
def test_what_is_no_number_is_refused_in_a_sentence(x: Any, y: Any) -> None:
    with pytest.raises(BadInput) as error:
        create_problem(Network([3, 1]), x, y)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("weights", [np.zeros(12), -np.ones(12), np.full(12, np.nan)])
def test_rows_that_count_for_nothing_make_no_batch(weights: np.ndarray) -> None:
    with pytest.raises(BadInput):
        create_problem(Network([3, 1]), PLAIN, CLASSES, weights=weights)


LABELS = {
    "texts": np.array(["no", "yes"])[CLASSES],
    "objects": np.array(["no", "yes"], object)[CLASSES],
    "booleans": CLASSES.astype(bool),
    "signs": 2 * CLASSES - 1,
    "floats": CLASSES * 2.0,
    "large numbers": CLASSES * (2**62) + 1,
    "names of markup": np.array(["<b>", "\x1b[2J"], object)[CLASSES],
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_any_kind_come_back_as_they_were(name: str) -> None:
    labels, x = LABELS[name], PLAIN + 10 * CLASSES[:, np.newaxis]
    given: dict[str, Any] = {"solver": "lbfgs", "random_state": 0, "max_iter": 50}
    model = MLPClassifier((4,), **given).fit(x, labels)
    predicted = model.predict(x)
    # Texts among objects are NumPy's then, as scikit-learn has them.
    assert predicted.dtype == neural_network.MLPClassifier((4,), **given).fit(x, labels).predict(x).dtype
    assert predicted.tolist() == labels.tolist()
    assert model.classes_.tolist() == sorted(set(labels.tolist()))


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_estimators_take_hard_inputs_or_say_what_is_wrong(kind: Any, name: str) -> None:
    model = kind(hidden_layer_sizes=(3,), random_state=0, max_iter=3, batch_size=5)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it has not converged, in a sentence
            model.fit(HARD[name], CLASSES)
    except ValueError as error:
        assert str(error).isprintable() and len(str(error)) > 20
    else:
        assert np.isfinite(model.predict(HARD[name])).all()


TABLES = {
    "one class": ("x,y\n1,a\n2,a\n3,a\n", "at least two classes"),
    "one row": ("x,y\n1,a\n", ""),
    "not a number": ("x,y\nnan,a\n2,b\n", "is no finite number"),
    "infinite": ("x,y\n1e400,a\n2,b\n", "is no finite number"),
    "no rows": ("x,y\n", "has a header but no rows"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_learnt_from_is_told(tmp_path: Path, deltarule, name: str) -> None:
    text, told = TABLES[name]
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        '[data]\nfile = "t.csv"\ntarget = "y"\n[network]\nlayers = ["auto", "auto"]\noutput = "softmax"\n'
        '[loss]\nname = "cross_entropy"\n[stopping]\nmax_steps = 1\n',
        encoding="utf-8",
    )
    status, out, err = deltarule("run", tmp_path / "r.toml")
    assert status == 2 and told in err and err.count("\n") == 1 and not out


@pytest.mark.parametrize("scale", ["unit", "standardize", "center"])
def test_scaling_hard_columns_gives_numbers_or_names_the_column(tmp_path: Path, deltarule, scale: str) -> None:
    rows = [
        "tiny,huge,same,y",
        *(f"{one * 1e-310},{one * 1e300},7,{label}" for one, label in zip(range(8), "abababab", strict=True)),
    ]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "r.toml").write_text(
        f'[data]\nfile = "t.csv"\ntarget = "y"\nscale = "{scale}"\n[network]\nlayers = ["auto", "auto"]\n'
        'output = "softmax"\n[loss]\nname = "cross_entropy"\n[stopping]\nmax_steps = 2\n',
        encoding="utf-8",
    )
    status, _, err = deltarule("run", tmp_path / "r.toml", "--json")
    assert status == 0 or "express it in another unit" in err


def test_members_that_are_infinite_in_both_directions_are_no_warning() -> None:
    x = np.array([[1.0], [2.0]])
    model = MLPRegressor(hidden_layer_sizes=(2,), activation="identity", n_members=2, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(x, [0.0, 1.0])
    for weights in model.coefs_:
        weights[:] = 1e200 * np.array([1, -1])[:, None, None]
    model.coefs_[0][:] = 1e200
    assert np.isnan(model.predict(x)).all()
    mean, spread = model.predict(x, return_std=True)
    assert np.isnan(mean).all() and np.isnan(spread).all()
