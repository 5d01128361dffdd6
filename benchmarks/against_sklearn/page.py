"""Make the tables of benchmarks/records/estimators.md and docs/reference/performance.md from estimators.json."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.tables import describe_machine
from markers import fill_markers

from against_sklearn.same import KINDS
from against_sklearn.speed import SEARCHERS
from against_sklearn.tables import BUNDLED, CHOOSING, CONTENDERS, REAL, REAL_CONTENDERS, interval
from deltarule.reports.table import table


def fill_page(page: str, record: Mapping[str, Any]) -> str:
    """Replace the parts of a page between markers by tables of the record."""
    return fill_markers(page, "estimators.json", parts_of_page(record))


def parts_of_page(record: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page, as Markdown by their names."""
    tables: dict[str, tuple[list[str], list[list[str]]]] = {
        "fit": (
            ["fit", "theirs, s", "ours, s", "products alone, s", "theirs / ours", "spread"],
            [_fit_cells(one) for one in _successful(record["fit"])],
        ),
        "predict": (
            ["network; rows:", "1", "100", "1,000", "10,000", "60,000"],
            _predict_cells(record),
        ),
        "search": (
            ["seconds (times ours)", "100 hidden units", "30 hidden units", "10 hidden units"],
            _search_cells(record),
        ),
        "tables": (
            ["score; seconds of a fit", *CONTENDERS],
            _table_cells({name: one for name, one in tables_of(record).items() if _set_of(name) in BUNDLED}),
        ),
        "real tables": (
            ["score; seconds of a fit", *_contenders_of(record["tables"])],
            _real_cells(tables_of(record)),
        ),
        "errors": (
            ["", *_contenders_of(record["tables"])],
            _real_cells(tables_of(record))[-1:],
        ),
        "log losses": (
            ["mean log loss", *_contenders_of(record["tables"])],
            _log_loss_cells(record["tables"]),
        ),
        "intervals": (
            ["of 90 % intervals", "lowest third", "middle third", "highest third", "all"],
            _interval_cells(record["tables"]),
        ),
        "estimates": (
            ["scores on held-out folds", "in the reported 95 % interval", "in the wider one for such a fold"],
            _estimate_cells(record["tables"]),
        ),
        "same": (
            ["set", "fits of each", "score, theirs", "score, ours", "ours less theirs, 95 %", "epochs", "last loss"],
            [_same_cells(one) for one in _successful(record["same"])],
        ),
    }
    measured = {name: table(*cells).markdown() if cells[1] else "Not measured yet." for name, cells in tables.items()}
    return {"machine": "\n".join(f"- {line}" for line in _occasions(record)), **measured}


def tables_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The measurements of tables by their names, with the seconds that were measured apart."""
    return {name: {**one, **record.get("times", {}).get(name, {})} for name, one in record["tables"].items()}


def _occasions(record: Mapping[str, Any]) -> Iterator[str]:
    """Describe each occasion: the parts that were measured, the date, the machine, and notes."""
    for number, occasion in enumerate(record["occasions"]):
        parts = []
        for part, names in record["measured"].items():
            own = [name for name, occasion_number in names.items() if occasion_number == number]
            own = [name for name in own if part not in ("tables", "times") or _set_of(name) in (*BUNDLED, *REAL)]
            sets = sorted({_set_of(name) if part in ("tables", "times") else name for name in own})
            parts += [part if len(own) == len(names) else f"{part} ({', '.join(sets)})"] if own else []
        notes = "".join(f" **{note}**" for note in occasion["notes"])
        if parts:
            yield f"{'; '.join(parts)}: {describe_machine(occasion)}.{notes}"


def _successful(measurements: Mapping[str, Any]) -> list[Any]:
    """The measurements that did not fail."""
    return [measurement for measurement in measurements.values() if "error" not in measurement]


def _fit_cells(one: Mapping[str, Any]) -> list[str]:
    """The line of a fit: seconds, ratio and spread."""
    theirs, ours = (statistics.median(one["seconds"][who]) for who in ("theirs", "ours"))
    spread = f"{min(one['ratios']):.2f}–{max(one['ratios']):.2f}"
    name = f"{one['name']}, {one['epochs']} epochs"
    times = [f"{seconds:.3f}" for seconds in (theirs, ours, one["products"])]
    return [name, *times, f"{one['ratio']:.2f}", spread]


def _predict_cells(record: Mapping[str, Any]) -> list[list[str]]:
    """A line for each network, with both ratios and our milliseconds for each number of rows."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for part in _successful(record["predict"]):
        for one in part:
            found.setdefault(one["network"], {}).setdefault(one["rows"], {})[one["method"]] = one
    return [
        [
            network,
            *(
                f"{each['predict']['ratio']:.2f} / {each['predict_proba']['ratio']:.2f}; "
                f"{1e3 * statistics.median(each['predict']['seconds']['ours']):.3g}"
                for _, each in sorted(by_rows.items())
            ),
        ]
        for network, by_rows in found.items()
    ]


def _search_cells(record: Mapping[str, Any]) -> list[list[str]]:
    """A line for each searcher, with its seconds for each search, and their ratio to ours."""
    found = _successful(record["search"])
    ours = {one["search"]: one["seconds"] for one in found if one["who"] == SEARCHERS[0]}
    lines: dict[str, dict[str, str]] = {}
    for one in found:
        jobs = "" if one["who"] == SEARCHERS[0] else f", n_jobs={one['jobs']}"
        cells = lines.setdefault(one["who"] + jobs, dict.fromkeys(ours, "–"))
        cells[one["search"]] = f"{one['seconds']:.1f} ({one['seconds'] / ours[one['search']]:.2f}×)"
    return [[who, *cells.values()] for who, cells in lines.items()]


