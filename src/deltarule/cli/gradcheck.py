"""`deltarule gradcheck`: the gradient of a study's network proved three ways."""

from deltarule.cli.common import (
    Data,
    ExperimentName,
    Json,
    Seed,
    Settings,
    Study,
    chosen_recipe,
    console,
    print_json,
)


def gradcheck(
    study: Study,
    experiment: ExperimentName = None,
    set: Settings = None,
    seed: Seed = None,
    data: Data = None,
    json: Json = False,
) -> int:
    """Hold a study's hand-derived gradient against central differences, the complex step and PyTorch."""
    from deltarule.proofs.gradcheck import check_problem
    from deltarule.studies.recipes import dataset_of, problem_of

    recipe = chosen_recipe(study, experiment, set, seed)
    report = check_problem(problem_of(recipe, dataset_of(recipe, data), seeds=None if seed is None else [seed]))
    if json:
        print_json(report)
    else:
        console().print(str(report), markup=False, soft_wrap=True)
    return 0 if report.ok else 1
