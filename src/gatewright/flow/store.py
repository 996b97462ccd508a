"""Designs on disk: written whole or not at all, read back without trust."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright._version import __version__
from gatewright.base import FileError
from gatewright.emit import emit_project
from gatewright.flow.options import Options
from gatewright.flow.results import RESULTS, results_of, take_results
from gatewright.flow.verify import Codes
from gatewright.ops.serialize import dump, load

if TYPE_CHECKING:
    from gatewright.flow.design import Design, Progress

FORMAT = 2
ASKED = "latency_asked"
DESCRIPTION, FACTS, ARRAYS = "design.json", "facts.json", "model.npz"
GOLDEN, CALIBRATION = "vectors/golden.npz", "calibration.npz"
MOST_BYTES = 1 << 30
"""Largest file of a design that is read."""

CALIBRATION_NUMBERS = 4_000_000
"""Calibration inputs beyond this many numbers are cut when a design is saved."""


def save(design: Design, folder: Path, replace: bool) -> Path:
    """Write a design into a folder that appears only when it is complete."""
    check_target(folder, replace)
    files = _project_files(design)
    folder = folder.absolute()
    work: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        work.chmod(0o755)
        for name, content in files.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        _swap(work, folder)
    except OSError as error:
        raise FileError(
            "the design could not be written",
            place=str(folder),
            found=error.strerror or error,
            remedy="check free space and permissions; nothing was left behind",
        ) from None
    finally:
        if work is not None and work.exists():
            shutil.rmtree(work, ignore_errors=True)
    return folder


def check_target(folder: Path, replace: bool) -> None:
    """Refuse a folder that a design cannot be written to; asked before the work is done.

    Raises:
        FileError: it is a file, in use by something else, or cannot be written.
    """
    if not folder.exists() and not folder.is_symlink():
        _check_writable(folder)
        return
    if not folder.is_dir():
        raise FileError("the output is a file, not a folder", place=str(folder))
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise FileError(
            "the output folder is the one you are working in, and would be replaced",
            place=str(folder),
            remedy="name a folder inside it",
        )
    _check_writable(folder)
    if any(folder.iterdir()) and not (folder / DESCRIPTION).is_file():
        raise FileError(
            "the output folder holds something that is not a design",
            place=str(folder),
            remedy="choose an empty or a new folder",
        )
    if (folder / DESCRIPTION).is_file() and not replace:
        raise FileError(
            "the output folder holds a design already",
            place=str(folder),
            remedy="choose another folder, or allow it to be replaced (`--force`, `replace=True`)",
        )


def _check_writable(folder: Path) -> None:
    """Refuse a place where no folder can be made; what is there already is looked at."""
    parent = folder.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise FileError("the output cannot be a folder inside a file", place=str(parent))
    places = [parent, folder] if folder.exists() else [parent]
    for place in places:
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise FileError(
                "the output folder cannot be written",
                place=str(place),
                found="no permission",
                remedy="choose a folder of your own",
            )


def _swap(work: Path, folder: Path) -> None:
    """Put the finished folder in the place of what is there."""
    if not folder.exists():
        work.replace(folder)
        return
    old = work.with_name(work.name + ".old")
    folder.replace(old)
    try:
        work.replace(folder)
    except OSError:
        old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _project_files(design: Design) -> dict[str, bytes]:
    """Return every file of the design, by path."""
    inputs, outputs = design.golden = design.golden_vectors()
    facts = design.facts()
    emitted = emit_project(
        design.module,
        clock_ns=design.options.clock_ns,
        part=design.options.device.part,
        inputs=inputs,
        outputs=outputs,
        facts=facts,
        rtl=design.sources,
    )
    files = {name: _bytes(content) for name, content in emitted.items()}
    structure, arrays = dump(design.graph)
    files[ARRAYS] = _npz(arrays)
    files[GOLDEN] = _npz(
        {f"{k}:{p}": q for k, part in (("in", inputs), ("out", outputs)) for p, q in part.items()}
    )
    if design.calibration:
        files[CALIBRATION] = _npz(_calibration(design))
    files[FACTS] = json.dumps(facts, indent=1).encode()
    description = {
        "format": FORMAT,
        "gatewright": __version__,
        "clock_mhz": design.options.clock_mhz,
        "device": design.options.device.name,
        "reuse": design.options.reuse,
        ASKED: design.options.latency,
        "top": design.name,
        "latency": design.latency,
        "interval": design.interval,
        "facts_of_model": design.facts_of_model,
        "timings": design.timings,
        "graph": structure,
        "sha256": {
            name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())
        },
    }
    files[DESCRIPTION] = json.dumps(description, indent=1).encode()
    return files


def _calibration(design: Design) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for name, codes in design.calibration.items():
        per_sample = max(1, int(np.prod(codes.q.shape[1:])))
        arrays[f"x:{name}"] = codes.q[: max(1, CALIBRATION_NUMBERS // per_sample)]
    if design.labels is not None:
        arrays["labels"] = design.labels[: len(next(iter(arrays.values())))]
    return arrays


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def load_design(folder: str | Path, *, progress: Progress | None = None) -> Design:
    """Read a saved design; its RTL and golden vectors are taken as they stand on disk.

    Args:
        folder: what `Design.save` wrote.
        progress: called with (what, done, total), now and in all that the design does later.

    Raises:
        FileError: the folder is no design, or a file is missing or damaged.
    """
    from gatewright.flow.compile import read_codes, rebuild

    folder = Path(folder)
    description = _description(folder)
    arrays = _read_npz(folder / ARRAYS)
    graph = load(description["graph"], arrays)
    options = Options.of(*(description[k] for k in ("clock_mhz", "device", "reuse", ASKED)))
    design = rebuild(graph, options, progress)
    design.sources = {p.name: _read(p).decode() for p in sorted((folder / "rtl").glob("*.v"))}
    if not design.sources:
        raise FileError("a design has no RTL", place=str(folder / "rtl"))
    golden = _read_npz(folder / GOLDEN)
    design.golden = _golden_part(golden, "in"), _golden_part(golden, "out")
    if (folder / CALIBRATION).is_file():
        stored = _read_npz(folder / CALIBRATION)
        design.calibration = read_codes(
            graph, {k[2:]: v for k, v in stored.items() if k.startswith("x:")}
        )
        design.labels = stored.get("labels")
    design.facts_of_model = dict(description["facts_of_model"])
    design.timings = {
        **description["timings"],
        **{f"rebuild: {k}": v for k, v in design.timings.items()},
    }
    design.facts_of_model["changed_files"] = _changed(folder, description["sha256"])
    if (folder / RESULTS).is_file():
        take_results(design, folder / RESULTS, _read(folder / RESULTS))
    return design


def save_results(design: Design, folder: str | Path) -> Path:
    """Keep verification and synthesis beside a saved design, so that a later report tells of them.

    Raises:
        FileError: the folder is no design, or cannot be written.
    """
    path = Path(folder) / RESULTS
    _description(Path(folder))
    write_atomically(path, json.dumps(results_of(design), indent=1).encode())
    return path


def _golden_part(golden: dict[str, np.ndarray], which: str) -> Codes:
    return {name.split(":", 1)[1]: q for name, q in golden.items() if name.startswith(which + ":")}


def _changed(folder: Path, recorded: dict[str, str]) -> list[str]:
    """Return files that are not as they were written."""
    changed = []
    for name, digest in recorded.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            changed.append(name)
    return changed


def _description(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    if not path.is_file():
        raise FileError(
            "this folder is not a design",
            place=str(folder),
            found=f"no {DESCRIPTION}",
            remedy="give the folder that `gatewright compile -o` wrote",
        )
    try:
        description = json.loads(_read(path))
        known = description["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        raise FileError("a design's description is damaged", place=str(path)) from None
    if not known:
        raise FileError(
            "a design was written by another version",
            place=str(path),
            found=f"format {description['format']}",
            supported=f"format {FORMAT}",
            remedy="compile the model again",
        )
    needed = {"graph", "clock_mhz", "device", "reuse", ASKED, "facts_of_model", "timings", "sha256"}
    if not needed <= set(description) or not isinstance(description["sha256"], dict):
        raise FileError("a design's description is damaged", place=str(path))
    return dict(description)


def _read(path: Path) -> bytes:
    """Read a file of a design, not through links and not beyond a size."""
    try:
        if path.is_symlink() or path.stat().st_size > MOST_BYTES:
            raise FileError("a file of the design is a link, or too large", place=str(path))
        return path.read_bytes()
    except OSError as error:
        raise FileError(
            "a file of the design cannot be read", place=str(path), found=error.strerror
        ) from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    content = _read(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MOST_BYTES:
                raise FileError("a file of the design is too large", place=str(path))
        with np.load(io.BytesIO(content), allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (ValueError, OSError, zipfile.BadZipFile, KeyError, EOFError) as error:
        raise FileError("a file of the design is damaged", place=str(path), found=error) from None


def check_report(path: Path) -> Path:
    """Refuse a name for the report whose facts (`.json` beside it) would replace a design's own.

    Raises:
        FileError: the name does not end in `.html`, or is taken.
    """
    supported = "a name that ends in .html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise FileError("the report is a web page", place=str(path), supported=supported)
    if path.with_suffix(".json").name in (DESCRIPTION, FACTS, RESULTS):
        raise FileError(
            "the report's facts would replace a file of the design",
            place=str(path.with_suffix(".json")),
            supported="another name",
            remedy="report.html is free",
        )
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that appears only when it is complete."""
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or a pipe"
        raise FileError("the output is no plain file", place=str(path), found=kind)
    work = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        work.write_bytes(content)
        work.replace(path)
    except OSError as error:
        raise FileError(
            "a file could not be written",
            place=str(path),
            found=error.strerror or error,
            remedy="check free space and permissions; nothing was left behind",
        ) from None
    finally:
        with suppress(OSError):  # it is there only where something went wrong
            work.unlink()
