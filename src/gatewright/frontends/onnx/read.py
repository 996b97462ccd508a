"""Read an ONNX model into a graph: one handler per operator, all errors gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from gatewright.base import Diagnostics, GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.custom import refuse_known
from gatewright.frontends.onnx.attributes import Attributes
from gatewright.frontends.onnx.call import MAX_ELEMENTS, Builder, Call
from gatewright.frontends.onnx.fold import FOLDS, fold
from gatewright.frontends.onnx.load import Source, load
from gatewright.frontends.onnx.moved import ELEMENTWISE, HANDLERS, RECURRENT, has_moved
from gatewright.frontends.onnx.operand import Codes, Const, Operand, Value
from gatewright.frontends.onnx.operators import COMMUTING, QUANTIZED, STANDARD, Handler, handler_of
from gatewright.frontends.onnx.own import build_own, own_handler
from gatewright.frontends.onnx.tensors import FLOATS, read_tensor, type_name
from gatewright.ir import Graph, Input, Output


def read_onnx(model: Path | str | ModelProto) -> Graph:
    """Read an ONNX or QONNX model; the result takes real numbers and is not yet quantized.

    Scales of quantizers are float32 numbers taken as exact. Weights behind a quantizer become
    integer codes with their scale behind the product, or dyadic numbers where the scale is a power
    of two. The batch must be the first axis of every input, symbolic or of length 1.

    Args:
        model: a file, or a model in memory (then without external data).

    Raises:
        FileError: the file cannot be read.
        ModelError: the file is damaged or no model.
        UnsupportedError: an operator, attribute or shape is not handled.
        ManyErrors: several of these.
    """
    source = load(model)
    diagnostics = Diagnostics()
    inputs = _inputs(source, diagnostics)
    diagnostics.raise_if_any()
    names = Namer(value.name for value in inputs.values())
    fixed = all(_dimensions(i)[0] == 1 for i in _true_inputs(source))
    builder = Builder(source.name, names, fixed, next(iter(inputs.values())))
    operands: dict[str, Operand | None] = {**inputs}
    for node in source.nodes:
        with diagnostics.gather():
            _read_node(source, builder, node, operands)
    with diagnostics.gather():
        outputs = _outputs(source, operands)
    diagnostics.raise_if_any()
    return Graph(
        source.model.graph.name or "model",
        tuple(Input(value.name, value.shape) for value in inputs.values()),
        tuple(builder.nodes),
        outputs,
        source.name,
        _facts(source, inputs),
    )


WHOLE = (TensorProto.BOOL, TensorProto.INT32, TensorProto.INT64)
"""Types of inputs that are positions, numbers of things or truth values."""


def _true_inputs(source: Source) -> list[ValueInfoProto]:
    """Return inputs that are no initializers (files before IR version 4 list those as well)."""
    return [i for i in source.model.graph.input if i.name not in source.tensors]


def _dimensions(info: ValueInfoProto) -> list[int | str]:
    """Return lengths, with a symbol or '?' where there is no number."""
    return [
        int(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?"
        for d in info.type.tensor_type.shape.dim
    ]


def _inputs(source: Source, diagnostics: Diagnostics) -> dict[str, Value]:
    names = Namer()
    inputs: dict[str, Value] = {}
    for info in _true_inputs(source):
        with diagnostics.gather():
            whole = info.type.tensor_type.elem_type not in FLOATS
            shape = _input_shape(source, info)
            inputs[info.name] = Value(names.name(info.name, "x"), shape, whole)
    if not inputs and not diagnostics.errors:
        raise ModelError("the model has no input", place=source.name)
    return inputs


def _input_shape(source: Source, info: ValueInfoProto) -> tuple[int, ...]:
    """Return the shape of one sample of an input."""
    place = Place(source.name, info.name)
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or kind.elem_type not in (*FLOATS, *WHOLE):
        raise UnsupportedError(
            "an input is no tensor of floats or integers",
            place=place,
            found=type_name(kind.elem_type),
            supported="FLOAT, DOUBLE, FLOAT16, INT32, INT64, BOOL",
            remedy="let the model take real numbers, and quantize them by its first node",
        )
    lengths = _dimensions(info)
    if (
        not kind.HasField("shape")
        or not lengths
        or (lengths[0] != 1 and isinstance(lengths[0], int))
    ):
        raise UnsupportedError(
            "an input has no batch as its first axis",
            place=place,
            found=f"shape {lengths}",
            supported="a first length that is a symbol or 1",
            remedy="export the model with a batch axis",
        )
    shape = tuple(n for n in lengths[1:] if isinstance(n, int) and n > 0)
    if len(shape) != len(lengths) - 1 or prod(shape) > MAX_ELEMENTS:
        raise UnsupportedError(
            "an input has a length that is not known, or too large",
            place=place,
            found=f"shape {lengths}",
            supported=f"numbers in all places but the batch's, {MAX_ELEMENTS} values in all",
            remedy="export the model with fixed shapes",
        )
    return shape


def _read_node(
    source: Source, builder: Builder, node: NodeProto, operands: dict[str, Operand | None]
) -> None:
    """Read one node; its outputs stand for nothing (None) where that failed."""
    for name in filter(None, node.output):
        operands[name] = None
    place = Place(source.name, str(node.name or node.output[0]))
    _load_constants(source, node, operands, place)
    if any(operands[name] is None for name in node.input if name):
        _handler(node, place)  # an operator that is not handled is told of in any case
        return  # the error that left it so has been gathered
    try:
        inputs = [operands[name] if name else None for name in node.input]
        call = Call(node, builder, source.opset, inputs, place, Attributes(node, place))
        result = _result(source, call)
        call.attributes.finish()
    except GatewrightError as error:
        if error.place is None:
            error.place = place
            error.args = (error.text(),)
        raise
    result = _typed(call, result)
    operands.update(
        (name, operand) for name, operand in zip(node.output, result, strict=False) if name
    )
    _refuse_further_outputs(source, node, place, len(result))


OWN_TYPE = frozenset(["Cast", "CastLike", "DequantizeLinear", "Gather", "OneHot", "Where"])
"""Operators that may give real numbers where they get integers; their handlers know."""


def _typed(call: Call, result: Sequence[Operand]) -> Sequence[Operand]:
    """Mark the results of operators on integers as integers: a division would mean another."""
    computed = [o for o in call.operands if isinstance(o, Value)]
    if call.node.op_type in OWN_TYPE or call.node.domain not in ("", "ai.onnx") or not computed:
        return result
    if not all(value.integer for value in computed):
        return result
    return [replace(o, integer=True) if isinstance(o, Value) else o for o in result]


def _result(source: Source, call: Call) -> Sequence[Operand]:
    """Return what a node's outputs stand for; those left out are not handled."""
    node = call.node
    if node.op_type == "Constant" and call.attributes.has("value"):
        return [_constant_tensor(source, call)]
    known = node.input and not any(isinstance(i, Value | Codes) for i in call.operands)
    if known and node.op_type in FOLDS and node.domain in ("", "ai.onnx"):
        return [fold(call)]
    own = own_handler(node.domain, node.op_type)
    if own is not None and handler_of(node.domain, node.op_type) is None:
        return build_own(call, own)
    handler = _handler(node, call.place, has_moved(call.operands))
    first = call.operands[0] if call.operands else None
    if isinstance(first, Codes) and node.op_type in COMMUTING and node.domain in ("", "ai.onnx"):
        return [_behind(call, first, handler)]
    found = handler(call)
    return [found] if isinstance(found, Value | Const | Codes) else found


