"""Tables of a benchmark and of `deltarule doctor`: for the terminal, and for docs/reference/performance.md.

Both draw the record as JSON has it: `record` is what `deltarule bench --json` prints, read again.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import count_of
from deltarule.reports.markdown import table
from deltarule.reports.terminal_layout import pairs, plain_table

if TYPE_CHECKING:
    from rich.console import RenderableType

Record = Mapping[str, Any]

HEADERS = ("who", "µs for an update", "least … most", "times ours")
BYTES = 1e6


def bench_tables(record: Record) -> "list[RenderableType]":
    """A benchmark's record as tables for the terminal.

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
        shown = plain_table()
        for header, justify in zip((*HEADERS, "how"), ("left", "right", "right", "right", "left"), strict=True):
            shown.add_column(header, justify=justify, no_wrap=header != "how")  # type: ignore[arg-type]
        for cells in _contender_rows(row):
            shown.add_row(*map(Text, cells))
        parts.append(shown)
    for title, headers, rows in _other_tables(record):
        if rows:
            shown = plain_table()
            for header in headers:
                shown.add_column(header)
            for cells in rows:
                shown.add_row(*map(Text, cells))
            parts += [Text(title), shown]
    return parts


def performance_page(record: Record) -> dict[str, str]:
    """The parts of docs/reference/performance.md that come from the record, as Markdown by name."""
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    blas = record["matrices"]
    products = f"Our products of matrices: {blas['name']}, {blas['kernels']} kernels, {_threads(blas)}. "
    text = (
        f"Measured on {describe_machine(record)}. {products if blas else ''}{record['rounds']} rounds. With {versions}."
    )
    if record["quick"]:
        text += " **This was a quick run, on small populations: its times say little.**"
    works = [f"- **{row['name']}**: {row['title']}, {row['dtype']}. {row['about']}." for row in record["rows"]]
    parts = {"machine": text, "rows": "\n".join(works) + "\n\n" + _comparison_table(record["rows"])}
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
    """Date and machine of a benchmark.

    >>> computer = {"processor": "AMD EPYC", "processors": 2, "avx512": False, "system": "Linux"}
    >>> describe_machine({"date": "2026-01-31", "machine": computer})
    '2026-01-31: AMD EPYC, 2 processors, without AVX-512, Linux'
    """
    one = record["machine"]
    wide = "with AVX-512" if one["avx512"] else "without AVX-512"
    plural = "processor" if one["processors"] == 1 else "processors"
    return f"{record['date']}: {one['processor']}, {one['processors']} {plural}, {wide}, {one['system']}"


def _comparison_table(rows: Sequence[Record]) -> str:
    """A table with a row for each contender and a column for each work: microseconds, and the ratio to ours."""
    contenders = {row["name"]: {contender["name"]: contender for contender in row["contenders"]} for row in rows}
    names = dict.fromkeys(name for found in contenders.values() for name in found)

    def cell(one: Record | None) -> str:
        if one is None:
            return "–"
        if one["microseconds"] is None:
            return "other losses"
        return f"{_three_digits(one['microseconds']['median'])} ({_three_digits(one['ratio'])}×)"

    cells = [[name, *(cell(found.get(name)) for found in contenders.values())] for name in names]
    return table(("µs for an update (times ours)", *contenders), cells)


def _contender_rows(row: Record) -> list[list[str]]:
    """A row of cells for each contender of a benchmark row, and for each that was left out."""
    lines = []
    for contender in row["contenders"]:
        spread = contender["microseconds"]
        if spread is None:
            lines.append(
                [contender["name"], "other losses", "", "", f"{contender['about']}; {contender['difference']:.0e} off"]
            )
            continue
        ratio = "" if contender["ratio"] is None else _three_digits(contender["ratio"])
        least_most = f"{_three_digits(spread['least'])} … {_three_digits(spread['most'])}"
        lines.append([contender["name"], _three_digits(spread["median"]), least_most, ratio, contender["about"]])
    return lines + [[name, "not run", "", "", why] for name, why in row["left_out"].items()]


def _other_tables(record: Record) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    """The record's other tables: a title, headers and cells each."""
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
            *(f"{one[name] / BYTES:,.0f}" for name in ("needed", "advance", "train")),
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


def _target_row(one: Record) -> list[str]:
    if one["found"] is None:
        return ["not measured", ""]
    return [_three_digits(one["found"]), "yes" if one["reached"] else "no"]


def _three_digits(value: float) -> str:
    """A number with three digits, never in exponential notation.

    >>> _three_digits(0.01234), _three_digits(1.234), _three_digits(12345.6)
    ('0.0123', '1.23', '12,346')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def findings(found: Record) -> "RenderableType":
    """The findings of `deltarule doctor` for the terminal.

    Parameters: `found`, what `deltarule doctor --json` prints, read again.
    """
    machine, blas = found["machine"], found["matrices"]
    engines = [engine["name"] if engine["usable"] else f"{engine['name']} (not usable)" for engine in found["engines"]]
    rows = [
        ("processor", f"{machine['processor']}, {machine['processors']} to use; {' '.join(machine['features'])}"),
        ("versions", _format_versions(found["versions"])),
        ("optional", _format_versions(found["optional"])),
        ("engines", ", ".join(engines)),
        ("BLAS", "; ".join(_blas(one) for one in found["blas"])),
        (
            "matrices",
            f"{blas['name']}, {blas['kernels']} kernels, {_threads(blas)} of ours" if blas else "none",
        ),
        ("data", ", ".join(f"{one['name']}: {one['place'] or 'not here yet'}" for one in found["data"])),
        ("", f"DELTARULE_DATA: {found['data_folder'] or 'not set'}; bundled: {', '.join(found['bundled'])}"),
        *(
            (f"cache: {cache['what']}", f"{cache['folder']}, {cache['bytes'] / BYTES:,.1f} MB")
            for cache in found["caches"]
        ),
        *(("note", note) for note in found["notes"]),
    ]
    return pairs(rows)


def _format_versions(versions: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name} {number or '(not installed)'}" for name, number in versions.items())


def _blas(one: Record) -> str:
    kernels = f", {one['kernels']} kernels" if one["kernels"] else ""
    return f"{one['whose']}: {one['library']} {one['version'] or ''}{kernels}, {_threads(one)}"


def _threads(found: Mapping[str, Any]) -> str:
    return count_of(found["threads"], "thread")
