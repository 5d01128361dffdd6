"""`deltarule explain`: print every number of one update, with its formula."""

from pathlib import Path
from typing import Annotated, Any

from deltarule.cli.options import Data, ExperimentName, Json, Settings, Study, check_output, chosen_recipe, option
from deltarule.cli.output import Result, console, show_progress
from deltarule.errors import one_line
from deltarule.files import write_whole

MAX_WORKED = 16
"""Maximum number of entries of an array whose formulas the JSON object has with their numbers substituted."""

Step = Annotated[int, option("--step", "Show the update after N others; 0 is the first.", "N")]
Sample = Annotated[int | None, option("--sample", "Show only this row of the data, from 0.", "I")]
Member = Annotated[int, option("--member", "Network to show, from 0.", "K")]
Layer = Annotated[int | None, option("--layer", "Show only this layer, from 1.", "L")]
Html = Annotated[Path | None, option("--html", "Write an HTML page.", "FILE")]
Graph = Annotated[Path | None, option("--graph", "Write the computational graph as SVG.", "FILE")]


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
    check_output(html, "page")
    check_output(graph, "figure", page=html)
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
    written = [f"Written: {one_line(path)}" for path in (html, graph) if path is not None]
    return Result(record, written or [text])


def _record(recipe: Any, explanation: Any, member: int, sample: int | None, layer: int | None) -> dict[str, Any]:
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
