"""Read an exported program into a graph: one handler per operator, all errors gathered."""

from __future__ import annotations

import operator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from gatewright.base import Diagnostics, GatewrightError, ModelError, Namer, Place, UnsupportedError
from gatewright.frontends.custom import known
from gatewright.frontends.torch.archive import load_program
from gatewright.frontends.torch.batch import batch_of, concrete
from gatewright.frontends.torch.call import MAX_ELEMENTS, Builder, Call
from gatewright.frontends.torch.decompose import decompose
from gatewright.frontends.torch.fold import MOVES, can_fold, fold
from gatewright.frontends.torch.operand import Codes, Const, Operand, Value, contains_value
from gatewright.frontends.torch.operators import HARMLESS, handler_of, supported
from gatewright.frontends.torch.own import build_own, own_handler
from gatewright.frontends.torch.places import ties, where
from gatewright.frontends.torch.trace import Traced, trace
from gatewright.ir import Graph, Input, Output

KINDS = {
    torch.float32: "float", torch.float64: "float", torch.bool: "bool", torch.int64: "integer",
    torch.int32: "integer", torch.int16: "integer", torch.int8: "integer", torch.uint8: "integer",
}  # fmt: skip
"""Types of numbers that a computed tensor may have."""

SIZES = ("aten.sym_size.int", "aten.size.int")
NUMBERS = ("number", "float", "Tensor", "Optional[number]", "Optional[float]", "Optional[Tensor]")
"""Types of arguments that are computed with, unlike whole numbers and lists of them."""

REMEMBERED: list[tuple[Any, Traced]] = []
"""The last model read, for the comparison that follows: an export takes seconds."""


def read_torch(model: Any, inputs: Any = None) -> Graph:
    """Read a PyTorch model; the result takes real numbers and is not yet quantized.

    Args:
        model: a module, an exported program, what `trace` gave, or the path of a `.pt2` file.
        inputs: what a module takes, see `trace`.

    Raises:
        DataError: the inputs do not say what the module takes.
        ModelError: the model is damaged.
        UnsupportedError: an operator or an argument is not handled.
        ManyErrors: several of these.
    """
    found = traced(model, inputs)
    graph = _Reader(found).graph()
    REMEMBERED[:] = [(model, found)]
    return graph


def remembered(model: Any) -> Traced:
    """Return the model as it was read last; a file or a program can also be read again."""
    for other, found in REMEMBERED:
        if other is model:
            return found
    found = traced(model, None)
    _Reader(found).graph()
    return found


def traced(model: Any, inputs: Any) -> Traced:
    """Return a model as ATen operations.

    Raises:
        GatewrightError: see `read_torch`.
    """
    if isinstance(model, Traced):
        return model
    if isinstance(model, str | Path):
        return Traced(load_program(Path(model)), None, str(model))
    if isinstance(model, torch.export.ExportedProgram):
        return Traced(model, None, "the exported program")
    if isinstance(model, torch.nn.Module):
        return trace(model, inputs)
    raise UnsupportedError(
        "this object of PyTorch is no model",
        found=f"{type(model).__module__}.{type(model).__qualname__}",
        supported="a torch.nn.Module, a torch.export.ExportedProgram, a .pt2 file",
        remedy="give the module itself; a state dict needs the module that it was saved from",
    )


