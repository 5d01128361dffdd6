"""`deltarule bench`: our engines beside other libraries and floors, on the same work, in one process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.common import Json, Out, console, is_watched, print_json
from deltarule.files import make_folder

Rows = Annotated[
    list[str] | None, typer.Option("--row", metavar="NAME", help="Measure this row alone; may be given several times.")
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Small populations, few rounds: whether everything works, in about a minute."),
]


def bench(row: Rows = None, quick: Quick = False, out: Out = None, json: Json = False) -> None:
    """Measure our engines beside PyTorch, JAX and scikit-learn, where they are installed, and beside floors.

    The losses are compared first, then everybody has a turn in each round.

    With --out, how the time grows is measured and drawn, too.

    All of it takes about ten minutes, on a computer that does nothing else.
    """
    from deltarule.benchmarks.bench import bench as measured
    from deltarule.json_files import to_jsonable, write_json

    folder = None if out is None else make_folder(out)
    with _progress_messages() as tell:
        record = to_jsonable(measured(row, quick=quick, grown=folder is not None, tell=tell))
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
    from deltarule.reports.figures import save, time_curves
    from deltarule.reports.performance_tables import curve_name, in_words

    for curve in record["curves"]:
        figure = time_curves(
            curve["quantity"], curve["values"], curve["microseconds"], told=f"{curve['work']}. {in_words(record)}."
        )
        save(figure, folder / curve_name(curve))


@contextmanager
def _progress_messages() -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being measured, where a person is there to see it."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield lambda what: None
        return
    with screen.status("") as status:
        yield lambda what: status.update(what)
