"""Tolerances for wrong entries of a gradient and for hypotheses about them.

They were chosen on `benchmarks/planted_mistakes.py`: no correct network may be accused, and every planted mistake must
be found and named. `--scale FIELD=FACTOR` repeats that count with one of them changed. None is critical: with 20
correct networks and 100 planted mistakes the result is the same for `relative` and `residual` × 0.003 and × 1000,
`array`, `gradient` and `zero` × 1000, `improvement`, `informative` and `large` × 100, `constant` × 30, `visible` × 10;
at `relative` × 10⁷ one mistake in nine is named.
"""

from dataclasses import dataclass

from deltarule.proofs.differences import SMALL_ERROR


@dataclass(frozen=True)
class EntryTolerances:
    """Tolerances for one entry of a gradient. All are shares, without a unit.

    relative : share of the larger of |analytic gradient| and |reference gradient|. Correct code differs from the
        reference by less; the smallest mistake worth a report, an ε of 1e-6 in a logarithm, by more.
    array : share of the array's largest entry, for rounding errors in sums that cancel.
    gradient : share of the largest entry of the whole gradient, for arrays whose gradient is nearly 0.
    visible : an entry counts as compared only if an error of this share of it would be noticed.
    large : an entry above this share of its array that could not be compared is reported.
    zero : below this share of the largest entry of the gradient a number counts as 0.
    """

    relative: float
    array: float
    gradient: float
    visible: float
    large: float
    zero: float


FLOAT64 = EntryTolerances(relative=1e-6, array=1e-10, gradient=1e-13, visible=SMALL_ERROR, large=1e-3, zero=1e-9)
FLOAT32 = EntryTolerances(relative=2.5e-4, array=1e-5, gradient=1e-6, visible=10 * SMALL_ERROR, large=0.1, zero=1e-6)
"""Parameters, gradient or loss in float32: rounding errors are 2²⁹ times as large, those of a loss more. With three
times `relative` correct networks are not proved (test_float32_network_is_proved_in_place); with a third tests pass."""


@dataclass(frozen=True)
class ReferenceTolerances:
    """Tolerances of the measured gradient. All are shares, without a unit.

    along : share of a gradient's norm allowed in its derivative along a direction: ten rounding errors of a sum of 10⁵
        terms. Tests pass with a third of it and with three times as much.
    exact : an entry that agrees with the complex step to this share counts as compared, even if differences are less
        exact. Tests pass with a third of it and with three times as much.
    tied : entries above this share of an array's largest one count as its largest. Above 1 none does, and an array
        whose largest entry was not measured is called right (test_large_entry_at_the_edge_of_the_domain_is_not_proved).
    confirmed : differences confirm the complex step if they know a derivative to this share of it. With a third of it
        a wrong gradient behind 100,000 kinks is not named (test_kinks_of_many_samples_do_not_count_as_rounding).
    stale : a stale gradient is off by more than this share of its norm; a smaller error may be rounding, or a small ε.
        Tests pass with a third of it and with three times as much.
    """

    along: float = 1e-7
    exact: float = 1e-8
    tied: float = 0.95
    confirmed: float = 1e-3
    stale: float = 1e-4


REFERENCE = ReferenceTolerances()


@dataclass(frozen=True)
class FitTolerances:
    """Tolerances for a hypothesis about what is wrong.

    residual : share of an entry by which it may differ from the prediction, besides its own tolerance.
    improvement : share of the largest error that a prediction may leave; one that leaves more explains nothing.
    constant : share by which a fitted constant may differ from one with a meaning, such as 2 or the sample count.
    factor : relative uncertainty of a fitted factor where the fit leaves nothing.
    informative : an entry determines a constant if its error is at least this multiple of its tolerance.
    loss, loss_in_float32 : share by which a loss may differ from the one recognized by its gradient.
    epsilon : the largest ε of a logarithm in a loss.

    Tests pass with a third and with three times as much of `loss` and `loss_in_float32`.
    """

    residual: float = 1e-5
    improvement: float = 1e-3
    constant: float = 1e-4
    factor: float = 1e-9
    informative: float = 10.0
    loss: float = 1e-6
    loss_in_float32: float = 1e-4
    epsilon: float = 0.01


FIT = FitTolerances()
