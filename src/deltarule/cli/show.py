"""`deltarule show`: a study's recipe, with what the report left unsaid."""

from typing import Any

from deltarule.cli.common import ExperimentName, Json, Settings, Study, chosen_recipe, console, print_json


def show(study: Study, experiment: ExperimentName = None, set: Settings = None, json: Json = False) -> None:
    """Show a study's recipe: every key with its value, its experiments, and the assumptions with their reasons."""
    from deltarule.problem.error_messages import as_toml
    from deltarule.studies.recipes import explain_recipe

    told = explain_recipe(chosen_recipe(study, experiment, set))
    if json:
        print_json(told)
        return
    from rich.markup import escape

    screen = console()
    screen.print(f"[bold]{escape(told['study'])}[/bold]  {escape(told['title'])}", markup=True)
    for key in ("report", "summary"):
        if told[key]:
            screen.print(told[key])
    for section, keys in told["keys"].items():
        screen.print(f"\n[bold]\\[{section}][/bold]", markup=True)
        for key, value in keys.items():
            screen.print(f"{key} = {as_toml(value)}")
    for title, rows in (("grid", told["grid"].items()), ("experiments", _experiments(told))):
        if rows:
            screen.print(f"\n[bold]{title}[/bold]", markup=True)
            for name, value in rows:
                screen.print(f"{name}: {as_toml(value) if title == 'grid' else value}")
    if told["assumptions"]:
        screen.print("\n[bold]assumptions[/bold] (what the report leaves unsaid)", markup=True)
        for assumption in told["assumptions"]:
            screen.print(f"- {assumption['what']}: {as_toml(assumption['value'])}. {assumption['why']}")


def _experiments(told: dict[str, Any]) -> list[tuple[str, str]]:
    from deltarule.problem.error_messages import as_toml

    shown = []
    for experiment in told["experiments"]:
        changes = ", ".join(f"{key} = {as_toml(value)}" for key, value in experiment["set"].items())
        shown.append((experiment["name"], f"{experiment['about']} ({changes})" if experiment["about"] else changes))
    return shown
