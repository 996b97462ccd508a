"""Turn terms into a graph of operations on scalars, each of shape (1,)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from gatewright.base import ModelError, Namer
from gatewright.frontends.expressions.terms import Row, Terms
from gatewright.ir import Graph, Input, Node, Op, Output
from gatewright.ops import (
    Absolute,
    Add,
    Affine,
    Compare,
    Concatenate,
    Constant,
    Dense,
    Divide,
    Function,
    Maximum,
    Minimum,
    Multiply,
    Sign,
    Slice,
    Subtract,
    Where,
)

NUMBERED = re.compile(r"([A-Za-z_]*[A-Za-z]_?)(0|[1-9]\d*)")
"""A variable that is a column by its number."""

MOST_COLUMNS = 100_000
"""Columns that a variable's number may ask for."""


def to_graph(
    terms: Terms,
    outputs: Mapping[str, int],
    variables: Sequence[str],
    source: str,
    facts: Mapping[str, str],
) -> Graph:
    """Return the graph of some terms.

    Args:
        terms: the table.
        outputs: the term of each output, by name.
        variables: columns of the input; see `Expressions`.
        source: for messages.
        facts: for the report.

    Raises:
        ModelError: a variable has no column.
    """
    return _Builder(terms, source).build(outputs, variables, facts)


class _Builder:
    def __init__(self, terms: Terms, source: str) -> None:
        self.terms = terms
        self.source = source
        self.nodes: list[Node] = []
        self.names: dict[int, str] = {}
        self.layer = ""

    def build(
        self, outputs: Mapping[str, int], variables: Sequence[str], facts: Mapping[str, str]
    ) -> Graph:
        order = self._needed(list(outputs.values()))
        used = [row.name for row in self.terms.rows if row.head == "variable"]
        inputs, columns = self._inputs(used, variables)
        self.first = inputs[0].name
        self.namer = Namer([i.name for i in inputs])
        owners = self._owners(outputs)
        for term in order:
            self.layer = owners[term]
            self._emit(term, columns)
        results = []
        for name, term in outputs.items():
            self.layer = name
            if not self._is_node(term):
                self.names[term] = self._node(_identity(), self.names[term], hint=name)
            results.append(Output(name, self.names[term]))
        name = next(iter(outputs)) if len(outputs) == 1 else "expressions"
        return Graph(name, inputs, tuple(self.nodes), tuple(results), self.source, dict(facts))

    def _is_node(self, term: int) -> bool:
        return any(node.name == self.names[term] for node in self.nodes)

    def _needed(self, roots: list[int]) -> list[int]:
        """Return the terms that the outputs need; a term's number is above those of its parts."""
        needed, todo = set(roots), list(roots)
        while todo:
            for part in self.terms.rows[todo.pop()].parts:
                if part not in needed:
                    needed.add(part)
                    todo.append(part)
        return sorted(needed)

    def _owners(self, outputs: Mapping[str, int]) -> dict[int, str]:
        """Return the output that each term belongs to, `shared` where there are several."""
        owners: dict[int, str] = {}
        for name, root in outputs.items():
            for term in self._needed([root]):
                owners[term] = "shared" if owners.get(term, name) != name else name
        return owners

    def _inputs(
        self, used: Sequence[str], variables: Sequence[str]
    ) -> tuple[tuple[Input, ...], dict[str, tuple[str, int]]]:
        """Return the inputs, and where each variable is found."""
        if variables:
            missing = sorted(set(used) - set(variables))
            if missing:
                raise ModelError(
                    "an expression uses a variable that has no column",
                    place=self.source,
                    found=", ".join(missing),
                    supported=", ".join(variables),
                    remedy="name every column in `variables`",
                )
            places = {name: ("x", n) for n, name in enumerate(variables)}
            return (Input("x", (len(variables),)),), places
        matches = {name: NUMBERED.fullmatch(name) for name in used}
        stems = {m[1] if m else None for m in matches.values()}
        if used and len(stems) == 1 and None not in stems:
            numbers = {name: int(m[2]) for name, m in matches.items() if m}
            count = max(numbers.values()) + 1
            if count > MOST_COLUMNS:
                raise ModelError(
                    "a variable asks for too many columns",
                    place=self.source,
                    found=max(numbers, key=lambda n: numbers[n]),
                    supported=f"numbers below {MOST_COLUMNS:,}",
                    remedy="name the columns in `variables`",
                )
            stem = (next(iter(stems)) or "x").rstrip("_")
            return (Input(stem, (count,)),), {name: (stem, n) for name, n in numbers.items()}
        if not used:
            return (Input("x", (1,)),), {}
        names = sorted(set(used))
        return tuple(Input(n, (1,)) for n in names), {n: (n, -1) for n in names}

    # ---- operations

    def _node(self, op: Op, *inputs: str, hint: str) -> str:
        name = self.namer.name(hint, "t")
        self.nodes.append(Node(name, op, inputs, self.layer))
        return name

    def _emit(self, term: int, columns: Mapping[str, tuple[str, int]]) -> None:
        row = self.terms.rows[term]
        if row.head == "variable":
            source, column = columns[row.name]
            if column < 0:
                self.names[term] = source
            else:
                part = Slice(((column, column + 1, None),))
                self.names[term] = self._node(part, source, hint=row.name)
            return
        parts = [self.names[p] for p in row.parts]
        if row.head == "linear":
            self.names[term] = self._linear(row, parts)
        elif row.head == "number":
            self.names[term] = self._node(
                Constant(np.asarray(row.numbers)), self.first, hint="constant"
            )
        else:
            op, hint = _operation(row)
            self.names[term] = self._node(op, *parts, hint=f"{self.layer}_{hint}")

    def _linear(self, row: Row, parts: list[str]) -> str:
        *coefficients, constant = row.numbers
        hint = f"{self.layer}_sum"
        if len(parts) == 1:
            scale, offset = np.asarray(coefficients), np.asarray([constant])
            return self._node(Affine(scale, offset), *parts, hint=hint)
        if len(parts) == 2 and constant == 0 and coefficients == [1.0, 1.0]:
            return self._node(Add(), *parts, hint=hint)
        if len(parts) == 2 and constant == 0 and coefficients == [1.0, -1.0]:
            return self._node(Subtract(), *parts, hint=hint)
        joined = self._node(Concatenate(0), *parts, hint=f"{self.layer}_terms")
        weight = np.asarray(coefficients)[:, None]
        return self._node(Dense.of(weight, np.asarray([constant])), joined, hint=hint)


def _identity() -> Op:
    return Affine(np.ones(1), np.zeros(1))


def _operation(row: Row) -> tuple[Op, str]:
    """Return the operation of a term, and what to call its result."""
    match row.head:
        case "product":
            return Multiply(), "product"
        case "quotient":
            return Divide(), "quotient"
        case "square":
            return Function("square"), "square"
        case "maximum":
            return Maximum(), "maximum"
        case "minimum":
            return Minimum(), "minimum"
        case "absolute":
            return Absolute(), "absolute"
        case "sign":
            return Sign(), "sign"
        case "compare":
            return Compare(row.name), row.name
        case "where":
            return Where(), "choice"
        case "function":
            return Function(row.name, parameters=row.numbers), row.name
    raise AssertionError(row.head)
