"""Tables of `deltarule bench` and `deltarule doctor`, for the terminal and for docs/reference/performance.md.

`record` is the JSON object that `deltarule bench --json` prints.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import count_of
from deltarule.reports.markdown import table
from deltarule.reports.terminal_layout import pairs, plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

Record = Mapping[str, Any]
"""A JSON object."""

HEADERS = ("who", "µs for an update", "least … most", "times ours")
BYTES_PER_MB = 1e6


def bench_tables(record: Record) -> "list[RenderableType]":
    """The titles and tables of a benchmark's record, for the terminal.

    >>> from rich import print
    >>> spread = {"least": 1.0, "median": 2.0, "most": 4.0}
    >>> one = {"name": "compiled", "about": "ours, Numba", "microseconds": spread, "ratio": 1.0, "difference": 0.0}
    >>> row = {"name": "encoder", "title": "one 8-3-8", "about": "8 vectors", "dtype": "float64", "contenders": [one],
    ...        "left_out": {"JAX scan": "JAX is not installed"}}
    >>> empty = {"processes": [], "memory": [], "targets": []}
    >>> for part in bench_tables({"rows": [row], **empty}):
    ...     print(part)
    encoder: one 8-3-8, float64. 8 vectors
    who      µs for an update least … most times ours how
    ──────────────────────────────────────────────────────────────────────
    compiled             2.00  1.00 … 4.00       1.00 ours, Numba
    JAX scan          not run                         JAX is not installed
    """
    from rich.text import Text

    parts: list[RenderableType] = []
    for row in record["rows"]:
        parts.append(Text(f"{row['name']}: {row['title']}, {row['dtype']}. {row['about']}"))
        contenders = plain_table()
        for header, justify in zip((*HEADERS, "how"), ("left", "right", "right", "right", "left"), strict=True):
            contenders.add_column(header, justify=justify, no_wrap=header != "how")  # type: ignore[arg-type]
        for cells in _contender_rows(row):
            contenders.add_row(*map(Text, cells))
        parts.append(contenders)
    for title, headers, rows in _other_tables(record):
        if rows:
            others = plain_table()
            for header in headers:
                others.add_column(header)
            for cells in rows:
                others.add_row(*map(Text, cells))
            parts += [Text(title), others]
    return parts


def performance_page(record: Record) -> dict[str, str]:
    """The Markdown of those parts of docs/reference/performance.md that come from a benchmark's record, by name."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    blas = record["matrices"]
    products = f"Our products of matrices: {blas['name']}, {blas['kernels']} kernels, {_describe_threads(blas)}. "
    text = (
        f"Measured on {describe_machine(record)}. {products if blas else ''}{record['rounds']} rounds. With {versions}."
    )
    if record["quick"]:
        text += " **This was a quick run, on small populations: its times say little.**"
    workloads = [f"- **{row['name']}**: {row['title']}, {row['dtype']}. {row['about']}." for row in record["rows"]]
    parts = {"machine": text, "rows": "\n".join(workloads) + "\n\n" + _comparison_table(record["rows"])}
    for title, headers, cells in _other_tables(record):
        parts[title] = table(headers, cells)
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
    return table(("µs for an update (times ours)", *contenders), cells)


def _contender_rows(row: Record) -> list[list[str]]:
    """Cells (name, median time, range, ratio, remark) for each contender of a benchmark row, then for each left out."""
    lines = []
    for contender in row["contenders"]:
        spread = contender["microseconds"]
        if spread is None:
            lines.append(
                [contender["name"], "other losses", "", "", f"{contender['about']}; {contender['difference']:.0e} off"]
            )
            continue
        ratio = "" if contender["ratio"] is None else _format_measurement(contender["ratio"])
        least_most = f"{_format_measurement(spread['least'])} … {_format_measurement(spread['most'])}"
        lines.append([contender["name"], _format_measurement(spread["median"]), least_most, ratio, contender["about"]])
    return lines + [[name, "not run", "", "", why] for name, why in row["left_out"].items()]


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
    return [
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


def doctor_table(findings: Record) -> "RenderableType":
    """The findings of `deltarule doctor` as a table for the terminal.

    Parameters: `findings`, the JSON object that `deltarule doctor --json` prints.
    """
    machine, blas = findings["machine"], findings["matrices"]
    engines = [
        engine["name"] if engine["usable"] else f"{engine['name']} (not usable)" for engine in findings["engines"]
    ]
    rows = [
        ("processor", f"{machine['processor']}, {machine['processors']} to use; {' '.join(machine['features'])}"),
        ("versions", _format_versions(findings["versions"])),
        ("optional", _format_versions(findings["optional"])),
        ("engines", ", ".join(engines)),
        ("BLAS", "; ".join(map(_describe_blas, findings["blas"]))),
        (
            "matrices",
            f"{blas['name']}, {blas['kernels']} kernels, {_describe_threads(blas)} of ours" if blas else "none",
        ),
        ("data", ", ".join(f"{one['name']}: {one['place'] or 'not here yet'}" for one in findings["data"])),
        ("", f"DELTARULE_DATA: {findings['data_folder'] or 'not set'}; bundled: {', '.join(findings['bundled'])}"),
        *(
            (f"cache: {cache['what']}", f"{cache['folder']}, {cache['bytes'] / BYTES_PER_MB:,.1f} MB")
            for cache in findings["caches"]
        ),
        *(("note", note) for note in findings["notes"]),
    ]
    return pairs(rows)


def _format_versions(versions: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {number or '(not installed)'}" for name, number in versions.items())


def _describe_blas(library: Record) -> str:
    """The package, name, version, kernels and number of threads of a BLAS library, as text."""
    kernels = f", {library['kernels']} kernels" if library["kernels"] else ""
    name = f"{library['library']} {library['version'] or ''}"
    return f"{library['whose']}: {name}{kernels}, {_describe_threads(library)}"


def _describe_threads(library: Mapping[str, Any]) -> str:
    return count_of(library["threads"], "thread")
