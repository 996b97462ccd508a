"""Keep what is expensive to make (executables, synthesis results) in a folder, found by content.

An entry is a folder of plain files below `<root>/v1/<kind>/<first two digits>/<key>`, with a
`manifest.json` that holds each file's SHA-256. Entries are written beside their place and renamed
into it, so that a reader sees all of an entry or nothing, also when two processes write at once.
Nothing in the cache is ever unpickled, and a damaged entry counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from gatewright.base.errors import FileError, OptionError

VARIABLE = "GATEWRIGHT_CACHE"
LIMIT_BYTES = 2 << 30
MANIFEST = "manifest.json"
LAYOUT = "v1"
_CLEAN_EVERY = 32

_log = logging.getLogger("gatewright.cache")


def content_key(*parts: str | bytes) -> str:
    """Return the SHA-256 (hexadecimal) of `parts`, each with its length so that joints matter."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def cache_folder() -> Path:
    """Return `$GATEWRIGHT_CACHE`, or the user's cache folder as the operating system names it."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("gatewright"))


class Cache:
    """Hold entries found by (kind, key), at most `limit_bytes` of them, the least used go first.

    A cache that cannot be written (full disk, read-only folder) only costs time: `write` says so
    once in the log `gatewright.cache` and returns False.

    Raises `FileError` where the folder belongs to another user, because entries are executed.
    """

    def __init__(self, root: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        if limit_bytes < 0:
            raise OptionError("the cache's size cannot be negative", found=limit_bytes)
        self.root = (root if root is not None else cache_folder()) / LAYOUT
        self.limit_bytes = limit_bytes
        self._writes = 0
        self._warned = False
        _check_owner(self.root)

    def fetch(self, kind: str, key: str, target: Path) -> bool:
        """Copy an entry's files into the folder `target`; return False where there is no sound one.

        The copy stays valid when another process cleans the cache. A damaged entry is removed.
        """
        files = self._load(kind, key)
        if files is None:
            return False
        target.mkdir(parents=True, exist_ok=True)
        source = self._entry(kind, key)
        for name, data in files.items():
            path = target / name
            path.write_bytes(data)
            try:
                shutil.copymode(source / name, path)
            except OSError:  # removed by another process since it was read
                path.chmod(0o700)
        return True

    def read(self, kind: str, key: str) -> dict[str, bytes] | None:
        """Return an entry's files as name to bytes, or None where there is no sound one."""
        return self._load(kind, key)

    def read_json(self, kind: str, key: str) -> Any | None:
        """Return what `write_json` kept, or None."""
        files = self._load(kind, key)
        if files is None or "value.json" not in files:
            return None
        try:
            return json.loads(files["value.json"])
        except ValueError:
            self.remove(kind, key)
            return None

    def write_json(self, kind: str, key: str, value: Any) -> bool:
        """Keep a value that JSON can hold."""
        return self.write(kind, key, {"value.json": json.dumps(value).encode()})

    def write(self, kind: str, key: str, files: Mapping[str, bytes | Path]) -> bool:
        """Keep `files` (name to content, or to a file that is copied with its mode).

        Returns whether the entry is there now. An existing entry is replaced.
        """
        entry = self._entry(kind, key)
        for name in files:
            if name == MANIFEST or Path(name).name != name:
                raise OptionError("a cache entry holds plain file names", found=name)
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=self.root) as made:
                folder = Path(made) / "entry"
                folder.mkdir()
                _fill(folder, files)
                _install(folder, entry)
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning("the cache %s cannot be written: %s", self.root, error)
            return False
        if self._writes % _CLEAN_EVERY == 0:
            self.clean()
        self._writes += 1
        return True

    def remove(self, kind: str, key: str) -> None:
        """Drop an entry, if it is there."""
        shutil.rmtree(self._entry(kind, key), ignore_errors=True)

    def clean(self) -> int:
        """Drop the least recently used entries until the rest fits; return how many went."""
        entries = []
        for folder in _entries(self.root):
            try:
                used = (folder / MANIFEST).stat().st_mtime
                size = sum(file.stat().st_size for file in folder.iterdir())
            except OSError:  # another process was faster
                continue
            entries.append((used, size, folder))
        excess = sum(size for _, size, _ in entries) - self.limit_bytes
        gone = 0
        for _, size, folder in sorted(entries):
            if excess <= 0:
                break
            shutil.rmtree(folder, ignore_errors=True)
            excess -= size
            gone += 1
        return gone

    def _entry(self, kind: str, key: str) -> Path:
        if not (kind.replace("-", "").isalnum() and key.isalnum() and len(key) > 2):
            raise OptionError("a cache entry has a plain kind and key", found=f"{kind}/{key}")
        return self.root / kind / key[:2] / key

    def _load(self, kind: str, key: str) -> dict[str, bytes] | None:
        entry = self._entry(kind, key)
        try:
            manifest = (entry / MANIFEST).read_bytes()
        except OSError:
            return None
        try:
            files = {}
            for name, digest in json.loads(manifest)["files"].items():
                data = (entry / Path(name).name).read_bytes()
                if hashlib.sha256(data).hexdigest() != digest:
                    raise ValueError(name)
                files[Path(name).name] = data
            os.utime(entry / MANIFEST)
        except PermissionError:  # another user's read-only cache: sound, but its age cannot be set
            return files
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            _log.warning("a damaged cache entry is dropped: %s", entry)
            self.remove(kind, key)
            return None
        return files


def _check_owner(root: Path) -> None:
    """Refuse a folder that another user may have filled with programs."""
    if os.name != "posix" or not root.exists():
        return
    owner, user = root.stat().st_uid, os.geteuid()
    if user != 0 and owner not in (0, user):
        raise FileError(
            "the cache folder belongs to another user, whose programs would be run",
            place=str(root),
            found=f"owner {owner}",
            supported=f"owner {user}",
            remedy=f"set {VARIABLE} to a folder of your own",
        )


def _fill(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    digests = {}
    for name, content in files.items():
        path = folder / name
        if isinstance(content, Path):
            shutil.copy(content, path)
        else:
            path.write_bytes(content)
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps({"files": digests}, sort_keys=True))


def _install(folder: Path, entry: Path) -> None:
    """Rename `folder` to `entry`; where one stands already, move that aside first."""
    for attempt in range(16):
        try:
            folder.rename(entry)
            return
        except OSError:
            # Either an entry stands there, or another writer moves one at this moment.
            with suppress(OSError):
                entry.rename(folder.with_name(f"old{attempt}"))
    folder.rename(entry)


def _entries(root: Path) -> list[Path]:
    """Return the folders of all entries; what vanishes meanwhile is left out."""
    level = [root]
    for pattern in ("[!.]*", "??", "*"):
        below: list[Path] = []
        for folder in level:
            with suppress(OSError):
                below.extend(folder.glob(pattern))
        level = below
    return level