def _behind(call: Call, codes: Codes, handler: Handler) -> Codes:
    """Apply an operator in front of the quantizer that gave its operand: the codes are the same."""
    if codes.scale.ndim or codes.zero_point.ndim:
        raise call.unsupported(
            f"{call.node.op_type} of integers whose scale or zero point differs per channel",
            supported="one scale and zero point",
            remedy="put it in front of the QuantizeLinear, or behind the DequantizeLinear",
        )
    found = handler(replace(call, operands=[codes.value, *call.operands[1:]]))
    value = found if isinstance(found, Value) else next(iter(found))  # type: ignore[arg-type]
    assert isinstance(value, Value)
    return replace(codes, value=value)


def _handler(node: NodeProto, place: Place, batch_moved: bool = False) -> Handler:
    """Return what reads a node, of which an operand's batch may not be the first axis.

    Raises:
        UnsupportedError: nothing does.
    """
    handler = handler_of(node.domain, node.op_type, batch_moved)
    if handler is not None:
        refuse_known(node.op_type, place)
    if handler is None and batch_moved:
        raise UnsupportedError(
            "an operator is not handled where the batch is not the first axis",
            place=place,
            found=f"{node.op_type} behind a recurrent node or a Transpose",
            supported=", ".join(sorted({*HANDLERS, *ELEMENTWISE, *RECURRENT})),
            remedy="transpose the batch to the front before this node",
        )
    if handler is None:
        raise UnsupportedError(
            "an operator is not handled",
            place=place,
            found=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
            supported=", ".join(sorted({*STANDARD, *QUANTIZED})),
            remedy="replace the layer before exporting, or give a handler for an operator of your "
            "own (guide: your own layers)",
        )
    return handler


