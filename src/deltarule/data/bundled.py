"""Small real data sets that are installed with scikit-learn.

Sources: digits: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part); iris: Fisher,
The use of multiple measurements in taxonomic problems, 1936; wine: Aeberhard & Forina, Wine, UCI 1991; breast_cancer:
Wolberg, Mangasarian, Street & Street, Breast Cancer Wisconsin (Diagnostic), UCI 1993; diabetes: Efron, Hastie,
Johnstone & Tibshirani, Least angle regression, 2004.
"""

from typing import Any

from deltarule.data.dataset import Dataset, Rows

BUNDLED: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("1,797 handwritten digits of 8 × 8 pixels (0 to 16)", {"image": (1, 8, 8)}),
    "iris": ("150 irises of three species, measured in cm", {}),
    "wine": ("178 wines of three growers, 13 measurements", {}),
    "breast_cancer": ("569 tumors, malignant or benign, 30 measurements", {}),
    "diabetes": ("442 diabetes patients, 10 measurements and the progression after a year", {}),
}
"""By name what a set is, and further fields of its `Dataset`."""


def load_bundled(name: str) -> Dataset:
    from sklearn import datasets

    about, fields = BUNDLED[name]
    bunch = getattr(datasets, f"load_{name}")(**{"scaled": False} if name == "diabetes" else {})
    classes = tuple(map(str, bunch.get("target_names", ())))
    return Dataset(
        name=name,
        train=Rows(bunch.data, labels=bunch.target) if classes else Rows(bunch.data, targets=bunch.target[:, None]),
        features=tuple(map(str, bunch.feature_names)),
        classes=classes,
        note=f"{about}, bundled with scikit-learn.",
        **fields,
    )
