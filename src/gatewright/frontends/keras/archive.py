"""Read members of a zip archive that may be hostile: nothing is extracted, sizes are limited."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath

from gatewright.base import FileError, ModelError

MOST_BYTES = 1 << 30
"""Largest member that is read."""
MOST_RATIO = 200
"""Largest ratio of unpacked to packed bytes; Keras stores its members unpacked."""
RATIO_COUNTS_FROM = 1 << 20
MOST_MEMBERS = 4096


def read_members(path: Path, wanted: tuple[str, ...]) -> dict[str, bytes]:
    """Return those of the members `wanted` that the archive holds.

    Raises:
        FileError: the file cannot be read.
        ModelError: the archive is damaged, too large, or has member names that leave a folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            _check_names(path, infos)
            found = {info.filename: info for info in infos if info.filename in wanted}
            return {name: _read(path, archive, info) for name, info in found.items()}
    except OSError as error:
        raise FileError("the model file cannot be read", place=str(path), found=error) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            "the model file is a damaged zip archive",
            place=str(path),
            found=error,
            supported="a complete .keras file, as `model.save` writes it",
            remedy="save or copy the file again",
        ) from None


def _check_names(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    """Refuse archives that play tricks, although no member is ever written to disk."""
    names = [info.filename for info in infos]
    odd = [
        name
        for name in names
        if "\\" in name or "\0" in name or name.startswith("/") or ".." in PurePosixPath(name).parts
    ]
    if odd or len(set(names)) != len(names) or len(names) > MOST_MEMBERS:
        raise ModelError(
            "the model file holds members that no Keras model has",
            place=str(path),
            found=f"member {odd[0]!r}" if odd else f"{len(names)} members, {len(set(names))} names",
            supported="config.json, metadata.json, model.weights.h5 and assets",
            remedy="do not trust this file; get the model from its source",
        )


def _read(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Read one member, never more than the limits whatever its header says."""
    limit = min(MOST_BYTES, max(RATIO_COUNTS_FROM, MOST_RATIO * info.compress_size))
    with archive.open(info) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit or info.file_size > limit:
        raise ModelError(
            "a member of the model file unpacks to far more than it should",
            place=str(path),
            found=f"{info.filename!r}: {info.compress_size} bytes hold {info.file_size}",
            supported=f"{MOST_BYTES} bytes at most, and {MOST_RATIO} times the packed size",
            remedy="do not trust this file; get the model from its source",
        )
    return data
