"""The commands run, lr-range and explain: train a study, test its learning rates, or print one update."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deltarule.cli import options
from deltarule.cli.options import RecipeOptions, grouped, option
from deltarule.cli.output import Result, Shown, console, show, show_progress
from deltarule.cli.output_paths import Output
from deltarule.errors import RunFailed, one_line
from deltarule.files import make_folder, write_whole
from deltarule.reports.table import Pairs

if TYPE_CHECKING:
    from deltarule.recipes import Population
    from deltarule.studies.runner import Outcome
    from deltarule.training.run import Run


Why = Annotated[bool, option("--why", "Also print likely reasons why it does not learn, and fixes.")]

Listing = Annotated[int, option("--listing", "Print objective and metrics of the first network every N updates.", "N")]


@grouped
def run(
    chosen: RecipeOptions,
    engine: options.EngineName = None,
    device: options.Device = None,
    data: options.Data = None,
    out: options.Out = None,
    resume: options.Resume = False,
    why: Why = False,
    listing: Listing = 0,
    json: options.Json = False,
) -> Result:
    """Train a study over its seeds and print the result.

    With --out, records, figures and a report are written to a folder.
    """
    from deltarule.data.pipeline import name_and_options
    from deltarule.json_files import to_jsonable, write_json
    from deltarule.recipes import dataset_of
    from deltarule.reports.summaries import run_facts
    from deltarule.studies.runner import outcome_of, population_of, run_population

    options.check_resume(resume, out)
    recipe = chosen.recipe()
    chosen_engine = options.chosen_engine(engine, recipe, device)
    dataset = dataset_of(recipe, data)
    if dataset.remark and recipe.configuration.study.report:  # with the settings of a report, other data learn nothing
        name, _ = name_and_options(recipe.configuration.data.name)
        raise RunFailed(
            f"{name}, the data of {recipe.name}, is not on this machine and could not be downloaded; get it with "
            f"deltarule data fetch {name}, or name its folder with --data"
        )
    population = population_of(recipe, dataset)
    folder = None if out is None else make_folder(out)
    with show_progress(recipe.name) as progress:
        done = run_population(population, engine=chosen_engine, folder=folder, resume=resume, progress=progress)
    if folder is not None:
        from deltarule.studies.run_records import SUMMARY, write_records  # imports what draws

        write_records(folder, population, done)  # before the summary, whose failure must not lose the training
    report = None
    if why:
        from deltarule.symptoms.report import why_not_learning  # slow to import

        report = why_not_learning(done)
    outcome = outcome_of(recipe, population.dataset, done, folder, report)
    if folder is not None:
        write_json(folder / SUMMARY, outcome)
        from deltarule.studies.report.page import write_report

        _draw_figures(folder, population, done)
        write_report(folder)
    if outcome.interrupted:
        show([f"deltarule: interrupted; {options.how_to_resume(out)}"], to_errors=True)
    facts = run_facts(to_jsonable(replace(outcome, why=None)))
    verdict = next("  ".join(fact) for fact in reversed(facts) if fact[0] != "diverged")
    lines = _run_lines(population, done, outcome, facts, listing)
    return Result(outcome, lines, 1 if outcome.interrupted else 0, verdict)


def _draw_figures(folder: Path, population: "Population", run: "Run") -> None:
    from deltarule.reports.figures import accuracy_curves, objective_curves

    objective_curves(run).save(folder / "objective")
    criterion = population.recipe.configuration.study.criterion
    for metric in dict.fromkeys(["accuracy", *([criterion.name] if criterion else [])]):
        if metric in run.history.names:
            accuracy_curves(run, metric).save(folder / metric)


def _run_lines(
    population: "Population", run: "Run", outcome: "Outcome", facts: list[tuple[str, str]], listing: int
) -> Shown:
    from deltarule.reports.summaries import training_listing
    from deltarule.studies.runner import is_small

    if listing > 0:
        yield from (training_listing(run, listing), "")
    if is_small(population):
        yield from _object_tables(population, run)
    yield Pairs([*facts, *([("written to", outcome.out)] if outcome.out else [])])
    if outcome.why is not None:
        yield from ("", outcome.why.text(console().width))
    yield from (f"Note: {note}." for note in outcome.notes)


def _object_tables(population: "Population", run: "Run") -> Shown:
    import numpy as np

    from deltarule.reports.formatting import row_names
    from deltarule.reports.heat_maps import MAX_COLUMNS, activation_cells
    from deltarule.reports.summaries import object_convergence

    dataset = population.dataset
    activations = run.activations(population.dataset.train.x)
    outputs = activations[f"a{run.problem.network.depth}"][0]
    if outputs.shape[-1] != len(dataset.classes) or run.problem.network.depth != 2:
        return
    y = dataset.encode(dataset.train, outputs.shape[-1])
    steps = np.array(run.history.steps)
    end = int(run.steps[0])
    is_before_end = steps < end  # later evaluations are of members that trained longer
    correct = (np.concatenate([run.history.take(0).series("outputs")[is_before_end, 0], outputs[None]]) * y).sum(-1)
    names = row_names([dataset.classes[label] for label in dataset.train.answers])
    hidden = run.problem.network.activations[1]
    yield object_convergence([*steps[is_before_end].tolist(), end], correct, names)
    yield "Right from the update on which it is above 0.5 at every look until the end."
    if max(activations["a1"].shape[-1], outputs.shape[-1]) <= MAX_COLUMNS:
        chart = activation_cells(names, activations["a1"][0], outputs, activation=hidden)
        yield from ("", chart.table() or "", *chart.notes, "")


# --- lr-range ---------------------------------------------------------------------------------------------------------

Lowest = Annotated[float, option("--from", "First rate.", "RATE")]
Highest = Annotated[float, option("--to", "Last rate.", "RATE")]
Steps = Annotated[int, option("--steps", "Number of updates.", "N")]
Linear = Annotated[bool, option("--linear", "Raise the rate linearly instead of exponentially.")]


@grouped
def lr_range(
    chosen: RecipeOptions,
    lowest: Lowest = 1e-5,
    highest: Highest = 10.0,
    steps: Steps = 200,
    linear: Linear = False,
    engine: options.EngineName = None,
    device: options.Device = None,
    data: options.Data = None,
    out: options.Out = None,
    json: options.Json = False,
) -> Result:
    """Raise the learning rate during a run, and suggest a rate for training."""
    import numpy as np

    from deltarule.json_files import write_json
    from deltarule.recipes import dataset_of, problem_of
    from deltarule.training.range_test import range_test

    recipe = chosen.recipe()
    dataset = dataset_of(recipe, data)
    problem = problem_of(recipe, dataset)
    folder = None if out is None else make_folder(out)
    tested = range_test(
        problem,
        lowest=lowest,
        highest=highest,
        steps=steps,
        kind="linear" if linear else "exponential",
        accuracy=bool(dataset.classes),
        engine=options.chosen_engine(engine, recipe, device),
    )
    suggested = tested.suggested[np.isfinite(tested.suggested)]
    record: dict[str, Any] = {
        "study": recipe.name,
        "experiment": recipe.experiment,
        "settings": recipe.settings,
        "data": dataset.name,
        "members": len(tested.suggested),
        "suggested": float(np.median(suggested)) if len(suggested) else None,
        "suggested_by_member": tested.suggested,
        "rates": tested.rates,
        "objective": tested.objective,
        "accuracy": tested.accuracy,
        "out": None if folder is None else str(folder),
    }
    if folder is not None:
        from deltarule.reports.figures import range_test_curves

        write_json(folder / "lr_range.json", record)
        range_test_curves(tested).save(folder / "lr_range")
    lines = [f"Between {lowest:g} and {highest:g} no rate makes the objective fall; try another range."]
    if len(suggested):
        remark = f"of {len(suggested)} of {record['members']} members"
        if len(suggested) > 1:
            remark = f"median {remark}, from {suggested.min():.3g} to {suggested.max():.3g}"
        rate = f"{record['suggested']:.3g}" + (f" ({remark})" if record["members"] > 1 else "")
        own = f"{recipe.configuration.optimizer.learning_rate:g}"
        lines = [f"Suggested learning rate: {rate}", f"The recipe's own is {own}."]
    if folder is not None:
        lines.append(f"Curves: {folder / 'lr_range.svg'}")
    return Result(record, lines, verdict=lines[0])


# --- explain ----------------------------------------------------------------------------------------------------------

Step = Annotated[int, option("--step", "Show the update after N others; 0 is the first.", "N")]
Sample = Annotated[int | None, option("--sample", "Show only this row of the data, from 0.", "I")]
Member = Annotated[int, option("--member", "Network to show, from 0.", "K")]
Layer = Annotated[int | None, option("--layer", "Show only this layer, from 1.", "L")]
Html = Annotated[Path | None, option("--html", "Write an HTML page.", "FILE"), Output("page")]
Graph = Annotated[Path | None, option("--graph", "Write the computational graph as SVG.", "FILE"), Output("figure")]


def explain(
    study: options.Study,
    step: Step = 0,
    sample: Sample = None,
    member: Member = 0,
    layer: Layer = None,
    experiment: options.ExperimentNames = None,
    set: options.Settings = None,
    data: options.Data = None,
    html: Html = None,
    graph: Graph = None,
    json: options.Json = False,
) -> Result:
    """Print every number of one update, each with its formula."""
    from deltarule.recipes import dataset_of
    from deltarule.studies.explain_study import explain_study
    from deltarule.tracing.explanation import explanation_record

    recipe = options.chosen_recipe(study, experiment, set)
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
