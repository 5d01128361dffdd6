"""Run the whole benchmark, store its record, performance.json in benchmarks/records, and draw its pages and curves.

python benchmarks/performance.py            measure (about ten minutes, on a computer that does nothing else)
python benchmarks/performance.py --drawn    only draw the pages and the curves from the stored record again
python benchmarks/performance.py --quick    small populations, to see whether it works
python benchmarks/performance.py --histories    measure only what histories cost (two minutes), for the stored record
python benchmarks/performance.py --processors   measure only one large network on all processors (half a minute)
python benchmarks/performance.py --row encoder --row digits    measure some rows and print them; nothing is stored
"""

import argparse
from pathlib import Path

import numpy as np
from bench.histories import histories
from bench.processors import on_processors
from bench.record import bench
from bench.tables import curve_name, describe_machine, performance_page
from markers import fill_markers

from deltarule.files import write_whole
from deltarule.json_files import read_json, to_jsonable, write_json
from deltarule.reports.chart import Chart
from deltarule.reports.marks import Axis, Line, Panel

FOLDER = Path(__file__).parent / "records"
RECORD = FOLDER / "performance.json"
PAGES = (FOLDER / "performance.md", Path(__file__).parents[1] / "docs" / "reference" / "performance.md")


def fill_page(page: str, record: dict) -> str:
    """Replace the parts of a page between markers by tables of the record."""
    return fill_markers(page, RECORD.name, performance_page(record))


def main() -> None:
    """Measure, store the record, and fill the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawn", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--histories", action="store_true")
    parser.add_argument("--processors", action="store_true")
    parser.add_argument("--row", action="append", metavar="NAME")
    given = parser.parse_args()
    if given.row:
        print(performance_page(to_jsonable(bench(given.row, quick=given.quick, report=print)))["rows"])
        return
    if given.histories:
        write_json(RECORD, read_json(RECORD) | {"histories": to_jsonable(histories(given.quick, print))})
    elif given.processors:
        write_json(RECORD, read_json(RECORD) | {"processors": to_jsonable(on_processors(given.quick, print))})
    elif not given.drawn:
        write_json(RECORD, bench(quick=given.quick, with_curves=True, report=print))
    record = read_json(RECORD)
    for page in PAGES:
        write_whole(page, fill_page(page.read_text(encoding="utf-8"), record))
    for one in record["curves"]:
        note = f"{one['work']}. {describe_machine(record)}."
        lines = [
            Line(one["values"], np.array(times, np.float64), name, index, marks="all")
            for index, (name, times) in enumerate(one["microseconds"].items())
        ]
        panel = Panel(lines, Axis(one["quantity"], "log"), Axis("microseconds for an update of one member", "log"))
        Chart(f"Time of an update by {one['quantity']}", [panel], notes=[note]).save(FOLDER / curve_name(one))


if __name__ == "__main__":
    main()
