"""Dates and durations are told by the types of a frame's columns, whichever library made the frame."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow
import pytest

from deltarule import MLPRegressor
from deltarule.estimators.mlp.input_validation import describe_scale_mismatch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NUMBERS = np.linspace(0, 1, 20)
X = np.stack([NUMBERS, NUMBERS**2], axis=1)
MOMENTS = {
    "date": date(2026, 11, 23),
    "datetime": datetime(2026, 11, 23, 12),
    "zone": datetime(2026, 11, 23, 12, tzinfo=UTC),
    "duration": timedelta(hours=3),
    "time": time(12),
}
FRAMES = {
    "table": pyarrow.table,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow in pandas": lambda columns: pyarrow.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
}


def regressor() -> MLPRegressor:
    return MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, random_state=0)


@pytest.mark.filterwarnings("ignore:X .* feature names")
@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_column_of_moments_among_numbers_is_refused(frame: Any, moment: Any) -> None:
    """pandas holds dates and times as objects, which NumPy refuses."""
    given = frame({"a": NUMBERS, "b": [moment] * 20})
    fitted = regressor().fit(X, NUMBERS)
    for call in (lambda: regressor().fit(given, NUMBERS), lambda: fitted.predict(given)):
        with pytest.raises((ValueError, TypeError), match="^X holds dates or durations|not 'datetime."):
            call()


@pytest.mark.parametrize("y", [pd.Series, pl.Series, np.array], ids=["pandas", "polars", "numpy"])
def test_moments_as_targets_of_a_regressor_are_refused(y: Any) -> None:
    with pytest.raises(ValueError, match="^y holds"):
        regressor().fit(X, y([MOMENTS["datetime"]] * 20))


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_frames_of_numbers_are_fitted_as_arrays(frame: Any) -> None:
    # the name of a column tells no moment
    columns = {"date": NUMBERS, "dtypes": np.arange(20), "schema": NUMBERS > 0.5}
    array = np.stack([np.asarray(column, float) for column in columns.values()], axis=1)
    fitted = regressor().fit(frame(columns), frame({"time": NUMBERS, "columns": NUMBERS}))
    expected = regressor().fit(array, np.stack([NUMBERS, NUMBERS], axis=1))
    np.testing.assert_array_equal(fitted.coefs_[0], expected.coefs_[0])


@pytest.mark.parametrize(("rows", "size", "is_reported"), [(9, 11.0, False), (10, 9.0, False), (10, 11.0, True)])
def test_scale_mismatch_is_reported_from_factor_ten_and_ten_rows(rows: int, size: float, is_reported: bool) -> None:
    assert bool(describe_scale_mismatch(np.full((rows, 1), size), np.ones((90, 1)), str)) == is_reported
