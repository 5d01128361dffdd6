import numpy as np
import pytest

from deltarule.data import bundled


# Figures as the data sets' own descriptions give them (scikit-learn, "Toy datasets").
@pytest.mark.parametrize(
    ("name", "rows", "inputs", "counts"),
    [
        ("digits", 1797, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("iris", 150, 4, [50, 50, 50]),
        ("wine", 178, 13, [59, 71, 48]),
        ("breast_cancer", 569, 30, [212, 357]),
    ],
)
def test_classes_have_their_published_sizes(name: str, rows: int, inputs: int, counts: list[int]) -> None:
    dataset = getattr(bundled, name)()
    assert dataset.name == name
    assert (len(dataset.train), dataset.inputs) == (rows, inputs)
    assert np.bincount(dataset.train.labels).tolist() == counts
    assert len(dataset.classes) == len(counts)


def test_digits_are_the_raw_pixels() -> None:
    x = bundled.digits().train.x
    assert (x.min(), x.max()) == (0, 16)
    assert (x == np.floor(x)).all()


def test_diabetes_is_the_raw_regression() -> None:
    dataset = bundled.diabetes()
    assert (len(dataset.train), dataset.inputs, dataset.classes) == (442, 10, ())
    targets = dataset.train.answers
    assert targets.shape == (442, 1)
    assert (targets.min(), targets.max()) == (25, 346)
    age = dataset.train.x[:, dataset.features.index("age")]
    assert (age.min(), age.max()) == (19, 79)