def _constant_tensor(source: Source, call: Call) -> Const:
    tensor = call.attributes.tensor("value")
    return Const(read_tensor(tensor, source.folder, call.place), None, tensor.data_type)


def _load_constants(
    source: Source, node: NodeProto, operands: dict[str, Operand | None], place: Place
) -> None:
    """Read the initializers that a node is the first to use."""
    for name in node.input:
        if name in source.tensors and name not in operands:
            operands[name] = None
            tensor = source.tensors[name]
            at = Place(source.name, place.layer, f"initializer {name}")
            operands[name] = Const(read_tensor(tensor, source.folder, at), None, tensor.data_type)


def _refuse_further_outputs(source: Source, node: NodeProto, place: Place, handled: int) -> None:
    """Refuse a result beyond those handled (a Dropout's mask, training statistics) that is used."""
    graph = source.model.graph
    for name in filter(None, node.output[handled:]):
        if any(name in other.input for other in source.nodes) or any(
            name == output.name for output in graph.output
        ):
            raise UnsupportedError(
                "a node's second result is used"
                if handled == 1
                else "a result of a node is used that is not handled",
                place=place,
                found=name,
                supported="the first" if handled == 1 else f"the first {handled}",
            )


def _outputs(source: Source, operands: dict[str, Operand | None]) -> tuple[Output, ...]:
    """Return the model's outputs; nothing where an error stands before one."""
    names = Namer()
    outputs = []
    for info in source.model.graph.output:
        operand = operands.get(info.name)
        if isinstance(operand, Value) and operand.batch:
            raise UnsupportedError(
                "an output of the model has no batch as its first axis",
                place=Place(source.name, info.name),
                found=f"the batch at axis {operand.batch}",
                supported="the batch in front",
                remedy="end the model with a Transpose that brings the batch to the front",
            )
        if isinstance(operand, Value):
            outputs.append(Output(names.name(info.name, "y"), operand.name))
        elif operand is not None or info.name not in operands:
            raise UnsupportedError(
                "an output of the model does not depend on its input as a real number",
                place=Place(source.name, info.name),
                found={Codes: "integers of a QuantizeLinear"}.get(type(operand), "a constant"),  # type: ignore[arg-type]
                supported="values computed from the input",
                remedy="end the model with a DequantizeLinear, and drop constant outputs",
            )
    return tuple(outputs)


def _facts(source: Source, inputs: dict[str, Value]) -> dict[str, str]:
    model = source.model
    facts = {
        "framework": "ONNX",
        "producer": f"{model.producer_name} {model.producer_version}".strip() or "unknown",
        "opset": str(source.opset),
    }
    for raw, value in inputs.items():
        if raw != value.name:
            facts[f"input {value.name}"] = raw
    return facts
