"""Search networks better than the reports' on validation images, train and test them: docs/studies/best.json, best.md.

python benchmarks/best.py mnist-best --data DIR --out DIR    search, then train and test (cifar-best likewise)
python benchmarks/best.py --drawn                            only draw the page from the stored record again

Both sweeps resume if they were interrupted. Scores on test images are computed only after the search has ended.
"""

import argparse
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.tables import describe_machine
from markers import fill_markers

import deltarule
from deltarule.doctor import machine
from deltarule.files import write_whole
from deltarule.json_files import read_json, to_jsonable, write_json
from deltarule.problem.resolved_configuration import configuration_hash
from deltarule.reports.table import table
from deltarule.studies.recipes import Recipe, load_recipe, with_experiment
from deltarule.sweeps.result import Sweep

FOLDER = Path(__file__).parents[1] / "docs" / "studies"
RECORD, PAGE = FOLDER / "best.json", FOLDER / "best.md"


def variants(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe itself (named "") and with each of its experiments, by name."""
    names = [experiment.name for experiment in recipe.configuration.experiment]
    return {"": recipe, **{name: with_experiment(recipe, name) for name in names}}


def search_grid(study: str, data: Path, out: Path) -> dict[str, Any]:
    """Train the grid of a study's recipe from one seed; return the date, and the rows ranked on validation images."""
    return {"date": today(), "rows": ranked_rows(deltarule.sweep(study, seeds=1, data_dir=data, out=out, resume=True))}


def ranked_rows(table: Sweep) -> list[dict[str, Any]]:
    """The settings, accuracies and seconds of all rows of a sweep, the best on validation images first; closes it."""
    rows = [
        {
            "settings": {key: row[key] for key in table.grid},
            "validation": row["validation_accuracy"],
            "train": row["train_accuracy"],
            "seconds": row["train_seconds"],
        }
        for row in table.best(len(table))
    ]
    table.close()
    return rows


def test_variants(study: str, data: Path, out: Path) -> list[dict[str, Any]]:
    """Train every variant of the recipe on all training images, from each seed, and score it on the test images."""
    records = []
    for name, recipe in variants(load_recipe(study)).items():
        sweep = deltarule.sweep(recipe, [{}], data_dir=data, out=out / f"{study}-{name or 'plain'}", resume=True)
        rows = list(sweep.rows())
        sweep.close()
        records.append(
            {
                "experiment": name,
                "date": today(),
                "hash": configuration_hash(recipe.configuration),
                "test": [row["test_accuracy"] for row in rows],
                "train": [row["train_accuracy"] for row in rows],
                "seconds": statistics.mean(row["train_seconds"] for row in rows),
            }
        )
    return records


def best_row(rows: list[dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """The first of the ranked rows that were trained with mirrored copies of images, or without, as the recipe says."""
    mirrored = recipe.configuration.data.mirrored
    return next(row for row in rows if row["settings"].get("data.mirrored", False) == mirrored)


def today() -> str:
    """The current date (UTC) in the ISO format of records."""
    return datetime.now(UTC).date().isoformat()


def fill_page(page: str, record: dict[str, Any]) -> str:
    """Replace the parts of a page between markers by tables of the record."""
    parts = {}
    for study, one in record["studies"].items():
        best = [best_row(one["search"]["rows"], recipe) for recipe in variants(load_recipe(study)).values()]
        parts |= {
            f"{study}: search": _search_table(one["search"]["rows"], best),
            f"{study}: test": _test_table(one["test"]),
        }
    last = max(one["date"] for study in record["studies"].values() for one in study["test"])
    parts["machine"] = f"Measured on {describe_machine({'date': last, 'machine': record['machine']})}."
    return fill_markers(page, RECORD.name, parts)


def _search_table(rows: list[dict[str, Any]], best: list[dict[str, Any]]) -> str:
    """The rows of a search as a Markdown table, in which the best ones are bold."""
    keys = [key for key in rows[0]["settings"] if len({str(row["settings"][key]) for row in rows}) > 1]
    headers = ["validation", *(key.rpartition(".")[2].replace("_", " ") for key in keys), "training"]
    lines = [
        [
            f"**{_percent(row['validation'])}**" if row in best else _percent(row["validation"]),
            *(_format_value(row["settings"][key]) for key in keys),
            _percent(row["train"]),
        ]
        for row in rows
    ]
    return table(headers, lines).markdown()


def _test_table(variants: list[dict[str, Any]]) -> str:
    """The test scores of a recipe's variants as a Markdown table."""
    headers = ["recipe", "median of the test accuracies", "least", "greatest", "seeds", "training", "seconds a seed"]
    return table(headers, [_test_cells(variant) for variant in variants]).markdown()


def _test_cells(variant: dict[str, Any]) -> list[str]:
    scores = variant["test"]
    return [
        variant["experiment"] or "as it stands",
        f"**{_percent(statistics.median(scores))}**",
        *(_percent(score) for score in (min(scores), max(scores))),
        str(len(scores)),
        _percent(statistics.median(variant["train"])),
        f"{variant['seconds']:.0f}",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _format_value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def main() -> None:
    """Search, test, store the record, and fill the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trials", type=Path, help="the store of what was tried before the grid was written")
    parser.add_argument("--drawn", action="store_true")
    given = parser.parse_args()
    record = read_json(RECORD) if RECORD.exists() else {"studies": {}}
    if not given.drawn:
        one: dict[str, Any] = {"search": search_grid(given.study, given.data, given.out / f"{given.study}-search")}
        one["trials"] = ranked_rows(deltarule.load_sweep(given.trials)) if given.trials else []
        one["test"] = test_variants(given.study, given.data, given.out)
        record["machine"] = to_jsonable(machine())
        record["studies"][given.study] = one
        write_json(RECORD, record)
    write_whole(PAGE, fill_page(PAGE.read_text(encoding="utf-8"), record))


if __name__ == "__main__":
    main()
