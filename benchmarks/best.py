"""Networks better than the reports': found on validation images, trained anew, tested; docs/studies/best.json, best.md.

python benchmarks/best.py mnist-best --data DIR --out DIR    search, then train and test (cifar-best likewise)
python benchmarks/best.py --drawn                            only draw the page from the stored record again

Both sweeps go on where they were ended. The scores of test images are looked at when the search has ended, not before.
"""

import argparse
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markers import filled

import deltarule
from deltarule.doctor import machine
from deltarule.files import write_whole
from deltarule.json_files import read_json, to_jsonable, write_json
from deltarule.problem.resolved_configuration import configuration_hash
from deltarule.reports.markdown import table
from deltarule.reports.performance_tables import describe_machine
from deltarule.studies.recipes import Recipe, load_recipe, with_experiment
from deltarule.sweeps.result import Sweep

FOLDER = Path(__file__).parents[1] / "docs" / "studies"
RECORD, PAGE = FOLDER / "best.json", FOLDER / "best.md"


def variants(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe as it stands, and as each of its experiments has it."""
    names = [one.name for one in recipe.configuration.experiment]
    return {"": recipe, **{name: with_experiment(recipe, name) for name in names}}


def searched(study: str, data: Path, out: Path) -> dict[str, Any]:
    """Train the recipe's grid from one seed, and score it on validation images."""
    return {"date": today(), "rows": rows_of(deltarule.sweep(study, seeds=1, data_dir=data, out=out, resume=True))}


def rows_of(found: Sweep) -> list[dict[str, Any]]:
    """Of every row what it was trained by and its score on validation images, the best first."""
    rows = [
        {
            "settings": {key: row[key] for key in found.grid},
            "validation": row["validation_accuracy"],
            "train": row["train_accuracy"],
            "seconds": row["train_seconds"],
        }
        for row in found.best(len(found))
    ]
    found.close()
    return rows


def tested(study: str, data: Path, out: Path) -> list[dict[str, Any]]:
    """Train every variant of the recipe on all training images, from each seed, and score it on the test images."""
    records = []
    for name, recipe in variants(load_recipe(study)).items():
        done = deltarule.sweep(recipe, [{}], data_dir=data, out=out / f"{study}-{name or 'plain'}", resume=True)
        rows = list(done.rows())
        done.close()
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


def chosen(rows: list[dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """The row with the best score on validation images: of those with mirrored copies or without, as in a recipe."""
    mirrored = recipe.configuration.data.mirrored
    alike = [row for row in rows if row["settings"].get("data.mirrored", False) == mirrored]
    return alike[0]


def today() -> str:
    """The date, as records have it."""
    return datetime.now(UTC).date().isoformat()


def drawn(page: str, record: dict[str, Any]) -> str:
    """The page with what is between its markers drawn from the record."""
    parts = {}
    for study, one in record["studies"].items():
        best = [chosen(one["search"]["rows"], recipe) for recipe in variants(load_recipe(study)).values()]
        if one["trials"]:
            parts[f"{study}: trials"] = _search(one["trials"], [])
        parts |= {f"{study}: search": _search(one["search"]["rows"], best), f"{study}: test": _test(one["test"])}
    last = max(one["date"] for study in record["studies"].values() for one in study["test"])
    parts["machine"] = f"Measured on {describe_machine({'date': last, 'machine': record['machine']})}."
    return filled(page, RECORD.name, parts)


def _search(rows: list[dict[str, Any]], best: list[dict[str, Any]]) -> str:
    keys = [key for key in rows[0]["settings"] if len({str(row["settings"][key]) for row in rows}) > 1]
    headers = ["validation", *(key.rpartition(".")[2].replace("_", " ") for key in keys), "training"]
    lines = [
        [
            f"**{_percent(row['validation'])}**" if row in best else _percent(row["validation"]),
            *(_plain(row["settings"][key]) for key in keys),
            _percent(row["train"]),
        ]
        for row in rows
    ]
    return table(headers, lines)


def _test(variants: list[dict[str, Any]]) -> str:
    headers = ["recipe", "median of the test accuracies", "least", "greatest", "seeds", "training", "seconds a seed"]
    return table(headers, [_tested(one) for one in variants])


def _tested(one: dict[str, Any]) -> list[str]:
    scores = one["test"]
    return [
        one["experiment"] or "as it stands",
        f"**{_percent(statistics.median(scores))}**",
        *(_percent(score) for score in (min(scores), max(scores))),
        str(len(scores)),
        _percent(statistics.median(one["train"])),
        f"{one['seconds']:.0f}",
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "none"}[value]
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def main() -> None:
    """Search, test, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trials", type=Path, help="the store of what was tried before the grid was written")
    parser.add_argument("--drawn", action="store_true")
    given = parser.parse_args()
    record = read_json(RECORD) if RECORD.exists() else {"studies": {}}
    if not given.drawn:
        one: dict[str, Any] = {"search": searched(given.study, given.data, given.out / f"{given.study}-search")}
        one["trials"] = rows_of(deltarule.load_sweep(given.trials)) if given.trials else []
        one["test"] = tested(given.study, given.data, given.out)
        record["machine"] = to_jsonable(machine())
        record["studies"][given.study] = one
        write_json(RECORD, record)
    write_whole(PAGE, drawn(PAGE.read_text(encoding="utf-8"), record))


if __name__ == "__main__":
    main()
