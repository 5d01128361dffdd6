"""The findings of `deltarule doctor` as a table for the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deltarule.errors import count_of
from deltarule.reports.terminal_layout import pairs

if TYPE_CHECKING:
    from rich.console import RenderableType

BYTES_PER_MB = 1e6


def doctor_table(findings: Mapping[str, Any]) -> "RenderableType":
    """The findings of `deltarule doctor` as a table for the terminal.

    Parameters
    ----------
    findings : the JSON object that `deltarule doctor --json` prints.
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


def _describe_blas(library: Mapping[str, Any]) -> str:
    kernels = f", {library['kernels']} kernels" if library["kernels"] else ""
    name = f"{library['library']} {library['version'] or ''}"
    return f"{library['whose']}: {name}{kernels}, {_describe_threads(library)}"


def _describe_threads(library: Mapping[str, Any]) -> str:
    return count_of(library["threads"], "thread")
