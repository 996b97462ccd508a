"""What a measurement says, and the only place that decides whether a target is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

COLUMNS = ("what", "target", "measured", "ratio to peer", "verdict")


@dataclass(frozen=True)
class Target:
    """A bound on a number: at most `most`, at least `least`; a number that is not one fails."""

    text: str
    most: float | None = None
    least: float | None = None

    def met_by(self, value: float) -> bool:
        """Return whether a measured number keeps within the bound."""
        above = self.least is None or value >= self.least
        below = self.most is None or value <= self.most
        return above and below and value == value  # NaN meets nothing


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        measured: what was found, as a reader wants it.
        value: the number that the target speaks of.
        ratio: to a peer, with its name.
        note: how it was measured, with the spread.
        facts: the raw numbers, for the JSON.
        trouble: why there is no measurement; `broken` where that is a failure and no lack.
    """

    what: str
    measured: str = ""
    target: Target | None = None
    value: float = float("nan")
    ratio: str = ""
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""
    broken: bool = False
    section: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `MISSED`, `for information`, `not run` or `FAILED`."""
        if self.trouble:
            return "FAILED" if self.broken else "not run"
        if self.target is None:
            return "for information"
        return "met" if self.target.met_by(self.value) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        target = self.target.text if self.target else ""
        return self.what, target, self.trouble or self.measured, self.ratio, self.verdict

    def plain(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "value": None if self.value != self.value else self.value,
                "verdict": self.verdict}  # fmt: skip


def ratio(ours: float, theirs: float, peer: str) -> str:
    """Return `0.93 x da4ml`."""
    return f"{ours / theirs:.3g} x {peer}" if theirs else f"{peer}: 0"


def is_bad(rows: Sequence[Row]) -> bool:
    """Whether a target was missed or a measurement failed."""
    return any(row.verdict in ("MISSED", "FAILED") for row in rows)


class MissingError(Exception):
    """Something that a measurement needs is not there; the text says what, and how to get it."""
