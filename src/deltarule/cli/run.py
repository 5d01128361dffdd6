"""`deltarule run`: train a study, print a summary, and write its records."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltarule.cli.options import (
    Data,
    Device,
    EngineName,
    ExperimentName,
    Json,
    Out,
    Resume,
    Seed,
    Seeds,
    Settings,
    Study,
    Verbose,
    chosen_engine,
    chosen_recipe,
    how_to_resume,
)
from deltarule.cli.progress_line import show_progress
from deltarule.cli.terminal import console, print_json, show_all
from deltarule.errors import BadInput
from deltarule.files import make_folder

if TYPE_CHECKING:
    from rich.console import RenderableType

    from deltarule.studies.recipes import Population
    from deltarule.studies.runner import Outcome
    from deltarule.training.run import Run

Why = Annotated[bool, typer.Option("--why", help="Also print likely reasons why it does not learn, and fixes.")]


def run(
    study: Study,
    experiment: ExperimentName = None,
    set: Settings = None,
    seed: Seed = None,
    seeds: Seeds = None,
    engine: EngineName = None,
    device: Device = None,
    data: Data = None,
    out: Out = None,
    resume: Resume = False,
    verbose: Verbose = False,
    why: Why = False,
    json: Json = False,
) -> int:
    """Train a study over its seeds and print the result.

    With --out, records, figures and a report are written to a folder.
    """
    from deltarule.studies.recipes import dataset_of
    from deltarule.studies.report.page import write_report
    from deltarule.studies.run_records import write_records, write_summary
    from deltarule.studies.runner import outcome_of, population_of, run_population

    if resume and out is None:
        raise BadInput("--resume continues from a checkpoint in the folder of --out; name that folder too")
    recipe = chosen_recipe(study, experiment, set, seed, seeds)
    chosen = chosen_engine(engine, recipe, device)
    population = population_of(recipe, dataset_of(recipe, data))
    folder = None if out is None else make_folder(out)
    with show_progress(recipe.name) as progress:
        done = run_population(population, engine=chosen, folder=folder, resume=resume, progress=progress)
    if folder is not None:
        write_records(folder, population, done)  # before the summary, whose failure must not lose the training
    report = None
    if why:
        from deltarule.symptoms.report import why_not_learning  # slow to import

        report = why_not_learning(done)
    outcome = outcome_of(recipe, population.dataset, done, folder, report)
    if folder is not None:
        write_summary(folder, outcome)
        _draw_figures(folder, population, done)
        write_report(folder)
    if json:
        print_json(outcome)
    else:
        _print_run(population, done, outcome, verbose)
    if outcome.interrupted:
        console(to_errors=True).print(f"deltarule: interrupted; {how_to_resume(out)}", markup=False, soft_wrap=True)
    return 1 if outcome.interrupted else 0


def _object_tables(population: "Population", run: "Run") -> "list[RenderableType]":
    """The tables of the first member's outputs and activations."""
    import numpy as np

    from deltarule.reports.formatting import row_names
    from deltarule.reports.terminal_tables import activation_table, object_convergence

    dataset, activations = population.dataset, run.activations(population.dataset.train.x)
    outputs = activations[f"a{len(run.problem.network.layers)}"][0]
    if outputs.shape[-1] != len(dataset.classes) or len(run.problem.network.layers) != 2:
        return []
    y = dataset.encode(dataset.train, outputs.shape[-1])
    steps, end = np.array(run.history.steps), int(run.steps[0])
    is_before_end = steps < end  # later evaluations are of members that trained longer
    correct = (np.concatenate([run.history.series("outputs")[is_before_end, 0], outputs[None]]) * y).sum(-1)
    names = row_names([dataset.classes[label] for label in dataset.train.answers])
    hidden = run.problem.network.layers[0].activation
    return [
        object_convergence([*steps[is_before_end].tolist(), end], correct, names),
        activation_table(names, activations["a1"][0], outputs, activation=hidden),
    ]


def _draw_figures(folder: Path, population: "Population", run: "Run") -> None:
    """Draw the curves of a run as SVG and PNG files in a folder."""
    from deltarule.reports.figures import accuracy_curves, objective_curves

    objective_curves(run).save(folder / "objective")
    criterion = population.recipe.configuration.study.criterion
    for metric in dict.fromkeys(["accuracy", *([criterion.name] if criterion else [])]):
        if metric in run.history.names:
            accuracy_curves(run, metric).save(folder / metric)


def _print_run(population: "Population", run: "Run", outcome: "Outcome", verbose: bool) -> None:
    """Print the summary of a run."""
    from deltarule.reports.terminal_tables import run_summary
    from deltarule.studies.runner import is_small

    show_all(*(_object_tables(population, run) if is_small(population.dataset) else []), run_summary(outcome))
    screen = console()
    if outcome.why is not None:
        screen.print()
        screen.print(outcome.why.text(screen.width), markup=False)
    for note in outcome.notes:
        screen.print(f"Note: {note}.")
    if verbose:
        screen.print(f"Network: {run.problem.network!r}; data: {population.dataset.note}")
        screen.print(f"Engine: {outcome.engine}, {outcome.dtype}, {outcome.seconds:.2f} s of training.")
        for assumption in population.recipe.configuration.assumption:
            screen.print(f"Assumed: {assumption.what}: {assumption.value}. {assumption.why}")
