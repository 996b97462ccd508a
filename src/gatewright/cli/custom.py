"""Handlers of a user's own layers, from a Python file that the user names."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatewright.base import FileError, GatewrightError, OptionError

CUSTOM_HELP = (
    "Python file with handlers of your own layers, in a dictionary CUSTOM by class name. The file "
    "is run: give only one that you trust. Guide: your own layers."
)


def load_custom(path: str | None) -> Mapping[str, Any] | None:
    """Run a file that the user named, and return its `CUSTOM`.

    Raises:
        FileError: it is not there.
        OptionError: it fails, or has no such dictionary.
    """
    if path is None:
        return None
    if not Path(path).is_file():
        raise FileError("the file of custom layers cannot be read", place=path)
    try:
        found = runpy.run_path(path).get("CUSTOM")
    except GatewrightError:
        raise
    except Exception as error:  # whatever a user's own file may raise
        raise OptionError(
            "the file of custom layers fails",
            place=path,
            found=f"{type(error).__name__}: {error}",
            remedy="run it with Python, and correct it",
        ) from error
    if not isinstance(found, Mapping):
        raise OptionError(
            "the file of custom layers names no handlers",
            place=path,
            found="no CUSTOM" if found is None else f"CUSTOM is a {type(found).__name__}",
            supported='a dictionary: CUSTOM = {"MyLayer": build_my_layer}',
        )
    return found
