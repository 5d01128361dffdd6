import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from refusals import refuses
from sklearn.decomposition import PCA

from deltarule.data.dataset import Dataset, Rows
from deltarule.data.load import load_bundled
from deltarule.data.pipeline import (
    ROWS_PER_BLOCK,
    data_file,
    prepare_dataset,
    principal_components,
    scale,
    with_mirrored,
)
from deltarule.errors import RunFailed
from deltarule.problem.configuration import parse
from deltarule.problem.settings import SETTINGS
from deltarule.training.populations import problem_of_seeds

TABLE = {
    "data": {"name": "mnist", "offline": "digits"},
    "network": {"layers": ["auto", "auto"]},
    "stopping": {"max_steps": 1},
}


pytestmark = pytest.mark.usefixtures("offline")


def test_the_offline_default_takes_the_place_and_says_so(tmp_path):
    dataset = prepare_dataset(parse(TABLE), tmp_path)
    assert dataset.name == "digits" and dataset.digest == load_bundled("digits").digest
    assert "mnist is not on this machine and could not be downloaded, so this is digits" in dataset.remark
    assert dataset.remark in problem_of_seeds([parse(TABLE)], dataset).notes


def test_nothing_takes_the_place_of_data_whose_folder_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "named" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.xz"):
        with refuses(folder.parent, name.partition(".")[0], "mnist"):
            prepare_dataset(parse(TABLE), tmp_path, folder.parent)
        (folder / name).touch()
    monkeypatch.setenv("DELTARULE_DATA", str(tmp_path))
    with refuses("mnist", error=RunFailed):
        prepare_dataset(parse(TABLE), tmp_path)


def test_copies_are_made_of_the_rows_that_are_left_and_components_of_both(tmp_path):
    data = {"name": "digits", "split": {"validation": 97, "test": 200}}
    plain = prepare_dataset(parse({**TABLE, "data": data}), tmp_path)
    mirrored = prepare_dataset(parse({**TABLE, "data": {**data, "mirrored": True}}), tmp_path)
    turned = prepare_dataset(parse({**TABLE, "data": {**data, "mirrored": True, "components": 20}}), tmp_path)
    assert {part: len(rows) for part, rows in mirrored.parts.items()} == {"train": 3000, "validation": 97, "test": 200}
    np.testing.assert_array_equal(mirrored.train.x[:1500], plain.train.x)
    np.testing.assert_array_equal(mirrored.parts["validation"].x, plain.parts["validation"].x)
    assert {rows.x.shape[1] for rows in turned.parts.values()} == {20}
    np.testing.assert_allclose(turned.train.x.T @ turned.train.x / 3000, np.eye(20), atol=1e-9)


def test_a_file_is_looked_for_in_the_named_folder_then_beside_the_recipe_then_in_the_current_one(tmp_path, monkeypatch):
    """Data of the same name elsewhere never take the place of the recipe's own."""
    configuration = parse({**TABLE, "data": {"file": "own.csv", "target": "y"}})
    places = [tmp_path / name / "own.csv" for name in ("named", "recipe", "current")]
    for place in places:
        place.parent.mkdir()
        place.write_text("x,y\n1,0\n2,1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path / "current")
    found = []
    for place in places:
        found.append(data_file(configuration.data, tmp_path / "recipe", tmp_path / "named"))
        place.unlink()
    assert found == places
    for place in places[1:]:
        place.touch()
    assert data_file(configuration.data, tmp_path / "recipe") == places[1]


def dataset(train: np.ndarray, test: np.ndarray | None = None) -> Dataset:
    def rows(x: np.ndarray) -> Rows:
        return Rows(x, targets=np.zeros((len(x), 1)))

    names = tuple(f"column {number}" for number in range(train.shape[1]))
    return Dataset("d", rows(train), test=None if test is None else rows(test), features=names)


def tables(min_rows: int = 1) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(min_rows, 8), st.integers(1, 4))
    return hnp.arrays("float64", shapes, elements=st.floats(-1e6, 1e6).map(lambda number: round(number, 3)))


@given(tables())
def test_unit_brings_the_largest_absolute_number_to_one(x: np.ndarray) -> None:
    scaled = scale(dataset(x), "unit")
    largest = np.abs(x).max()
    assert np.abs(scaled.train.x).max() == pytest.approx(float(largest > 0), rel=1e-15)
    np.testing.assert_allclose(scaled.train.x * largest, x, rtol=1e-15)


@given(tables(min_rows=2))
def test_standardized_columns_have_mean_zero_and_variance_one_or_are_zero(x: np.ndarray) -> None:
    scaled = scale(dataset(x), "standardize").train.x
    for before, after in zip(x.T, scaled.T, strict=True):
        if (before == before[0]).all():
            assert (after == 0).all()
        else:
            # Two numbers of 1e6 that differ by 1e-3 leave this much of 16 digits.
            assert abs(after.mean()) < 1e-6
            assert after.var() == pytest.approx(1, rel=1e-6)


