"""`deltarule list` and `deltarule show`: list the bundled studies, and print a study's recipe."""

from typing import Any

from deltarule.cli.options import ExperimentName, Json, Settings, Study, chosen_recipe
from deltarule.cli.terminal import console, print_json
from deltarule.errors import count_of


def list_studies(json: Json = False) -> None:
    """List the bundled studies with their subjects and numbers of experiments and claims."""
    from deltarule.studies.claim_results import claims_of_study
    from deltarule.studies.recipes import bundled_studies, load_recipe

    studies: list[dict[str, Any]] = []
    for name, title, summary in bundled_studies():
        recipe = load_recipe(name)
        studies.append(
            {
                "study": name,
                "title": title,
                "summary": summary,
                "experiments": [experiment.name for experiment in recipe.configuration.experiment],
                "claims": len(claims_of_study(recipe)),
            }
        )
    if json:
        print_json({"studies": studies})
        return
    screen = console()
    for study in studies:
        screen.print(f"[bold]{study['study']}[/bold]  {study['title']}", markup=True)
        counts = f"{count_of(len(study['experiments']), 'experiment')}, {count_of(study['claims'], 'claim')}"
        screen.print(f"  {study['summary']} ({counts})" if study["summary"] else f"  ({counts})")
    screen.print("\nTry: deltarule run encoder")


list_studies.command_name = "list"  # type: ignore[attr-defined]


def show(study: Study, experiment: ExperimentName = None, set: Settings = None, json: Json = False) -> None:
    """Print a study's recipe: every key, its experiments, and its assumptions with reasons."""
    from deltarule.problem.error_messages import as_toml
    from deltarule.studies.recipes import explain_recipe

    record = explain_recipe(chosen_recipe(study, experiment, set))
    if json:
        print_json(record)
        return
    from rich.markup import escape

    screen = console()
    screen.print(f"[bold]{escape(record['study'])}[/bold]  {escape(record['title'])}", markup=True)
    for key in ("report", "summary"):
        if record[key]:
            screen.print(record[key])
    for section, keys in record["keys"].items():
        screen.print(f"\n[bold]\\[{section}][/bold]", markup=True)
        for key, value in keys.items():
            screen.print(f"{key} = {as_toml(value)}")
    for title, rows in (("grid", record["grid"].items()), ("experiments", _experiments(record))):
        if rows:
            screen.print(f"\n[bold]{title}[/bold]", markup=True)
            for name, value in rows:
                screen.print(f"{name}: {as_toml(value) if title == 'grid' else value}")
    if record["assumptions"]:
        screen.print("\n[bold]assumptions[/bold] (what the report leaves unsaid)", markup=True)
        for assumption in record["assumptions"]:
            screen.print(f"- {assumption['what']}: {as_toml(assumption['value'])}. {assumption['why']}")


def _experiments(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The name of each experiment of a recipe, with a description of what it changes."""
    from deltarule.problem.error_messages import as_toml

    experiments = []
    for experiment in record["experiments"]:
        changes = ", ".join(f"{key} = {as_toml(value)}" for key, value in experiment["set"].items())
        experiments.append(
            (experiment["name"], f"{experiment['about']} ({changes})" if experiment["about"] else changes)
        )
    return experiments
