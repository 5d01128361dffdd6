"""Small real data sets that are installed with scikit-learn."""

from dataclasses import replace

from deltarule.data.dataset import Dataset, Rows


def digits() -> Dataset:
    """1,797 images of handwritten digits, 8 × 8 pixels from 0 to 16, 10 classes.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part).
    """
    return replace(_load("digits", "1,797 handwritten digits of 8 × 8 pixels (0 to 16)"), image=(1, 8, 8))


def iris() -> Dataset:
    """150 flowers of three species, four lengths in cm.

    Source: Fisher, The use of multiple measurements in taxonomic problems, 1936.
    """
    return _load("iris", "150 irises of three species, measured in cm")


def wine() -> Dataset:
    """178 wines of three growers, 13 chemical measurements.

    Source: Aeberhard & Forina, Wine, UCI 1991.
    """
    return _load("wine", "178 wines of three growers, 13 measurements")


def breast_cancer() -> Dataset:
    """569 tumors, malignant or benign, 30 measurements of cell nuclei.

    Source: Wolberg, Mangasarian, Street & Street, Breast Cancer Wisconsin (Diagnostic), UCI 1993.
    """
    return _load("breast_cancer", "569 tumors, malignant or benign, 30 measurements")


def diabetes() -> Dataset:
    """442 patients, 10 measurements and the progression of diabetes after a year.

    Source: Efron, Hastie, Johnstone & Tibshirani, Least angle regression, 2004.
    """
    return _load("diabetes", "442 diabetes patients, 10 measurements and the progression after a year", scaled=False)


def _load(name: str, note: str, **options: bool) -> Dataset:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    classes = tuple(map(str, bunch.get("target_names", ())))
    return Dataset(
        name=name,
        train=Rows(bunch.data, labels=bunch.target) if classes else Rows(bunch.data, targets=bunch.target[:, None]),
        features=tuple(map(str, bunch.feature_names)),
        classes=classes,
        note=f"{note}, bundled with scikit-learn.",
    )
