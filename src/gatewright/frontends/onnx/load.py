"""Bring an ONNX file into memory and check that its graph is one, before it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from gatewright.base import FileError, ModelError, Place, UnsupportedError
from gatewright.base.errors import printable
from gatewright.frontends.onnx.operators import NEWEST_OPSET, OLDEST_OPSET

MAX_FILE_BYTES = (1 << 31) - 1
"""The protobuf format's own limit."""
MAX_NODES = 100_000


@dataclass(frozen=True, eq=False)
class Source:
    """A model file that is known to be a graph.

    Attributes:
        nodes: in order of computation.
        tensors: initializers by name.
        opset: of the standard operators.
        folder: where external data may lie; None for a model in memory.
    """

    model: ModelProto
    nodes: tuple[NodeProto, ...]
    tensors: dict[str, TensorProto]
    opset: int
    folder: Path | None
    name: str


def load(model: Path | str | ModelProto) -> Source:
    """Read and check a file, or check a model that is in memory.

    Raises:
        FileError: the file cannot be read.
        ModelError: it is no ONNX model, or its names form no graph.
        UnsupportedError: functions, subgraphs, sparse tensors, an opset that is not handled.
    """
    folder = None
    name = "ONNX model"
    if not isinstance(model, ModelProto):
        path = Path(model)
        folder, name = path.resolve().parent, str(path)
        model = _parse(path)
    graph = model.graph
    if not model.ir_version or not graph.output or not model.opset_import:
        raise ModelError(
            "the file is not an ONNX model",
            place=name,
            found="no IR version, no operator set or no output",
            remedy="export the model again; a download may have been cut off",
        )
    _check_names(graph, name)
    _refuse(model, name)
    opset = _opset(model, name)
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    if len(tensors) != len(graph.initializer):
        raise ModelError("two initializers share a name", place=name)
    return Source(model, tuple(_sorted(graph, tensors, name)), tensors, opset, folder, name)


def _parse(path: Path) -> ModelProto:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(
                "the file is larger than ONNX can be",
                place=str(path),
                found=f"{size} bytes",
                supported=f"up to {MAX_FILE_BYTES} bytes",
                remedy="keep large weights in external data",
            )
        data = path.read_bytes()
    except OSError as error:
        raise FileError("the model cannot be read", place=str(path), found=error.strerror) from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, RuntimeError, ValueError):
        raise ModelError(
            "the file is not an ONNX model, or is cut off",
            place=str(path),
            found=f"{len(data)} bytes that are no protobuf message",
            remedy="export the model again; a download may have been cut off",
        ) from None
    return model


def _check_names(graph: GraphProto, name: str) -> None:
    """Refuse names that are no text (the parser then gives bytes) and nodes without a result."""
    names: list[object] = [graph.name, *(t.name for t in graph.initializer)]
    names += [value.name for value in (*graph.input, *graph.output)]
    names += [d.dim_param for value in graph.input for d in value.type.tensor_type.shape.dim]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
        if not any(node.output):
            raise ModelError("a node gives no result", place=name, found=f"a {node.op_type!r}")
    for text in names:
        if not isinstance(text, str):
            raise ModelError(
                "a name in the model is no text",
                place=name,
                found=repr(text),
                supported="UTF-8",
                remedy="export the model again; the file may be damaged",
            )


def _refuse(model: ModelProto, name: str) -> None:
    """Refuse what no handler knows of."""
    if model.graph.sparse_initializer:
        raise UnsupportedError(
            "the model holds sparse initializers",
            place=name,
            found=", ".join(t.values.name for t in model.graph.sparse_initializer),
            supported="dense ones",
            remedy="export the weights dense",
        )
    if len(model.graph.node) > MAX_NODES:
        raise ModelError(
            "the model has more nodes than are read",
            place=name,
            found=len(model.graph.node),
            supported=MAX_NODES,
        )
    functions = {(f.domain, f.name) for f in model.functions}
    for node in model.graph.node:
        place = Place(name, node.name or node.output[0])
        if (node.domain, node.op_type) in functions:
            raise UnsupportedError(
                "a node calls a function of the model",
                place=place,
                found=f"{node.domain}.{node.op_type}",
                supported="plain operators",
                remedy="inline functions (onnx.inliner.inline_local_functions)",
            )
        for attribute in node.attribute:
            if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
                raise UnsupportedError(
                    "a node holds a graph of its own (If, Loop, Scan)",
                    place=place,
                    found=node.op_type,
                    supported="straight graphs",
                    remedy="export the model for inference, without control flow",
                )


def _opset(model: ModelProto, name: str) -> int:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    opset = int(versions.get("", versions.get("ai.onnx", 0)))
    if not opset and all(node.domain == "ai.onnx.ml" for node in model.graph.node):
        return NEWEST_OPSET  # no node is of the standard operators
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise UnsupportedError(
            "the model's operator set is not handled",
            place=name,
            found=f"opset {opset}" if opset else "no standard operator set",
            supported=f"opsets {OLDEST_OPSET} to {NEWEST_OPSET}",
            remedy="convert it with onnx.version_converter",
        )
    return opset


def _sorted(graph: GraphProto, tensors: dict[str, TensorProto], name: str) -> list[NodeProto]:
    """Return the nodes in order of computation.

    Files should be in order; some exporters write them otherwise, which is harmless unless the
    graph has a cycle.
    """
    makers: dict[str, int] = {}
    known = {value.name for value in graph.input} | set(tensors)
    for i, node in enumerate(graph.node):
        for output in filter(None, node.output):
            if output in makers or output in known:
                raise ModelError(
                    "a value has two sources", place=Place(name, node.name), found=output
                )
            makers[output] = i
    waiting: list[set[int]] = []
    for node in graph.node:
        missing = [i for i in node.input if i and i not in makers and i not in known]
        if missing:
            raise ModelError(
                "a node reads a value that nothing gives",
                place=Place(name, node.name or node.output[0]),
                found=missing[0],
            )
        waiting.append({makers[i] for i in node.input if i in makers})
    return _by_depth(graph, waiting, name)


def _by_depth(graph: GraphProto, waiting: list[set[int]], name: str) -> list[NodeProto]:
    readers: list[list[int]] = [[] for _ in waiting]
    for i, needs in enumerate(waiting):
        for j in needs:
            readers[j].append(i)
    ready = [i for i, needs in enumerate(waiting) if not needs]
    ready.reverse()
    order: list[int] = []
    while ready:
        i = ready.pop()
        order.append(i)
        for j in reversed(readers[i]):
            waiting[j].discard(i)
            if not waiting[j]:
                ready.append(j)
    if len(order) < len(waiting):
        stuck = next(i for i, needs in enumerate(waiting) if needs)
        raise ModelError(
            "the model's nodes form a cycle",
            place=Place(name, graph.node[stuck].name or graph.node[stuck].output[0]),
            found=printable(", ".join(graph.node[stuck].input)),
        )
    return [graph.node[i] for i in order]
