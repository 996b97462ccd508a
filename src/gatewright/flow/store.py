"""Designs on disk: written whole or not at all, read back without trust."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright._version import __version__
from gatewright.base import FileError
from gatewright.flow.atomic import write_atomically
from gatewright.flow.calibration import CALIBRATION, calibration_arrays, read_calibration
from gatewright.flow.disk import (
    DESCRIPTION,
    FORMAT,
    changed_files,
    from_disk,
    read_arrays,
    read_description,
    read_file,
    read_rtl,
)
from gatewright.flow.facts import handover
from gatewright.flow.golden import ARRAYS as GOLDEN
from gatewright.flow.options import Options
from gatewright.flow.results import RESULTS, results_of, take_results
from gatewright.ops.serialize import dump, load

if TYPE_CHECKING:
    from gatewright.flow.design import Design, Progress

FACTS, ARRAYS = "facts.json", "model.npz"

OTHERS = {
    DESCRIPTION: "the integer model's structure, options, and a checksum of every file",
    ARRAYS: "the integer model's numbers",
    FACTS: "all figures and how each was got",
    CALIBRATION: "calibration data, where there are any",
    RESULTS: "what `gatewright verify` and `synth` found, once they ran",
    "report.html": "what `gatewright report` wrote, once it ran",
}
"""Files beside the hand-over, for its page."""

ASKED = (
    "clock_mhz", "device", "reuse", "latency_asked", "max_luts", "max_dsps", "max_latency", "ii",
    "throughput", "max_brams", "ports", "stateful", "event_steps",
    "varied_length",
)  # fmt: skip
"""Fields of a description that hold the options, in the order of `Options.of`."""

TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
MOST_TRIES = 20
"""Tries to replace a folder that others replace at the same time."""


def save(design: Design, folder: Path, replace: bool) -> Path:
    """Write a design into a folder that appears only when it is complete."""
    with _alone(folder):  # looked at before the work is done, and again before writing
        check_target(folder, replace)
    files = _project_files(design)
    with _alone(folder):
        return _write(files, folder, replace)


def _write(files: dict[str, bytes], folder: Path, replace: bool) -> Path:
    """Write files beside a folder, and put them in its place."""
    check_target(folder, replace)
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
        _swap(work, folder, replace)
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one writer at a time work beside a folder, where the system can tell them apart."""
    anchor = folder.absolute().parent
    while not anchor.exists():
        anchor = anchor.parent
    handle = None
    with suppress(ImportError, OSError):  # not on every system, nor on every disk: then `_swap`
        import fcntl

        handle = os.open(anchor, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


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


def _swap(work: Path, folder: Path, replace: bool) -> None:
    """Put the finished folder in its place, also where others write to the same one just now.

    A folder can only be renamed onto an empty one, so that of several writers one is first; another
    that may replace moves what is there aside, and tries again.
    """
    for _ in range(MOST_TRIES):
        try:
            work.rename(folder)
            return
        except OSError as error:
            if error.errno not in TAKEN:
                raise
        with suppress(FileNotFoundError):  # another writer has moved it aside
            check_target(folder, replace)
        old = work.with_name(work.name + ".old")
        with suppress(FileNotFoundError):  # another writer was faster
            folder.rename(old)
        try:
            work.rename(folder)
            return
        except OSError as error:
            with suppress(OSError):  # where nobody put another in its place, it comes back
                old.rename(folder)
            if error.errno not in TAKEN:
                raise
        finally:
            shutil.rmtree(old, ignore_errors=True)
    work.rename(folder)


def _project_files(design: Design) -> dict[str, bytes]:
    """Return every file of the design, by path."""
    inputs, outputs = design.golden = design.golden_vectors()
    facts = design.facts()
    emitted = design.hand_over(inputs, outputs, handover(facts), OTHERS)
    files = {name: _bytes(content) for name, content in emitted.items()}
    structure, arrays = dump(design.model)
    files[ARRAYS] = _npz(arrays)
    files[GOLDEN] = _npz(
        {f"{k}:{p}": q for k, part in (("in", inputs), ("out", outputs)) for p, q in part.items()}
    )
    if design.calibration:
        files[CALIBRATION] = _npz(calibration_arrays(design.calibration, design.labels))
    files[FACTS] = json.dumps(facts, indent=1).encode()
    description = {
        "format": FORMAT,
        "gatewright": __version__,
        "clock_mhz": design.options.clock_mhz,
        "device": design.options.device.name,
        "reuse": design.options.reuse,
        "latency_asked": design.options.latency,
        "max_luts": design.options.max_luts,
        "max_dsps": design.options.max_dsps,
        "max_latency": design.options.max_latency,
        "ii": design.options.ii,
        "throughput": design.options.throughput,
        "max_brams": design.options.max_brams,
        "ports": design.options.ports,
        "stateful": design.options.stateful or False,
        "event_steps": design.options.event_steps,
        "varied_length": design.options.varied_length,
        "stream": design.plan_description(),
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
    from gatewright.flow.compile import rebuild

    folder = Path(folder)
    description = read_description(folder)
    arrays = read_arrays(folder / ARRAYS)
    options = Options.of(*(description[asked] for asked in ASKED))
    with from_disk(folder):
        graph = load(description["graph"], arrays)
        design = rebuild(graph, options, progress, description["stream"])
    _same_as_written(design, description, folder)
    design.sources = read_rtl(folder)
    design.golden, design.golden_text = design.read_golden(folder)
    if (folder / CALIBRATION).is_file():
        design.calibration, design.labels = read_calibration(folder / CALIBRATION, design.graph)
    design.facts_of_model = dict(description["facts_of_model"])
    design.timings = {
        **description["timings"],
        **{f"rebuild: {k}": v for k, v in design.timings.items()},
    }
    design.facts_of_model["changed_files"] = changed_files(folder, description["sha256"])
    if (folder / RESULTS).is_file():
        take_results(design, folder / RESULTS, read_file(folder / RESULTS))
    return design


def _same_as_written(design: Design, description: Mapping[str, Any], folder: Path) -> None:
    """Refuse a design that this version would build otherwise: its RTL is not the one on disk."""
    built = {"top": design.name, "latency": design.latency, "interval": design.interval}
    stated = {name: description.get(name) for name in built}
    if built != stated:
        raise FileError(
            "a design is not what its files say",
            place=str(folder / DESCRIPTION),
            found=stated,
            supported=built,
            remedy="it was changed, or written by another version: compile the model again",
        )


def save_results(design: Design, folder: str | Path) -> Path:
    """Keep verification and synthesis beside a saved design, so that a later report tells of them.

    Raises:
        FileError: the folder is no design, or cannot be written.
    """
    path = Path(folder) / RESULTS
    read_description(Path(folder))
    write_atomically(path, json.dumps(results_of(design), indent=1).encode())
    return path


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
