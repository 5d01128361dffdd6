"""Small real data sets that are installed with scikit-learn."""

from dataclasses import replace
from typing import Any

from deltarule.data.dataset import Dataset, Rows


def digits() -> Dataset:
    """1,797 images of handwritten digits, 8 × 8 pixels from 0 to 16, 10 classes.

    References
    ----------
    Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part).

    Examples
    --------
    >>> digits().train.x.shape
    (1797, 64)
    """
    from sklearn.datasets import load_digits

    note = "1,797 handwritten digits of 8 × 8 pixels (0 to 16), bundled with scikit-learn."
    return replace(_classification_dataset("digits", load_digits(), note), image=(1, 8, 8))


def iris() -> Dataset:
    """150 flowers of three species, four lengths in cm.

    References
    ----------
    Fisher, The use of multiple measurements in taxonomic problems, 1936.

    Examples
    --------
    >>> iris().classes
    ('setosa', 'versicolor', 'virginica')
    """
    from sklearn.datasets import load_iris

    return _classification_dataset(
        "iris", load_iris(), "150 irises of three species, measured in cm, bundled with scikit-learn."
    )


def wine() -> Dataset:
    """178 wines of three growers, 13 chemical measurements.

    References
    ----------
    Aeberhard & Forina, Wine, UCI 1991.

    Examples
    --------
    >>> wine().inputs
    13
    """
    from sklearn.datasets import load_wine

    return _classification_dataset(
        "wine", load_wine(), "178 wines of three growers, 13 measurements, bundled with scikit-learn."
    )


def breast_cancer() -> Dataset:
    """569 tumors, malignant or benign, 30 measurements of cell nuclei.

    References
    ----------
    Wolberg, Mangasarian, Street & Street, Breast Cancer Wisconsin (Diagnostic), UCI 1993.

    Examples
    --------
    >>> breast_cancer().classes
    ('malignant', 'benign')
    """
    from sklearn.datasets import load_breast_cancer

    return _classification_dataset(
        "breast_cancer",
        load_breast_cancer(),
        "569 tumors, malignant or benign, 30 measurements, bundled with scikit-learn.",
    )


def diabetes() -> Dataset:
    """442 patients, 10 measurements and the progression of diabetes after a year.

    References
    ----------
    Efron, Hastie, Johnstone & Tibshirani, Least angle regression, 2004.

    Examples
    --------
    >>> diabetes().train.targets.shape
    (442, 1)
    """
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(scaled=False)
    return Dataset(
        name="diabetes",
        train=Rows(x=bunch.data, targets=bunch.target[:, None]),
        features=tuple(bunch.feature_names),
        note="442 diabetes patients, 10 measurements and the progression after a year, bundled with scikit-learn.",
    )


def _classification_dataset(name: str, bunch: Any, note: str) -> Dataset:
    """Convert a scikit-learn data set (a `Bunch`) with classes to a `Dataset`."""
    return Dataset(
        name=name,
        train=Rows(x=bunch.data, labels=bunch.target),
        features=tuple(str(feature) for feature in bunch.feature_names),
        classes=tuple(str(label) for label in bunch.target_names),
        note=note,
    )