@given(tables(), st.sampled_from(SETTINGS["data.scale"].form.choices), st.integers(0, 3))
def test_every_part_is_scaled_by_the_training_rows_alone(x: np.ndarray, how: str, seed: int) -> None:
    test = np.random.default_rng(seed).normal(size=(3, x.shape[1]))
    both = scale(dataset(x, np.concatenate([test, x])), how)
    np.testing.assert_array_equal(both.train.x, scale(dataset(x), how).train.x)
    np.testing.assert_array_equal(both.parts["test"].x[3:], both.train.x)
    assert how == "none" or not both.parts["test"].x.flags.writeable  # problems share them


@pytest.mark.parametrize(("dtype", "scaled"), [("uint8", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_images_become_float32(dtype: str, scaled: str) -> None:
    pixels = np.arange(256).reshape(-1, 1).astype(dtype)
    unit = scale(dataset(pixels), "unit").train.x
    assert unit.dtype == scaled
    np.testing.assert_allclose(unit[:, 0], np.arange(256) / 255, rtol=2 * np.finfo(scaled).eps)
    assert (unit.min(), unit.max()) == (0, 1)


def test_a_column_that_never_varied_stays_zero_in_new_data() -> None:
    # 0.1 three times has a rounded mean other than 0.1: dividing by that tiny deviation would give ±1.
    x = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]])
    scaled = scale(dataset(x, np.array([[7.0, 2.0]])), "standardize")
    assert scaled.train.x[:, 0].tolist() == [0, 0, 0]
    assert scaled.parts["test"].x.tolist() == [[0.0, 0.0]]


# --- principal components --------------------------------------------------------------------------------------------


def cloud(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Rows that vary in all directions, in some much more than in others."""
    numbers = np.random.default_rng(seed)
    return numbers.normal(size=(rows, columns)) @ numbers.normal(size=(columns, columns)) * 3 + 7


@given(st.integers(2, 6), st.integers(0, 5), st.data())
def test_components_are_those_of_scikit_learn_but_for_their_signs(columns: int, seed: int, data: st.DataObject) -> None:
    count, x = data.draw(st.integers(1, columns)), cloud(40, columns, seed)
    ours = principal_components(dataset(x), count).train.x
    theirs = PCA(count, whiten=True, svd_solver="full").fit_transform(x) * np.sqrt(40 / 39)  # it divides by N − 1
    np.testing.assert_allclose(np.abs(ours), np.abs(theirs), atol=1e-7)


def test_components_of_images_come_block_by_block_in_float32() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size=(ROWS_PER_BLOCK + 3, 6), dtype=np.uint8)
    whole = principal_components(dataset(pixels), 6)
    assert whole.train.x.dtype == np.float32 and not whole.train.x.flags.writeable
    np.testing.assert_allclose(np.cov(whole.train.x.T, bias=True), np.eye(6), atol=1e-4)


def test_the_axes_point_where_their_largest_number_is_positive() -> None:
    for seed in range(5):
        x = cloud(30, 4, seed)
        axes = principal_components(dataset(x, x.mean(0) + np.eye(4)), 4).parts["test"].x
        assert (axes[np.abs(axes).argmax(0), np.arange(4)] > 0).all()


def test_there_are_no_more_components_than_directions() -> None:
    corners = principal_components(dataset(np.eye(3)), 9).train.x
    assert corners.shape == (3, 2)  # three points lie in a plane
    np.testing.assert_allclose(corners.T @ corners / 3, np.eye(2), atol=1e-9)


def test_rows_that_are_all_alike_have_no_components() -> None:
    with refuses("d"):
        principal_components(dataset(np.ones((3, 2))), 1)


# --- mirrored images ---


def images(count: int, shape: tuple[int, int, int], seed: int = 0) -> Dataset:
    size = int(np.prod(shape))

    def rows(number: int) -> Rows:
        pixels = np.random.default_rng(number).integers(0, 256, size=(count, size), dtype=np.uint8)
        return Rows(pixels, labels=np.arange(count) % 2)

    names = tuple(f"number {place}" for place in range(size))
    parts = {"train": rows(seed), "test": rows(seed + 1)}
    return Dataset("d", **parts, features=names, classes=("a", "b"), image=shape)  # type: ignore[arg-type]


shapes = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))


@given(st.integers(1, 4), shapes)
def test_behind_the_images_come_the_same_from_right_to_left(count: int, shape: tuple[int, int, int]) -> None:
    given_images = images(count, shape)
    train = with_mirrored(given_images).train
    assert len(train) == 2 * count and train.x.dtype == np.uint8
    np.testing.assert_array_equal(train.x[:count], given_images.train.x)
    copies = train.x[count:].reshape(count, *shape)
    for column in range(shape[2]):
        before = given_images.train.x.reshape(count, *shape)[:, :, :, shape[2] - 1 - column]
        np.testing.assert_array_equal(copies[:, :, :, column], before)
    np.testing.assert_array_equal(train.answers, np.tile(given_images.train.answers, 2))


def test_what_is_no_image_is_refused_in_one_sentence() -> None:
    table = Dataset("d", Rows([[1.0]], targets=[[0.5]]), features=("a",))
    with refuses("d", "data.mirrored"):
        with_mirrored(table)
