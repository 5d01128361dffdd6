"""Our estimators behind skrub's preparation of tables, as its users put any estimator of scikit-learn there."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import skrub
from sklearn.pipeline import make_pipeline

from deltarule import MLPClassifier, TabularClassifier

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:the column")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Numbers with gaps, texts and dates; what there is to learn hangs on the first two."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": np.where(random.random(200) < 0.1, np.nan, random.normal(size=200)),
            "color": random.choice(["red", "green", "blue"], 200),
            "made": random.permutation(pd.date_range("2026-01-01", periods=200)),
        }
    )


@pytest.fixture(scope="module")
def price(table: pd.DataFrame) -> Any:
    return np.nan_to_num(table["size"]) + 2.0 * (table["color"] == "red")


@pytest.mark.parametrize(
    "model",
    [
        skrub.tabular_pipeline(MLPClassifier(random_state=0)),
        skrub.tabular_pipeline(TabularClassifier(random_state=0)),
        make_pipeline(skrub.TableVectorizer(), TabularClassifier(random_state=0)),
    ],
)
def test_classes_are_learned_behind_skrub(model: Any, table: pd.DataFrame, price: Any) -> None:
    model.fit(table[:150], price[:150] > 1)
    assert model.score(table[150:], price[150:] > 1) >= 0.85
    assert model.predict_proba(table[150:]).shape == (50, 2)
