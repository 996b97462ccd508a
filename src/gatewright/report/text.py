"""Numbers and names as a reader wants them; names come from files and are not to be trusted."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from typing import Any

THIN = "\u202f"
"""Narrow no-break space, between a number and its unit."""
MINUS = "\u2212"
ELLIPSIS = "\u2026"
DASH = "\u2013"
NONE = "\u2014"
"""Printed where there is no value."""

LONGEST = 400
"""Characters after which even a full name is cut."""


def clean(text: str) -> str:
    """Return text without characters that change how the rest of a page reads.

    Control characters, overrides of the writing direction and lone surrogates become U+FFFD; line
    breaks and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    keep = "\n\t"
    return "".join(c if c in keep or unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def one_line(text: Any) -> str:
    """Return cleaned text with every run of white space as one space."""
    return " ".join(clean(str(text)).split())


def shorten(text: Any, most: int = 34) -> str:
    """Return a name of at most `most` characters: its middle gives way, ends differ."""
    line = one_line(text)
    if len(line) <= most:
        return line
    tail = most // 3
    return line[: most - tail - 1] + ELLIPSIS + line[-tail:]


def full(text: Any) -> str:
    """Return a name in full, unless it is absurd."""
    line = one_line(text)
    return (
        line if len(line) <= LONGEST else line[:LONGEST] + f"{ELLIPSIS} ({len(line):,} characters)"
    )


def base_name(path: Any) -> str:
    """Return the last part of a path, of whatever system."""
    return one_line(path).replace("\\", "/").rstrip("/").rpartition("/")[2]


def row_labels(names: Iterable[Any], most: int = 30) -> list[str]:
    """Return short labels for a figure's rows."""
    return [shorten(name, most) or "(no name)" for name in names]


def number(value: Any) -> str:
    """Return a count with separators, or a real number with five digits."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if not math.isfinite(value):
        return (
            "not a number" if math.isnan(value) else ("\u221e" if value > 0 else MINUS + "\u221e")
        )
    if float(value).is_integer() and abs(value) < 1e9:
        return f"{int(value):,}".replace("-", MINUS)
    return f"{value:,.5g}".replace("-", MINUS)


def percent(value: float, digits: int = 2) -> str:
    """Return a fraction as a percentage."""
    if not math.isfinite(value):
        return number(value)
    return f"{100 * value:.{digits}f}{THIN}%".replace("-", MINUS)


def share(count: float, available: float | None) -> str:
    """Return which part of a device's resource is used; empty where that is not known."""
    if not available:
        return ""
    part = count / available
    if 0 < part < 1e-4:
        return f"<{THIN}0.01{THIN}%"
    return percent(part, 1 if part >= 0.1 else 2)


def points(change: float) -> str:
    """Return a change of a fraction in percentage points, with its sign."""
    text = f"{100 * change:+.2f}".replace("-", MINUS)
    return f"{text.replace('+0.00', '0.00').replace(MINUS + '0.00', '0.00')}{THIN}points"


def change(old: float, new: float) -> str:
    """Return by how much `old` is off from `new`, in percent of `new`."""
    if not new:
        return "" if old == new else NONE
    return f"{100 * (old - new) / new:+.0f}{THIN}%".replace("-", MINUS)


def seconds(value: float) -> str:
    """Return a duration."""
    if value < 0.001:
        return f"<{THIN}1{THIN}ms"
    if value < 1:
        return f"{1000 * value:.0f}{THIN}ms"
    return f"{value:.1f}{THIN}s" if value < 100 else f"{value:,.0f}{THIN}s"


def rate(per_second: float) -> str:
    """Return inferences per second."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if per_second >= limit:
            return f"{per_second / limit:.4g}{THIN}{unit}"
    return f"{per_second:.4g}"


def span(low: float, high: float) -> str:
    """Return a range of values."""
    return f"{number(float(low))} {ELLIPSIS} {number(float(high))}"


def plural(count: int, word: str) -> str:
    """Return a count and its noun."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"
