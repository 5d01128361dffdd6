"""The autograder archive for Gradescope."""

import io
import tempfile
from collections.abc import Mapping
from importlib.metadata import distribution, distributions, version
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import deltarule
from deltarule.grading.assignment import Assignment, read_assignment

SCRIPTS = ("setup.sh", "run_autograder")


def write_gradescope_zip(path: Path, assignment: Assignment) -> None:
    """Write the autograder archive for Gradescope, with our wheel."""
    folder = assignment.files[0].parent
    files = {file.relative_to(folder).as_posix(): file.read_bytes() for file in assignment.files}
    versions = sorted(f"{one.name}=={one.version}\n" for one in distributions() if one.name != "deltarule")
    contents = {
        **{name: (Path(__file__).parent / "autograder" / name).read_bytes() for name in SCRIPTS},
        "versions.txt": "".join(versions).encode(),
        f"deltarule-{version('deltarule')}-py3-none-any.whl": _wheel(),
        **files,
    }
    archive = _zip(contents)
    with tempfile.TemporaryDirectory() as alone:
        ZipFile(io.BytesIO(archive)).extractall(alone, files)
        read_assignment(Path(alone) / assignment.files[0].name)
    path.write_bytes(archive)


def _wheel() -> bytes:
    folder, meta = Path(deltarule.__file__).parent, distribution("deltarule")
    info = f"deltarule-{meta.version}.dist-info"
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    contents = {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in paths}
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: deltarule\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    for name in ("METADATA", "entry_points.txt"):
        contents[f"{info}/{name}"] = (meta.read_text(name) or "").encode()
    contents[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*contents, f"{info}/RECORD"]).encode()
    return _zip(contents)


def _zip(contents: Mapping[str, bytes]) -> bytes:
    """A zip archive whose bytes depend on its contents alone."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            info = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = (0o755 if name in SCRIPTS else 0o644) << 16, ZIP_DEFLATED
            archive.writestr(info, content)
    return file.getvalue()
