"""Errors that name a place in the user's model, what was found, what is supported, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """Say where in the user's material something is: a file, a layer, an attribute of it."""

    source: str = ""
    layer: str = ""
    attribute: str = ""

    def __str__(self) -> str:
        """Join the parts that are known, escaping control characters of hostile names."""
        parts = []
        if self.source:
            parts.append(printable(self.source))
        if self.layer:
            parts.append(f"layer {printable(self.layer)!r}")
        if self.attribute:
            parts.append(f"attribute {printable(self.attribute)!r}")
        return ", ".join(parts)


def printable(text: str, limit: int = 120) -> str:
    """Return `text` on one line: control characters escaped, cut at `limit` characters."""
    text = text[: limit + 1]  # a hostile name can be megabytes long
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


class GatewrightError(Exception):
    """An error the user can act on.

    `exit_status` is what the command line returns: 2 for bad input, 1 where the answer is "no".
    """

    exit_status = 2
    kind = "error"

    def __init__(
        self,
        what: str,
        *,
        place: Place | str | None = None,
        found: object = None,
        supported: object = None,
        remedy: str = "",
    ) -> None:
        self.what = what
        self.place = Place(source=place) if isinstance(place, str) else place
        self.found = None if found is None else str(found)
        self.supported = None if supported is None else str(supported)
        self.remedy = remedy
        super().__init__(self.text())

    def __reduce__(self) -> tuple[object, ...]:
        """Let a worker process hand an error on whole."""
        return _restore, (type(self), self.__dict__)

    def text(self) -> str:
        """Render the message, a line for each thing that is known."""
        lines = [self.what]
        if self.place is not None and str(self.place):
            lines.append(f"  at:        {self.place}")
        if self.found is not None:
            lines.append(f"  found:     {printable(self.found, 400)}")
        if self.supported is not None:
            lines.append(f"  supported: {printable(self.supported, 600)}")
        if self.remedy:
            lines.append(f"  remedy:    {self.remedy}")
        return "\n".join(lines)

    def facts(self) -> dict[str, str]:
        """Return the error as plain data, for `--json`."""
        pairs = {
            "kind": self.kind,
            "what": self.what,
            "place": str(self.place) if self.place else "",
            "found": self.found or "",
            "supported": self.supported or "",
            "remedy": self.remedy,
        }
        return {key: value for key, value in pairs.items() if value}


def _restore(kind: type[GatewrightError], state: dict[str, object]) -> GatewrightError:
    """Make an error again from its attributes."""
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (error.text(),)
    return error


class ModelError(GatewrightError):
    """The model file is damaged, hostile, or not a model."""

    kind = "model"


class UnsupportedError(GatewrightError):
    """The model holds something that is understood but not handled."""

    kind = "unsupported"


class DataError(GatewrightError):
    """Calibration or inference data have the wrong shape, type or values."""

    kind = "data"


class OptionError(GatewrightError):
    """An option given by the user is impossible or contradicts another."""

    kind = "option"


class FormatError(GatewrightError):
    """A number format is malformed, or a value does not fit the widest integers we compute with."""

    kind = "format"


class ToolError(GatewrightError):
    """An outside program is missing or failed."""

    kind = "tool"


class FileError(GatewrightError):
    """A file or folder cannot be read or written."""

    kind = "file"


class VerificationError(GatewrightError):
    """Two computations that must agree do not. The answer is "no"."""

    exit_status = 1
    kind = "verification"


class ManyErrors(GatewrightError):  # noqa: N818 - it is several
    """Several errors found in one go."""

    kind = "many"

    def __init__(self, errors: list[GatewrightError]) -> None:
        self.errors = errors
        self.exit_status = max(error.exit_status for error in errors)
        super().__init__(f"{len(errors)} errors")

    def text(self) -> str:
        """Render every error, numbered; those that only differ in their place as one."""
        alike: dict[tuple[object, ...], list[GatewrightError]] = {}
        for error in self.errors:
            many = error if isinstance(error, ManyErrors) else None
            key = (many, error.what, error.found, error.supported, error.remedy)
            alike.setdefault(key, []).append(error)
        count = len(alike)
        if count == 1:
            return _with_places(self.errors)
        return "\n".join(
            f"[{i + 1}/{count}] {_with_places(errors)}" for i, errors in enumerate(alike.values())
        )


def _with_places(errors: list[GatewrightError]) -> str:
    """Render errors that only differ in their place: the first's text with all the places."""
    what, *rest = errors[0].text().splitlines()
    places = [f"  at:        {e.place}" for e in errors if e.place is not None and str(e.place)]
    return "\n".join([what, *places, *(line for line in rest if line not in places)])


@dataclass
class Diagnostics:
    """Gather errors so that a user sees all of them at once."""

    errors: list[GatewrightError] = field(default_factory=list)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep a `GatewrightError` raised in the block instead of stopping at it."""
        try:
            yield
        except ManyErrors as many:
            self.errors.extend(many.errors)
        except GatewrightError as error:
            self.errors.append(error)

    def raise_if_any(self) -> None:
        """Raise the one error gathered, or all of them as `ManyErrors`."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ManyErrors(self.errors)
