"""Predict the rows of tables, for the tabular estimators and for `deltarule predict`.

Nothing here needs scikit-learn, whose import takes two seconds.

N rows · D inputs of the network · C classes
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from deltarule.estimators.mlp.fit_context import warn_user
from deltarule.estimators.mlp.prediction import class_probabilities, mean_of_members, outputs_of
from deltarule.estimators.tabular.calibration import LogitCalibration, apply_calibration
from deltarule.estimators.tabular.intervals import Intervals
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats
from deltarule.tables.column_encoder import Column, encode_columns
from deltarule.tables.diagnostics import far_dates, render_diagnostics, unknown_categories, unusual_numbers
from deltarule.tables.frame import Frame, count_rows, mark_missing, select_rows

MAX_ENCODED_NUMBERS = 2**24
"""Input numbers that are encoded at a time: 128 MiB."""


@dataclass(frozen=True, eq=False)
class TablePredictor:
    """What predictions need of a fitted tabular estimator.

    network, arrays         the ensemble's parameters by name, [D, H] or [K, D, H]
    classes, calibration    of a classifier
    mean, scale             of a regressor's targets
    intervals               of a regressor's predictions
    """

    columns: tuple[Column, ...]
    target: str
    network: Network
    arrays: Mapping[str, Floats]
    classes: Any = None
    calibration: LogitCalibration | None = None
    mean: Any = 0.0
    scale: Any = 1.0
    intervals: Intervals | None = None

    def predict(self, frame: Frame) -> Floats:
        """Predict numbers [N] or probabilities [N, C], and warn of unusual cells."""
        rows = count_rows(frame)
        frame = self.mark_missing(frame)
        found = (find(self.columns, frame) for find in (unknown_categories, unusual_numbers, far_dates))
        for sentence in render_diagnostics(chain.from_iterable(found)):
            warn_user(sentence)
        size = max(MAX_ENCODED_NUMBERS // max(sum(len(column.inputs) for column in self.columns), 1), 1)
        if rows <= size:
            return self.predict_inputs(encode_columns(self.columns, frame))
        parts = (select_rows(frame, slice(start, start + size)) for start in range(0, rows, size))
        return np.concatenate([self.predict_inputs(encode_columns(self.columns, part)) for part in parts])

    def mark_missing(self, frame: Frame) -> Frame:
        """A frame in which the codes that the model knows are missing values."""
        return mark_missing(frame, {column.origin: column.missing for column in self.columns if column.missing})

    def predict_inputs(self, x: Floats) -> Floats:
        """The same for encoded rows [N, D]."""
        outputs = outputs_of(self.network, self.arrays, x, transform=self._combine)
        return outputs[:, 0] if self.calibration is None else apply_calibration(outputs, self.calibration)

    def _combine(self, outputs: Floats) -> Floats:
        """The predictions [N, C] of all members together, from theirs [K, N, C]."""
        outputs = outputs if outputs.ndim == 3 else outputs[None]
        if self.classes is not None:
            return mean_of_members(class_probabilities(outputs, len(self.classes)))
        with np.errstate(over="ignore"):  # too large a prediction is infinite
            return mean_of_members(outputs * self.scale + self.mean)
