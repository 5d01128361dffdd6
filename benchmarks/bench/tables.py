"""Tables of a benchmark's record for benchmarks/records/performance.md and docs/reference/performance.md.

`record` is the JSON object in benchmarks/records/performance.json.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.errors import count_of
from deltarule.reports.table import table

Record = Mapping[str, Any]
"""A JSON object."""

BYTES_PER_MB = 1e6


def performance_page(record: Record) -> dict[str, str]:
    """The Markdown of those parts of both pages that come from a benchmark's record, by name."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    blas = record["matrices"]
    products = (
        f"Our products of matrices: {blas['name']}, {blas['kernels']} kernels, {count_of(blas['threads'], 'thread')}. "
    )
    text = f"Measured on {describe_machine(record)}. {products}{record['rounds']} rounds. With {versions}."
    if record["quick"]:
        text += " **This was a quick run, on small populations: its times say little.**"
    workloads = [f"- **{row['name']}**: {row['title']}, {row['dtype']}. {row['about']}." for row in record["rows"]]
    parts = {"machine": text, "workloads": "\n".join(workloads), "rows": _comparison_table(record["rows"])}
    for title, headers, cells in _other_tables(record):
        parts[title] = table(headers, cells).markdown()
    return parts


def curve_name(curve: Record) -> str:
    """The file name of a curve, without an extension.

    >>> curve_name({"quantity": "hidden units"})
    'time-by-hidden-units'
    """
    return f"time-by-{curve['quantity'].replace(' ', '-')}"


def describe_machine(record: Record) -> str:
    """The date and the machine of a benchmark, as text.

    >>> computer = {"processor": "AMD EPYC", "processors": 2, "avx512": False, "system": "Linux"}
    >>> describe_machine({"date": "2026-01-31", "machine": computer})
    '2026-01-31: AMD EPYC, 2 processors, without AVX-512, Linux'
    """
    machine = record["machine"]
    avx512 = "with AVX-512" if machine["avx512"] else "without AVX-512"
    noun = "processor" if machine["processors"] == 1 else "processors"
    processors = f"{machine['processor']}, {machine['processors']} {noun}"
    return f"{record['date']}: {processors}, {avx512}, {machine['system']}"


def _comparison_table(rows: Sequence[Record]) -> str:
    """A Markdown table with a row for each contender and a column for each benchmark row: the time, and its ratio."""
    contenders = {row["name"]: {contender["name"]: contender for contender in row["contenders"]} for row in rows}
    names = dict.fromkeys(name for contenders_of_row in contenders.values() for name in contenders_of_row)

    def cell(contender: Record | None) -> str:
        """The median time and its ratio to ours; "–" without a contender, "other losses" without a time."""
        if contender is None:
            return "–"
        if contender["microseconds"] is None:
            return "other losses"
        return (
            f"{_format_measurement(contender['microseconds']['median'])} ({_format_measurement(contender['ratio'])}×)"
        )

    cells = [[name, *(cell(of_row.get(name)) for of_row in contenders.values())] for name in names]
    return table(("µs for an update (times ours)", *contenders), cells).markdown()


def _other_tables(record: Record) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """The other tables of the record (processes, memory, targets): title, headers and rows of cells."""
    processes = [
        [
            process["about"],
            f"{process['seconds']['median']:.2f}",
            f"{process['seconds']['least']:.2f} … {process['seconds']['most']:.2f}",
        ]
        for process in record["processes"]
    ]
    memory = [
        [
            f"{one['members']:,} of {one['row']}",
            *(f"{one[name] / BYTES_PER_MB:,.0f}" for name in ("needed", "advance", "train")),
        ]
        for one in record["memory"]
    ]
    targets = [
        [
            target["what"],
            f"{target['kind']} {target['bound']:g}{target['unit'] and ' ' + target['unit']}",
            *_target_row(target),
        ]
        for target in record["targets"]
    ]
    histories = [
        [
            one["name"],
            "–" if one["bound"] is None else f"{one['bound']:g}",
            _format_measurement(one["ratio"]),
            f"{one['alone']['median']:.3f}, {one['watched']['median']:.3f}",
        ]
        for one in record["histories"]
    ]
    networks = record.get("processors", [])
    measured = list(dict.fromkeys(contender for network in networks for contender in network["seconds"]))
    on_processors = [
        [
            network["name"],
            *(f"{network['seconds'][name]:.4f}" if name in network["seconds"] else "–" for name in measured),
        ]
        for network in networks
    ]
    return [
        ("processors", ("network, batch, rows: seconds an epoch", *measured), on_processors),
        ("histories", ("compared", "at most", "ratio", "seconds of the second, the first"), histories),
        ("processes", ("fresh processes", "seconds", "least … most"), processes),
        ("memory", ("MB of memory", "needed at least", "updates", "training"), memory),
        ("targets", ("target", "bound", "found", "reached"), targets),
    ]


def _target_row(target: Record) -> list[str]:
    """The cells with a target's measured value, and whether it is reached."""
    if target["found"] is None:
        return ["not measured", ""]
    return [_format_measurement(target["found"]), "yes" if target["reached"] else "no"]


def _format_measurement(value: float) -> str:
    """Format a number with three significant digits, from 100 on as a whole number with thousands separators.

    >>> _format_measurement(0.01234), _format_measurement(1.234), _format_measurement(12345.6)
    ('0.0123', '1.23', '12,346')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"
