"""Floor 1: diagnostics, identifiers, the cache on disk, progress."""

from gatewright.base.errors import (
    DataError,
    Diagnostics,
    FileError,
    FormatError,
    GatewrightError,
    ManyErrors,
    ModelError,
    OptionError,
    Place,
    ToolError,
    UnsupportedError,
    VerificationError,
)
from gatewright.base.names import Namer, identifier

__all__ = [
    "DataError",
    "Diagnostics",
    "FileError",
    "FormatError",
    "GatewrightError",
    "ManyErrors",
    "ModelError",
    "Namer",
    "OptionError",
    "Place",
    "ToolError",
    "UnsupportedError",
    "VerificationError",
    "identifier",
]
