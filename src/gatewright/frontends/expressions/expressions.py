"""What a user hands over: expressions by name, and the order of their variables."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from gatewright.base import FileError, ModelError

LARGEST_FILE = 16 << 20
"""Bytes of a file of expressions."""

GOOD_ENOUGH = 1.5
"""PySR's rule for `best`: of the equations with at most so many times the least loss, the one with
the highest score (pysr.PySRRegressor, model_selection)."""


DELIMITERS = ",;|\t"
"""What may stand between the columns of a table: PySR has written commas and, long ago, bars."""


@dataclass(frozen=True)
class Expressions:
    """Expressions to be computed together: what they share is built once.

    Attributes:
        outputs: a text or SymPy expression for each output, by name.
        variables: the columns of the one input array, by the names that the expressions give them.
            Empty: `x0`, `x1`, ... (any one letter or word before the number) are the columns by
            their numbers; other names are inputs of their own, and data are given by name.
        source: where they came from.
        facts: what the report says of them.
    """

    outputs: Mapping[str, Any]
    variables: tuple[str, ...] = ()
    source: str = "expression"
    facts: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.outputs, Mapping):
            outputs = dict(self.outputs)
        elif isinstance(self.outputs, str) or not isinstance(self.outputs, Sequence):
            outputs = {"y": self.outputs}
        else:
            outputs = {f"y{n}": e for n, e in enumerate(self.outputs)}
        if not outputs:
            raise ModelError("there is no expression", supported="one or more")
        object.__setattr__(self, "outputs", outputs)
        object.__setattr__(self, "variables", tuple(map(str, self.variables)))
        if len(set(self.variables)) != len(self.variables):
            raise ModelError("two variables share a name", found=", ".join(self.variables))

    @classmethod
    def from_pysr(
        cls,
        *paths: str | Path,
        complexity: int | None = None,
        variables: Sequence[str] = (),
    ) -> Expressions:
        """Read PySR's tables of equations (`hall_of_fame.csv`), a file an output.

        Args:
            paths: of the tables, in the order of the outputs.
            complexity: of the equation that is taken from each; None: the one that PySR calls best.
            variables: as for the class.

        Raises:
            FileError: a file cannot be read.
            ModelError: it is no table of equations, or holds none of that complexity.
        """
        chosen = [_chosen(Path(path), complexity) for path in paths]
        names = ["y"] if len(paths) == 1 else [f"y{n}" for n in range(len(paths))]
        facts = {
            f"equation {name}": f"complexity {found.complexity}, loss {found.loss:.6g}"
            for name, found in zip(names, chosen, strict=True)
        }
        outputs = {name: found.text for name, found in zip(names, chosen, strict=True)}
        return cls(outputs, tuple(variables), ", ".join(map(str, paths)), facts)

    @classmethod
    def from_text(cls, path: str | Path) -> Expressions:
        """Read a file with a line `name = expression` for each output; `#` begins a remark.

        A line `variables: pt, eta, phi` gives the order of the columns.
        """
        path = Path(path)
        outputs: dict[str, str] = {}
        variables: tuple[str, ...] = ()
        for number, line in enumerate(_text(path).splitlines(), 1):
            line = line.partition("#")[0].strip()
            if line.startswith("variables:"):
                variables = tuple(re.split(r"[,\s]+", line.removeprefix("variables:").strip()))
                continue
            name, equals, text = line.partition("=")
            if not line:
                continue
            if not equals or not name.strip().isidentifier() or text.startswith("="):
                raise ModelError(
                    "a line of a file of expressions cannot be read",
                    place=f"{path}, line {number}",
                    found=line[:60],
                    supported="name = expression",
                )
            if name.strip() in outputs:
                raise ModelError(
                    "two expressions share a name",
                    place=f"{path}, line {number}",
                    found=name.strip(),
                )
            outputs[name.strip()] = text.strip()
        if not outputs:
            raise ModelError("a file holds no expression", place=str(path))
        return cls(outputs, variables, str(path))


@dataclass(frozen=True)
class _Equation:
    complexity: int
    loss: float
    text: str


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(
                "a file of expressions is too large",
                place=str(path),
                found=f"{path.stat().st_size:,} bytes",
                supported=f"up to {LARGEST_FILE:,}",
            )
        return path.read_text("utf-8")
    except OSError as error:
        raise FileError(
            "the expressions cannot be read", place=str(path), found=error.strerror or str(error)
        ) from None
    except UnicodeDecodeError:
        raise ModelError(
            "the expressions cannot be read", place=str(path), found="no UTF-8 text"
        ) from None


def _delimiter(header: str) -> str:
    """Return what stands between the columns of a table."""
    return max(DELIMITERS, key=header.count)


def is_table(header: str) -> bool:
    """Say whether a file's first line is that of a table of equations."""
    names = header.lower().replace('"', "").split(_delimiter(header))
    return "equation" in {name.strip() for name in names}


def equations(path: Path) -> list[_Equation]:
    """Return the equations of PySR's table, simplest first.

    Raises:
        FileError: it cannot be read.
        ModelError: it is no such table.
    """
    lines = _text(path).splitlines()
    table = csv.DictReader(lines, delimiter=_delimiter("".join(lines[:1])))
    columns = {(name or "").strip().lower(): name for name in table.fieldnames or []}
    if "mse" in columns:  # what PySR called the loss before 0.7
        columns.setdefault("loss", columns["mse"])
    if not {"complexity", "loss", "equation"} <= set(columns):
        raise ModelError(
            "a file is no table of equations",
            place=str(path),
            found=f"columns {', '.join(table.fieldnames or ['none'])[:80]}",
            supported="PySR's hall_of_fame.csv: Complexity, Loss, Equation, between , ; | or tabs",
        )
    found = []
    for number, row in enumerate(table, 2):
        try:
            found.append(
                _Equation(
                    int(row[columns["complexity"]]),
                    float(row[columns["loss"]]),
                    row[columns["equation"]].strip(),
                )
            )
            _check_loss(found[-1].loss)
        except (TypeError, ValueError, AttributeError):
            raise ModelError(
                "a table of equations is damaged",
                place=f"{path}, line {number}",
                found=", ".join(str(v) for v in row.values())[:60],
                supported="a whole number, a loss that is not negative, and an equation",
            ) from None
    if not found:
        raise ModelError("a table of equations is empty", place=str(path))
    return sorted(found, key=lambda e: e.complexity)


def _check_loss(loss: float) -> None:
    if not math.isfinite(loss) or loss < 0:
        raise ValueError


def _chosen(path: Path, complexity: int | None) -> _Equation:
    """Return the equation of a complexity, or the one that PySR calls best."""
    table = equations(path)
    if complexity is not None:
        match = [e for e in table if e.complexity == complexity]
        if not match:
            raise ModelError(
                "there is no equation of this complexity",
                place=str(path),
                found=complexity,
                supported=", ".join(str(e.complexity) for e in table),
            )
        return match[0]
    limit = GOOD_ENOUGH * min(e.loss for e in table)
    scores = [0.0]
    for before, after in pairwise(table):
        steps = max(after.complexity - before.complexity, 1)
        exact = after.loss <= 0
        scores.append(math.inf if exact else math.log(before.loss / after.loss) / steps)
        if exact:
            break
    good = [(score, e) for score, e in zip(scores, table, strict=False) if e.loss <= limit]
    return max(good, key=lambda pair: pair[0])[1]
