"""`deltarule explain`: print every number of one update, with its formula."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deltarule.cli.options import Data, ExperimentName, Json, Settings, Study, check_output, chosen_recipe
from deltarule.cli.output import Result, console, show, show_progress
from deltarule.errors import one_line
from deltarule.files import write_whole

if TYPE_CHECKING:
    from deltarule.studies.recipes import Recipe

MAX_WORKED = 16
"""Maximum number of entries of an array whose formulas the JSON object has with their numbers substituted."""
MANY_NUMBERS = 2_000_000
"""Count of numbers from which the JSON object exceeds about 50 MB."""

Step = Annotated[int, typer.Option("--step", metavar="N", help="Show the update after N others; 0 is the first.")]
Sample = Annotated[int | None, typer.Option("--sample", metavar="I", help="Show only this row of the data, from 0.")]
Member = Annotated[int, typer.Option("--member", metavar="K", help="Network to show, from 0.")]
Layer = Annotated[int | None, typer.Option("--layer", metavar="L", help="Show only this layer, from 1.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write an HTML page.")]
Graph = Annotated[Path | None, typer.Option("--graph", metavar="FILE", help="Write the computational graph as SVG.")]


def explain(
    study: Study,
    step: Step = 0,
    sample: Sample = None,
    member: Member = 0,
    layer: Layer = None,
    experiment: ExperimentName = None,
    set: Settings = None,
    data: Data = None,
    html: Html = None,
    graph: Graph = None,
    json: Json = False,
) -> Result:
    """Print every number of one update, each with its formula."""
    from deltarule.studies.explain_study import explain_study
    from deltarule.studies.recipes import dataset_of

    recipe = chosen_recipe(study, experiment, set)
    _check_outputs(html, graph, study, recipe, data)
    dataset = dataset_of(recipe, data)
    with show_progress(recipe.name) as progress:
        explanation = explain_study(recipe, dataset, member=member, step=step, progress=progress)
    text = explanation.text(sample, layer, console().width)  # refuses a sample or layer that does not exist
    if html is not None:
        from deltarule.reports.trace_page import explanation_page

        write_whole(html, explanation_page(explanation, sample, layer))
    if graph is not None:
        from deltarule.reports.graph import computational_graph

        write_whole(graph, computational_graph(explanation))
    record = _record(recipe, explanation, member, sample, layer) if json else None
    if record is not None and (sample is None or layer is None):
        numbers = sum(quantity["value"].size for quantity in record["quantities"])
        note = f"Note: it holds {numbers:,} numbers; --sample and --layer leave out those of other rows and layers."
        show([note] if numbers >= MANY_NUMBERS else [], to_errors=True)
    written = [f"Written: {one_line(path)}" for path in (html, graph) if path is not None]
    return Result(record, written or [text])


def _check_outputs(html: Path | None, graph: Path | None, study: str, recipe: "Recipe", data: Path | None) -> None:
    """Check that page and figure can be written without overwriting other files."""
    from deltarule.data.pipeline import data_file

    recipe_file = Path(study) if Path(study).parent == recipe.folder else None  # none for a bundled study
    inputs = {"recipe": recipe_file, "data": data_file(recipe.configuration, recipe.folder, data)}
    check_output(html, "page", **inputs)
    check_output(graph, "figure", **inputs, page=html)


def _record(recipe: Any, explanation: Any, member: int, sample: int | None, layer: int | None) -> dict[str, Any]:
    """The trace as the fields of the JSON object."""
    sample_index = explanation.place_of(sample)
    return {
        "study": recipe.name,
        "experiment": recipe.experiment,
        "title": explanation.title,
        "network": repr(explanation.problem.network),
        "member": member,
        "step": explanation.state.step,
        "rows": explanation.rows,
        "sample": sample,
        "layer": layer,
        "objective": float(explanation["J"]),
        "quantities": [_quantity_record(quantity, sample_index) for quantity in explanation.of_layer(layer)],
        "notes": explanation.notes,
    }


def _quantity_record(quantity: Any, sample_index: int | None) -> dict[str, Any]:
    """A quantity of the trace as plain values."""
    from itertools import islice

    from deltarule.tracing.expression_text import with_names, with_numbers

    formula, value = quantity.formula, quantity.value
    has_sample_axis = quantity.axes[:1] == ("i",)
    indices = list(islice(quantity.indices(sample_index), MAX_WORKED)) if quantity.rule else []
    return {
        "name": quantity.name,
        "section": quantity.section,
        "layer": quantity.layer,
        "about": quantity.about,
        "axes": quantity.axes,
        "formula": None if formula is None else with_names(formula),
        "value": value[sample_index] if sample_index is not None and has_sample_axis else value,
        "worked": [
            {"index": index, "numbers": with_numbers(quantity.rule(*index), 17), "value": float(value[index])}
            for index in indices
        ],
    }
