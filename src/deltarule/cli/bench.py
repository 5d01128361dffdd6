"""`deltarule bench`: compare the speed of our engines with other libraries and with lower bounds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.options import Json, Out
from deltarule.cli.terminal import console, is_watched, print_json
from deltarule.files import make_folder

Rows = Annotated[list[str] | None, typer.Option("--row", metavar="NAME", help="Measure only this row; repeatable.")]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Small and short, about a minute: does everything work?"),
]


def bench(row: Rows = None, quick: Quick = False, out: Out = None, json: Json = False) -> None:
    """Compare the speed of our engines with PyTorch, JAX and scikit-learn, where installed, and with floors.

    Losses are compared first; then all contenders take turns. With --out, also measure and draw how time grows.

    It takes about ten minutes on an idle computer.
    """
    from deltarule.benchmarks.bench import bench as measure
    from deltarule.json_files import to_jsonable, write_json

    folder = None if out is None else make_folder(out)
    with _progress_messages() as show_message:
        record = to_jsonable(measure(row, quick=quick, with_curves=folder is not None, report=show_message))
    if folder is not None:
        write_json(folder / "bench.json", record)
        _draw_curves(record, folder)
    if json:
        print_json(record)
        return
    from deltarule.reports.performance_tables import bench_tables

    screen = console()
    for part in bench_tables(record):
        screen.print(part)
        screen.print()
    if folder is not None:
        screen.print(f"Record and curves: {folder}", markup=False, soft_wrap=True)


def _draw_curves(record: dict[str, Any], folder: Path) -> None:
    """Write SVG and PNG figures of the time of an update into a folder, one for each curve of the record."""
    from deltarule.reports.figures import time_curves
    from deltarule.reports.performance_tables import curve_name, describe_machine

    for curve in record["curves"]:
        note = f"{curve['work']}. {describe_machine(record)}."
        figure = time_curves(curve["quantity"], curve["values"], curve["microseconds"], note=note)
        figure.save(folder / curve_name(curve))


@contextmanager
def _progress_messages() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows on stderr what is being measured, if that is a terminal."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield lambda message: None
        return
    with screen.status("") as status:
        yield lambda message: status.update(message)
