"""The same integer network in da4ml and alkaid, through their public numpy tracing.

Both get exactly the port types of our circuit: what the host quantizes is outside all three.
Nothing of them is imported before it is needed, and never by the package.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.record import MissingError
from gatewright.ir import Graph, Node
from gatewright.num import Intervals, Overflow, Rounding
from gatewright.ops import Add, Dense, Quantize, Relu, Reshape, Transpose

DEPTH = {"hard_dc": 2}
"""Both solvers' option for depth beyond the least, as their authors publish results with."""


@dataclass(frozen=True)
class Rtl:
    """Emitted Verilog.

    Attributes:
        stages: blocks of logic with registers between them.
        files: what was written, all kinds.
    """

    top: str
    sources: dict[str, str]
    stages: int
    files: int


def ports(kind: Intervals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return least value, greatest value and step of every element."""
    return kind.low_value, kind.high_value, np.ldexp(1.0, -kind.frac.astype(np.int64))


def replay(graph: Graph, x: Any) -> Any:
    """Apply a graph's operations to a peer's traced array.

    A ReLU and the quantizer that alone reads it become the peers' one operation for both, as their
    users write it: that is up to a tenth cheaper in their own estimate than one after the other.

    Raises:
        MissingError: the graph holds what this translation does not know.
    """
    values, readers = {graph.inputs[0].name: x}, graph.readers()
    done: set[str] = set()
    for node in graph.nodes:
        source, after = values[node.inputs[0]], readers[node.name]
        if node.name in done:
            values[node.name] = source
        elif _is_relu(node) and len(after) == 1 and _cuts_unsigned(after[0]):
            cut = after[0].op
            width, frac = (np.broadcast_to(v, source.shape) for v in (cut.width, cut.frac))
            values[node.name] = source.relu(width - frac, frac, cut.rounding.name)
            done.add(after[0].name)
        else:
            values[node.name] = _apply(node, *(values[name] for name in node.inputs))
    return values[graph.outputs[0].value]


def _is_relu(node: Node) -> bool:
    return isinstance(node.op, Relu) and node.op.low == 0 and node.op.high is None


def _cuts_unsigned(node: Node) -> bool:
    """Whether a node quantizes in the one way that the peers' ReLU can do as well."""
    op = node.op
    return (
        isinstance(op, Quantize)
        and not op.signed.any()
        and op.overflow is Overflow.WRAP
        and op.rounding in (Rounding.TRN, Rounding.RND)
    )


def _apply(node: Node, x: Any, *others: Any) -> Any:
    op = node.op
    if isinstance(op, Add):
        return x + others[0]
    if isinstance(op, Transpose):
        return x.transpose(op.axes)
    if isinstance(op, Reshape):
        return x.reshape(op.shape)
    if isinstance(op, Dense):
        return x @ op.weight + op.bias
    if _is_relu(node):
        return x.relu()
    if isinstance(op, Quantize):
        signed, width, frac = (np.broadcast_to(v, x.shape) for v in (op.signed, op.width, op.frac))
        k = signed.astype(np.int64)
        return x.quantize(k, width - k - frac, frac, op.overflow.name, op.rounding.name)
    raise MissingError(f"no translation of {op.kind} to the peers' tracing")


class Peer(ABC):
    """One of the other compilers."""

    name: ClassVar[str]

    @classmethod
    def load(cls) -> Peer:
        """Return the compiler, ready.

        Raises:
            MissingError: it is not installed.
        """
        if importlib.util.find_spec(cls.name) is None:
            raise MissingError(f"needs {cls.name}: pip install 'gatewright[bench]'")
        return cls()

    @property
    def version(self) -> str:
        """Version that is installed."""
        return version(self.name)

    @abstractmethod
    def trace(self, graph: Graph) -> Any:
        """Trace and solve a graph; return the peer's own combinational logic."""

    @abstractmethod
    def project(self, logic: Any, folder: str, stages: int | None, cutoff: float) -> Any:
        """Pipeline into so many stages, or to a limit on delay, and write the RTL project."""

    @abstractmethod
    def stages(self, project: Any) -> int:
        """Return the blocks of logic of a pipelined project."""

    @abstractmethod
    def matrix_graph(self, matrix: np.ndarray, kind: Intervals) -> Any:
        """Return the adders for one matrix: (own cost, nodes, outputs) as in `adders`."""

    def cost(self, logic: Any) -> float:
        """Return what the peer estimates, in LUTs."""
        return float(logic.cost)

    def predict(self, logic: Any, x: np.ndarray) -> np.ndarray:
        """Emulate on one thread."""
        return np.asarray(logic.predict(x, n_threads=1))

    def write(self, logic: Any, stages: int | None = None, cutoff: float = 5.0) -> Rtl:
        """Pipeline, write to disk, and read the Verilog back."""
        with tempfile.TemporaryDirectory() as folder:
            project = self.project(logic, folder, stages, cutoff)
            files = [p for p in Path(folder).rglob("*") if p.is_file()]
            texts = {p.name: p.read_text() for p in files if p.suffix == ".v"}
        # The wrapper only renames ports; a table module that nothing uses cannot be elaborated.
        used = "".join(texts.values()).count("lookup_table") > 1
        sources = {
            name: text
            for name, text in texts.items()
            if not name.endswith("_wrapper.v") and (used or name != "lookup_table.v")
        }
        return Rtl("net", sources, self.stages(project), len(files))


class Da4ml(Peer):
    """da4ml: two-stage matrix decomposition and common subexpression elimination."""

    name = "da4ml"

    def __init__(self) -> None:
        self.tracing = importlib.import_module("da4ml.trace")
        self.codegen = importlib.import_module("da4ml.codegen")
        self.solver = importlib.import_module("da4ml.cmvm")

    def trace(self, graph: Graph) -> Any:
        """Trace with adders that cost a LUT a bit."""
        kind = graph.inputs[0].type
        assert kind is not None
        start = self.tracing.FixedVariableArray.from_lhs(
            *ports(kind), self.tracing.HWConfig(1, -1, -1), 0.0, DEPTH
        )
        return self.tracing.comb_trace(start, replay(graph, start))

    def project(self, logic: Any, folder: str, stages: int | None, cutoff: float) -> Any:
        """Only a delay limit can be given, in adders."""
        model = self.codegen.VerilogModel(logic, "net", folder, latency_cutoff=cutoff)
        model.write()
        return model

    def stages(self, project: Any) -> int:
        """Return the combinational blocks."""
        return len(project._pipe.solutions)

    def matrix_graph(self, matrix: np.ndarray, kind: Intervals) -> Any:
        """Solve a matrix as the tracer would."""
        intervals = [tuple(float(v) for v in row) for row in zip(*ports(kind), strict=True)]
        answer = self.solver.solve(
            matrix.astype(np.float32), qintervals=intervals, adder_size=1, carry_size=-1, **DEPTH
        )
        nodes, outputs = cascade(answer.solutions, len(matrix), _da4ml_operands)
        return float(answer.cost), nodes, outputs


class Alkaid(Peer):
    """alkaid: da4ml's successor."""

    name = "alkaid"

    def __init__(self) -> None:
        self.tracing = importlib.import_module("alkaid.trace")
        self.codegen = importlib.import_module("alkaid.codegen.rtl")
        self.solver = importlib.import_module("alkaid.cmvm")

    def trace(self, graph: Graph) -> Any:
        """Trace with adders that cost a LUT a bit."""
        kind = graph.inputs[0].type
        assert kind is not None
        start = self.tracing.FVArray.from_lhs(
            *ports(kind), self.tracing.HWConfig(1, -1, -1), 0.0, DEPTH
        )
        return self.tracing.trace(start, replay(graph, start), keep_dead_inputs=True)

    def project(self, logic: Any, folder: str, stages: int | None, cutoff: float) -> Any:
        """Give the number of stages where it is known, else a delay limit in its own units."""
        limit = {"n_stages": stages} if stages else {"latency_cutoff": cutoff}
        model = self.codegen.RTLModel(logic, folder, "net", **limit)
        model.write()
        return model

    def stages(self, project: Any) -> int:
        """Return the combinational blocks."""
        return len(project.fsm.logic)

    def matrix_graph(self, matrix: np.ndarray, kind: Intervals) -> Any:
        """Solve a matrix as the tracer would."""
        intervals = [tuple(float(v) for v in row) for row in zip(*ports(kind), strict=True)]
        stages = self.solver.cmvm_solve(matrix.astype(np.float32), qintervals=intervals, **DEPTH)
        nodes, outputs = cascade(stages, len(matrix), _alkaid_operands)
        return float(sum(stage.cost for stage in stages)), nodes, outputs


PEERS: tuple[type[Peer], ...] = (Da4ml, Alkaid)

Term = tuple[int, int, bool]
"""An operand: id, power of two, negated."""


def _da4ml_operands(op: Any) -> tuple[int, int, int]:
    """Return both operands and the shift of the second."""
    return op.id0, op.id1, op.data


def _alkaid_operands(op: Any) -> tuple[int, int, int]:
    if op.opcode == -1:
        return op.data[0], -1, 0
    return op.addr[0], op.addr[1], op.data[0]


def cascade(stages: Any, n_in: int, operands: Any) -> tuple[list[tuple[Term, Term]], list[Term]]:
    """Return a peer's solved stages, one feeding the next, as adders of shifted terms.

    Ids: 0..n_in-1 the inputs, then the adders in order; -1 is the constant zero.
    """
    nodes: list[tuple[Term, Term]] = []
    source: list[Term] = [(i, 0, False) for i in range(n_in)]
    for stage in stages:
        terms: list[Term] = []
        for op in stage.ops:
            first, second, shift = operands(op)
            if op.opcode == -1:
                i, power, negative = source[first]
                terms.append((i, power + int(stage.inp_shifts[first]), negative))
                continue
            if op.opcode not in (0, 1):
                raise MissingError(f"the peer's solver answers with operation {op.opcode}")
            a, (i, power, negative) = terms[first], terms[second]
            b = (i, power + int(shift), negative != bool(op.opcode))
            both = a[2] and b[2]  # -a - b: a negated sum, which whoever reads it takes care of
            nodes.append(((*a[:2], a[2] and not both), (*b[:2], b[2] and not both)))
            terms.append((n_in + len(nodes) - 1, 0, both))
        outputs: list[Term] = []
        for index, shift, negated in zip(
            stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True
        ):
            i, power, negative = terms[index] if index >= 0 else (-1, 0, False)
            outputs.append((i, power + int(shift), negative != bool(negated)))
        source = outputs
    return nodes, source