def _table_cells(found: Mapping[str, Any], contenders: Sequence[str] = CONTENDERS) -> list[list[str]]:
    """A line for each set, with score, half the width of its interval and seconds of a fit for each contender."""
    lines: dict[str, dict[str, str]] = {}
    for name, one in found.items():
        data_set, contender = name.rsplit(", ", 1)
        cells = lines.setdefault(data_set, dict.fromkeys(contenders, ""))
        if "error" in one:
            cells[contender] = "refused"
            continue
        half = "" if one["interval"] is None else f" ± {(one['interval'][1] - one['interval'][0]) / 2:.3f}"
        cells[contender] = f"{one['score']:.3f}{half}; {one['fit_seconds']:.2f}"
    return [[name, *lines[name].values()] for name in sorted(lines, key=[*BUNDLED, *REAL].index)]


def _real_cells(found: Mapping[str, Any]) -> list[list[str]]:
    """The same for real tables, with a star for those on which defaults were chosen; and the mean ratios of errors."""
    own = {name: one for name, one in found.items() if _set_of(name) in REAL}
    contenders = _contenders_of(found)
    lines = _table_cells(own, contenders)
    lines.sort(key=lambda line: list(REAL).index(line[0]))
    errors = {name: 1 - one["score"] for name, one in own.items() if "error" not in one}
    means = [_mean_ratio(errors, [line[0] for line in lines], contender) for contender in contenders]
    marked = [[f"{name}*" if name in CHOOSING else name, *cells] for name, *cells in lines]
    return [*marked, ["errors beside HistGradientBoosting's", *means]] if marked else []


def _log_loss_cells(found: Mapping[str, Any]) -> list[list[str]]:
    """A line for each real table of classes, with each contender's log loss."""
    sets = [name for name in REAL if "log_loss" in found.get(f"{name}, Tabular", {})]
    losses = {
        name: [found.get(f"{name}, {contender}", {}).get("log_loss") for contender in _contenders_of(found)]
        for name in sets
    }
    return [[name, *("" if loss is None else f"{loss:.3f}" for loss in own)] for name, own in losses.items()]


def _interval_cells(found: Mapping[str, Any]) -> list[list[str]]:
    """A line for each real table of numbers, with the share of the targets in the intervals; and the means."""
    lines = {
        name: found[f"{name}, Tabular"]["covered"] for name in REAL if "covered" in found.get(f"{name}, Tabular", {})
    }
    means = {"mean": [statistics.fmean(thirds) for thirds in zip(*lines.values(), strict=True)]} if lines else {}
    return [
        [name, *(f"{share:.2f}" for share in [*thirds, statistics.fmean(thirds)])]
        for name, thirds in (lines | means).items()
    ]


def _estimate_cells(found: Mapping[str, Any]) -> list[list[str]]:
    """How many scores on folds of real tables lie in the interval that the fit reported, and in a wider one.

    The interval is that of the score of all new rows. That of a fold varies, too: with V rows set aside by the fit and
    F in the fold, the difference of both scores has √(1 + V/F) times the deviation.
    """
    inside = [
        (low <= score <= high, abs(score - reported) <= (1 + set_aside / in_fold) ** 0.5 * (high - low) / 2)
        for one in (found.get(f"{name}, Tabular", {}) for name in REAL)
        if "estimates" in one
        for score, (reported, low, high, set_aside, in_fold) in zip(one["folds"], one["estimates"], strict=True)
    ]
    shares = [f"{sum(each)} ({statistics.fmean(each):.2f})" for each in zip(*inside, strict=True)]
    return [[str(len(inside)), *shares]] if inside else []


def _contenders_of(found: Mapping[str, Any]) -> list[str]:
    """The contenders that were measured on a real table, because peers may not be installed."""
    measured = {name.rsplit(", ", 1)[1] for name in found if _set_of(name) in REAL}
    return [contender for contender in REAL_CONTENDERS if contender in measured]


def _mean_ratio(errors: Mapping[str, float], sets: Sequence[str], contender: str) -> str:
    """The geometric mean of a contender's errors divided by those of HistGradientBoosting, and the number of sets."""
    pairs = [
        (errors[f"{name}, {contender}"], errors[f"{name}, HistGradientBoosting"])
        for name in sets
        if {f"{name}, {contender}", f"{name}, HistGradientBoosting"} <= errors.keys()
    ]
    if not pairs:
        return ""
    return f"{statistics.geometric_mean(own / other for own, other in pairs):.3f} on {len(pairs)}"


def _set_of(name: str) -> str:
    """The set of a measurement of tables, such as iris of "iris, MLP"."""
    return name.rsplit(", ", 1)[0]


def _same_cells(one: Mapping[str, Any]) -> list[str]:
    """The line of a set: mean scores of both, the interval of their difference, epochs and last losses."""
    theirs, ours = (list(zip(*one[who], strict=True)) for who in KINDS)  # scores, epochs and losses
    means = [[statistics.fmean(values) for values in who] for who in (theirs, ours)]
    told = _difference_interval(ours[0], theirs[0])
    scores = [f"{who[0]:.4f}" for who in means]
    return [
        *(one["set"], str(one["fits"]), *scores, told),
        *(f"{means[0][1]:.1f} and {means[1][1]:.1f}", f"{means[0][2]:.4g} and {means[1][2]:.4g}"),
    ]


def _difference_interval(scores: list[float], others: list[float]) -> str:
    """The 95 % interval of the mean difference between paired scores and others, as text."""
    found = interval([one - other for one, other in zip(scores, others, strict=True)])
    return "" if found is None else "{:+.4f} … {:+.4f}".format(*found)