class _Reader:
    """Walks through a program once.

    Attributes:
        operands: what each node of the program stands for; None where reading it failed.
        lengths: nodes that are numbers computed from the length of the batch.
    """

    def __init__(self, traced: Traced) -> None:
        self.traced = traced
        self.source = traced.source
        self.program = decompose(traced.program)
        self.nodes = list(self.program.graph.nodes)
        self.batch = batch_of(self.program, traced.batched, self.source)
        self.diagnostics = Diagnostics()
        self.operands: dict[str, Operand] = {}
        self.failed: set[str] = set()
        self.lengths: set[str] = set()
        self.ties: dict[str, str] = {}

    def graph(self) -> Graph:
        """Return the graph, or raise every error that was met."""
        inputs = self._inputs()
        self.diagnostics.raise_if_any()
        names = Namer(value.name for value in inputs)
        self.builder = Builder(self.source, names, self.batch.length, inputs[0])
        stored = {k: c.tensor.data_ptr() for k, c in self.operands.items() if isinstance(c, Const)}
        self.ties = ties(self.nodes, stored)
        for node in self.nodes:
            if node.op == "call_function":
                with self.diagnostics.gather():
                    self._read(node)
            elif node.op not in ("placeholder", "output"):
                with self.diagnostics.gather():
                    self._get_attribute(node)
        outputs: tuple[Output, ...] = ()
        with self.diagnostics.gather():
            outputs = self._outputs()
        self.diagnostics.raise_if_any()
        self.traced.roundings = self.builder.roundings
        name = type(self.traced.module).__name__ if self.traced.module else "model"
        return Graph(
            name if name not in ("Sequential", "Module") else "model",
            tuple(Input(value.name, value.shape) for value in inputs),
            tuple(self.builder.nodes),
            outputs,
            self.source,
            self._facts(),
        )

    # ---- inputs

    def _inputs(self) -> list[Value]:
        names, inputs = Namer(), []
        placeholders = {n.name: n for n in self.nodes if n.op == "placeholder"}
        for spec in self.program.graph_signature.input_specs:
            name = getattr(spec.arg, "name", "")
            with self.diagnostics.gather():
                if spec.kind is InputKind.USER_INPUT:
                    value = self._input(spec, placeholders.get(name), names)
                    self.operands[name] = value
                    if isinstance(value, Value):
                        inputs.append(value)
                elif spec.kind is not InputKind.TOKEN:
                    self.operands[name] = Const(self._stored(spec))
        if not inputs and not self.diagnostics.errors:
            raise ModelError("the model has no input", place=self.source)
        return inputs

    def _stored(self, spec: Any) -> torch.Tensor:
        """Return a parameter, a buffer or a constant."""
        found = None
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER):
            found = self.program.state_dict.get(spec.target)
        if found is None:
            found = self.program.constants.get(spec.target)
        if not isinstance(found, torch.Tensor):
            raise UnsupportedError(
                "the model holds something that is no tensor",
                place=Place(self.source, str(spec.target)),
                found=f"{spec.kind.name}: {type(found).__name__}",
                supported="parameters, buffers and tensors",
            )
        return found.detach()

    def _input(self, spec: Any, node: Any, names: Namer) -> Operand:
        name = getattr(spec.arg, "name", "")
        example = None if node is None else node.meta.get("val")
        if not isinstance(example, torch.Tensor):
            if example is None and hasattr(spec.arg, "value"):
                return spec.arg.value  # an argument that was fixed when the model was exported
            raise UnsupportedError(
                "an input is no tensor",
                place=Place(self.source, name),
                found=type(example).__name__,
                supported="tensors",
            )
        kind = KINDS.get(example.dtype, "")
        if kind in ("", "bool"):
            raise UnsupportedError(
                "an input holds no real numbers",
                place=Place(self.source, name),
                found=example.dtype,
                supported=", ".join(str(t) for t, k in KINDS.items() if k != "bool"),
            )
        shape = self.batch.sample_shape(name, tuple(example.shape), self.source)
        if prod(shape) > MAX_ELEMENTS:
            raise UnsupportedError(
                "an input is larger than a circuit can be",
                place=Place(self.source, name),
                found=f"shape {shape}",
                supported=f"{MAX_ELEMENTS} values",
            )
        batch = 0 if self.traced.batched else None
        return Value(names.name(name, "x"), shape, batch, False, kind)

    # ---- nodes

    def _get_attribute(self, node: Any) -> None:
        """Refuse what stands for a sub-graph: branches and loops that data decide."""
        if node.op != "get_attr":
            raise UnsupportedError(
                "the exported program holds a node of an unknown kind",
                place=where(node, self.source).place,
                found=node.op,
            )
        found = operator.attrgetter(node.target)(self.program.graph_module)
        self.operands[node.name] = Const(found) if isinstance(found, torch.Tensor) else found

    def _read(self, node: Any) -> None:
        at = where(node, self.source)
        try:
            arguments = pytree.tree_map_only(
                torch.fx.Node, self._of, (node.args, dict(node.kwargs))
            )
        except KeyError:
            self.failed.add(node.name)
            return  # the error that left an operand without meaning has been gathered
        try:
            self._follow_length(node)
            self.operands[node.name] = self._checked(node, self._result(node, *arguments))
        except GatewrightError as error:
            self.failed.add(node.name)
            if error.place is None:
                error.place = at.place
                error.args = (error.text(),)
            raise

    def _of(self, node: Any) -> Operand:
        """Return what an argument stands for."""
        return self.operands[node.name]

    def _result(self, node: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Operand:
        """Return what a node stands for."""
        target = node.target
        if target is operator.getitem and isinstance(args[0], list | tuple):
            return args[0][args[1]]
        name = name_of(target)
        if name in HARMLESS:
            return None
        if name in SIZES and isinstance(args[0], Value):
            return args[0].full_shape(self.batch.length)[args[1]]
        at = where(node, self.source, self.ties.get(node.name, ""))
        given = bind(target, args, kwargs)
        self._check_type(node)
        call = Call(self.builder, name, given, at, target, self._shapes(node), _wanted(node))
        if not contains_value([args, list(kwargs.values())]) and can_fold(call, target):
            return fold(call, target, args, kwargs)
        handler, custom = handler_of(name), own_handler(name, given)
        if handler is None and custom is not None:
            return build_own(call, custom)
        if custom is not None:
            raise known(name, at.place)
        if handler is None:
            raise call.unsupported(
                "an operation of PyTorch is not handled",
                found=name,
                supported=", ".join(supported()),
                remedy="express the layer by supported operations, give a handler for a layer of "
                "your own (guide: your own layers), or ask for it to be supported",
            )
        reads_codes = name.startswith("quantized_decomposed") or name.rpartition(".")[0] in MOVES
        if any(isinstance(a, Codes) for a in args) and not reads_codes:
            raise call.unsupported(
                f"{name} computes on quantized integers",
                supported="quantize and dequantize next to each other, then other operators",
                remedy="dequantize in front of it; convert_pt2e(fold_quantize=True) leaves pairs",
            )
        result = handler(call)
        call.finish()
        return result

    def _follow_length(self, node: Any) -> None:
        """Let the length of the batch be part of shapes, but no number to compute with.

        Raises:
            UnsupportedError: an operator takes it as a number.
        """
        if name_of(node.target) in SIZES and self.batch.symbolic:
            whole = self.operands[node.args[0].name]
            if isinstance(whole, Value | Const) and (
                concrete((node.meta["val"],), self.batch.length)[0] % self.batch.length == 0
            ):
                self.lengths.add(node.name)
            return
        if not any(n.name in self.lengths for n in node.all_input_nodes):
            return
        if not isinstance(node.target, torch._ops.OpOverload):
            self.lengths.add(node.name)
            return
        given = bind(node.target, node.args, node.kwargs)
        for argument in node.target._schema.arguments:
            found = given[argument.name]
            if (
                isinstance(found, torch.fx.Node)
                and found.name in self.lengths
                and str(argument.type) in NUMBERS
                and not str(node.target).startswith("aten.arange")
            ):
                raise UnsupportedError(
                    "the module computes with the length of the batch",
                    found=f"{node.target} takes it as its argument {argument.name}",
                    supported="the length of the batch in shapes alone",
                    remedy="write the number itself: a circuit sees one sample at a time",
                )

    def _shapes(self, node: Any) -> tuple[tuple[int, ...], ...]:
        """Return the shapes that PyTorch gives the results."""
        return tuple(concrete(t.shape, self.batch.length) for t in _examples(node))

    def _check_type(self, node: Any) -> None:
        """Refuse results whose type of numbers rounds otherwise than float32, or is complex."""
        for example in _examples(node):
            if example.dtype not in KINDS:
                raise UnsupportedError(
                    "a layer computes with a type of numbers that has no exact meaning here",
                    found=example.dtype,
                    supported=", ".join(map(str, KINDS)),
                    remedy="export the module in float32: module.float()",
                )

    def _checked(self, node: Any, result: Operand) -> Operand:
        """Give results PyTorch's types, and hold their shapes against those of the export."""
        examples = node.meta.get("val")
        if isinstance(result, list | tuple) and isinstance(examples, list | tuple):
            pairs = zip(result, examples, strict=False)
            return tuple(self._same_shape(node, r, e) for r, e in pairs)
        return self._same_shape(node, result, examples)

    def _same_shape(self, node: Any, result: Operand, example: Any) -> Operand:
        if not isinstance(result, Value) or not isinstance(example, torch.Tensor):
            return result
        expected = concrete(example.shape, self.batch.length)
        if result.full_shape(self.batch.length) != expected:
            raise ModelError(
                "a layer's result has another shape than PyTorch gives it",
                found=f"{result} after {name_of(node.target)}",
                supported=f"{expected}",
                remedy="this is a defect of Gatewright: please report the model",
            )
        return replace(result, kind=KINDS.get(example.dtype, result.kind))

    # ---- outputs

    def _outputs(self) -> tuple[Output, ...]:
        specs = self.program.graph_signature.output_specs
        names = iter(_output_names(self.program, [s.kind for s in specs]))
        taken, outputs = Namer(), []
        self.traced.outputs.clear()
        for spec in specs:
            if spec.kind is not OutputKind.USER_OUTPUT:
                self._refuse_state(spec)
                continue
            wanted, name = next(names), getattr(spec.arg, "name", "")
            operand = self.operands.get(name)
            if name in self.failed:
                continue
            if isinstance(operand, Value) and operand.mask is not None:
                raise UnsupportedError(
                    "an output of the model holds minus infinity",
                    place=Place(self.source, wanted),
                    found="masked elements without a softmax behind",
                    supported="finite numbers",
                    remedy="mask with a finite number, or give out what the softmax makes of it",
                )
            if not isinstance(operand, Value) or operand.joined:
                raise UnsupportedError(
                    "an output of the model does not depend on its input as real numbers",
                    place=Place(self.source, wanted),
                    found=str(operand) if isinstance(operand, Value) else _what(operand),
                    supported="values computed from the input, the batch on an axis of its own",
                    remedy="drop outputs that are constant, and dequantize the others",
                )
            outputs.append(Output(taken.name(wanted, "y"), operand.name))
            self.traced.outputs.append(operand.batch)
        return tuple(outputs)

    def _refuse_state(self, spec: Any) -> None:
        """Refuse a module that changes a buffer: it would answer differently the next time."""
        name = getattr(spec.arg, "name", "")
        if isinstance(self.operands.get(name), Value | Codes) or name in self.failed:
            raise UnsupportedError(
                "the module changes its own state when it is called",
                place=Place(self.source, str(spec.target)),
                found=spec.kind.name,
                supported="modules without memory between calls",
                remedy="make the state an input and an output, or export module.eval()",
            )

    def _facts(self) -> dict[str, str]:
        facts = {"framework": "PyTorch", "producer": f"PyTorch {torch.__version__}"}
        fixed = self.traced.module is None or self.batch.length == 1
        if self.traced.batched and not self.batch.symbolic and fixed:
            facts["batch"] = f"exported for batches of {self.batch.length}"
        if not self.traced.batched:
            facts["batch"] = "the module takes single samples"
        for spec, axis in zip(
            self.program.graph_signature.user_outputs, self.traced.outputs, strict=False
        ):
            if axis:
                facts[f"output {spec}"] = f"has its batch on axis {axis} in PyTorch, first here"
        return facts


def _examples(node: Any) -> list[torch.Tensor]:
    """Return the tensors that the export ran a node with."""
    example = node.meta.get("val")
    parts = example if isinstance(example, list | tuple) else [example]
    return [part for part in parts if isinstance(part, torch.Tensor)]


def _wanted(node: Any) -> frozenset[int] | None:
    """Return which of a node's results are used, where all uses take one of them."""
    if not all(user.target is operator.getitem and user.users for user in node.users):
        picked = [u for u in node.users if u.target is not operator.getitem]
        if picked:
            return None
    return frozenset(u.args[1] for u in node.users if u.users)


def _what(operand: Operand) -> str:
    return {Const: "a constant", Codes: "quantized integers"}.get(type(operand), repr(operand))


def _output_names(program: Any, kinds: list[Any]) -> list[str]:
    """Return the names of a module's results: keys of a dictionary, otherwise by their place."""
    count = sum(kind is OutputKind.USER_OUTPUT for kind in kinds)
    if count == 1:
        return ["y"]
    tree = pytree.tree_unflatten(list(range(count)), program.call_spec.out_spec)
    if isinstance(tree, dict) and all(isinstance(v, int) for v in tree.values()):
        return [str(k) for k, _ in sorted(tree.items(), key=lambda pair: pair[1])]
    return [f"y_{i}" for i in range(count)]


def name_of(target: Any) -> str:
    """Return an operator's name with its namespace and overload: `aten.add.Tensor`."""
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    return str(getattr(target, "__name__", target))


def bind(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments by the names of an operator's schema, with defaults filled in."""
    if not isinstance(target, torch._ops.OpOverload):
        return {**{str(i): a for i, a in enumerate(args)}, **kwargs}
    bound: dict[str, Any] = {}
    for i, argument in enumerate(target._schema.arguments):
        if argument.name in kwargs:
            bound[argument.name] = kwargs[argument.name]
        elif i < len(args):
            bound[argument.name] = args[i]
        else:
            bound[argument.name] = argument.default_value
    return bound
