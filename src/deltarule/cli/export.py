"""`deltarule export`: a trained run, or a model, in another form."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.common import Data, check_output, console
from deltarule.errors import BadInput
from deltarule.files import kind_of, write_whole

OURS = re.compile(rb'"""A \w+ as deltarule |\x08.\x12\x09deltarule|.{8}\{"__metadata__":\{"deltarule"', re.DOTALL)
"""How a script, an ONNX graph and arrays begin that deltarule wrote."""
FORMS = {"script": ".py", "onnx": ".onnx", "safetensors": ".weights.safetensors", "torch": ".torch.py"}
"""What a model can be made to, and how its file's name ends."""

Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN|MODEL", help="The folder of a run, or a model's file, as `run` and `train` wrote them."
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORM",
        help="script, plain NumPy; of a model also safetensors, and with the extra of that name onnx or torch.",
    ),
]
Member = Annotated[
    int, typer.Option("--member", metavar="K", help="Which of the members, from 0: of a run, or of a model for torch.")
]
File = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The file; else one beside what is exported.")]


def export(run: Run, to: To, member: Member = 0, out: File = None, data: Data = None) -> None:
    """Write a trained run or a model in another form: a plain NumPy script, ONNX, plain arrays, or a PyTorch module."""

    kind = kind_of(run)
    if not kind:
        raise BadInput(f"{run} does not exist; give the folder of a run, or a model's file")
    is_run = kind == "folder"
    if data is not None and not is_run:
        raise BadInput(f"{run} is a model's file, for which --data says nothing; leave it out")
    path = _run_exported(run, to, member, out, data) if is_run else _model_exported(run, to, member, out)
    console().print(f"Written: {path}", markup=False, soft_wrap=True)


def _is_export(path: Path) -> bool:
    """Whether a file is what an export made, and not a model, which begins as exported arrays do."""
    from deltarule.estimators.model_file import load_model

    if not OURS.match(path.read_bytes()[:100]):
        return False
    try:
        load_model(path)
    except BadInput:
        return True
    return False


def _model_exported(source: Path, to: str, member: int, out: Path | None) -> Path:
    from deltarule.estimators.model_file import load_model, save_weights
    from deltarule.export.model_scripts import numpy_script, torch_script
    from deltarule.export.onnx_graph import to_onnx

    if to not in FORMS:
        raise BadInput(f'there is no form "{to}" to export a model to; give --to {", ".join(FORMS)}')
    if member and to != "torch":
        raise BadInput(f"--to {to} holds all members; leave --member out, or give --to torch")
    is_ours = source.suffix.lower() == ".safetensors"
    name = source.stem if is_ours else source.name  # all else is the model's name, as the .1 of churn-1.1
    path = source.with_name(name + FORMS[to]) if out is None else out
    check_output(path, "export", model=source)
    if out is None and path.is_file() and not _is_export(path):
        raise BadInput(f"{path} is there already and no export of a model; name another file with --out")
    model: Any = load_model(source)
    if to == "onnx":
        to_onnx(model, path)
    elif to == "safetensors":
        save_weights(model, path)
    else:
        write_whole(path, numpy_script(model) if to == "script" else torch_script(model, member))
    return path


def _run_exported(run: Path, to: str, member: int, out: Path | None, data: Path | None) -> Path:
    from deltarule.data.pipeline import data_file
    from deltarule.export.training_script.script import training_script
    from deltarule.studies.run_records import read_run

    if to != "script":
        raise BadInput(f'there is no form "{to}" to export a run to; give --to script')
    stored = read_run(run, data)
    members = stored.problem.members
    if not 0 <= member < members:
        raise BadInput(f"there is no member {member}; the run has the members 0 to {members - 1}")
    name = stored.recipe.name
    study = f"{name}, {stored.recipe.experiment}" if stored.recipe.experiment else name
    script = training_script(
        stored.problem,
        member=member,
        steps=int(stored.arrays["steps"][member]),
        losses=stored.losses(member),
        title=f"{study} on {stored.dataset.name}, member {member} (seed {stored.problem.seeds[member]})",
    )
    path = run / "script.py" if out is None else out
    check_output(path, "script", data=data_file(stored.recipe.configuration, run, data))
    write_whole(path, script)
    return path
