"""`deltarule export`: convert a trained run or a model."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from deltarule.cli.options import Data, check_output
from deltarule.cli.terminal import console
from deltarule.errors import BadInput
from deltarule.files import write_whole

EXPORT_START = re.compile(
    rb'"""A \w+ as deltarule |\x08.\x12\x09deltarule|.{8}\{"__metadata__":\{"deltarule"', re.DOTALL
)
"""First bytes of scripts, ONNX graphs and arrays that deltarule wrote."""
FILE_ENDINGS = {"script": ".py", "onnx": ".onnx", "safetensors": ".weights.safetensors", "torch": ".torch.py"}
"""The ending of the file for each form that a model can be exported to."""

Run = Annotated[
    Path,
    typer.Argument(metavar="RUN|MODEL", help="Folder of `deltarule run --out` or file of `deltarule train --out`."),
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORM",
        help="script (plain NumPy); for a model also safetensors, onnx or torch (these two need their extra).",
    ),
]
Member = Annotated[
    int,
    typer.Option("--member", metavar="K", help="Network to export, from 0: of a run, or of a model with --to torch."),
]
File = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="File to write; default: beside what is exported.")
]


def export(run: Run, to: To, member: Member = 0, out: File = None, data: Data = None) -> None:
    """Convert a trained run or a model to a NumPy script, ONNX, plain arrays or PyTorch."""
    if not run.exists():
        raise BadInput(f"{run} does not exist; give the folder of a run, or a model's file")
    is_run = run.is_dir()
    if data is not None and not is_run:
        raise BadInput(f"{run} is a model's file, for which --data says nothing; leave it out")
    path = _export_run(run, to, member, out, data) if is_run else _export_model(run, to, member, out)
    console().print(f"Written: {path}", markup=False, soft_wrap=True)


def _is_export(path: Path) -> bool:
    """Whether a file is an export."""
    from deltarule.estimators.model_file import load_model

    if not EXPORT_START.match(path.read_bytes()[:100]):
        return False
    try:
        load_model(path)
    except BadInput:
        return True
    return False


def _export_model(source: Path, to: str, member: int, out: Path | None) -> Path:
    """Export a model in the form `to` and return the path."""
    from deltarule.estimators.model_file import load_model, save_weights
    from deltarule.export.model_scripts import numpy_script, torch_script
    from deltarule.export.onnx_graph import to_onnx

    if to not in FILE_ENDINGS:
        raise BadInput(f'there is no form "{to}" to export a model to; give --to {", ".join(FILE_ENDINGS)}')
    if member and to != "torch":
        raise BadInput(f"--to {to} holds all members; leave --member out, or give --to torch")
    has_ending = source.suffix.lower() == ".safetensors"
    name = source.stem if has_ending else source.name  # any other ending is part of the name, as in churn-1.1
    path = source.with_name(name + FILE_ENDINGS[to]) if out is None else out
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


def _export_run(run: Path, to: str, member: int, out: Path | None, data: Path | None) -> Path:
    """Write one network of a run as a NumPy script and return its path."""
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
