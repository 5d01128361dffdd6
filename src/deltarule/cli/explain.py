"""`deltarule explain`: print every number of one update, with its formula."""

from pathlib import Path
from typing import Annotated

from deltarule.cli.options import Data, ExperimentNames, Json, Settings, Study, chosen_recipe, option
from deltarule.cli.output import Result, console, show_progress
from deltarule.cli.output_paths import Output
from deltarule.errors import one_line
from deltarule.files import write_whole

Step = Annotated[int, option("--step", "Show the update after N others; 0 is the first.", "N")]
Sample = Annotated[int | None, option("--sample", "Show only this row of the data, from 0.", "I")]
Member = Annotated[int, option("--member", "Network to show, from 0.", "K")]
Layer = Annotated[int | None, option("--layer", "Show only this layer, from 1.", "L")]
Html = Annotated[Path | None, option("--html", "Write an HTML page.", "FILE"), Output("page")]
Graph = Annotated[Path | None, option("--graph", "Write the computational graph as SVG.", "FILE"), Output("figure")]


def explain(
    study: Study,
    step: Step = 0,
    sample: Sample = None,
    member: Member = 0,
    layer: Layer = None,
    experiment: ExperimentNames = None,
    set: Settings = None,
    data: Data = None,
    html: Html = None,
    graph: Graph = None,
    json: Json = False,
) -> Result:
    """Print every number of one update, each with its formula."""
    from deltarule.studies.explain_study import explain_study
    from deltarule.studies.recipes import dataset_of
    from deltarule.tracing.explanation import explanation_record

    recipe = chosen_recipe(study, experiment, set)
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
    names = {"study": recipe.name, "experiment": recipe.experiment, "member": member}
    record = names | explanation_record(explanation, sample, layer) if json else None
    written = [f"Written: {one_line(path)}" for path in (html, graph) if path is not None]
    return Result(record, written or [text])
