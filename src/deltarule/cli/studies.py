"""`deltarule list`: list the bundled studies."""

from typing import Any

from deltarule.cli.options import Json
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
