"""After import: run the source model itself, where its framework is there, and compare.

How far a framework's floats may be from the graph's meaning is bounded operation by operation
(`ops.rounding_error`); anything beyond is a mistake of the import, and an error.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewright.base import VerificationError
from gatewright.frontends.read import is_expressions
from gatewright.frontends.tables.recognised import is_logicnets, is_tables
from gatewright.frontends.trees.run import RUNNERS, CannotRunError, library_of
from gatewright.frontends.trees.run import run as run_library
from gatewright.ir import Graph, Reals
from gatewright.ops.rounding_error import FLOAT32, FLOAT64, float_bounds

if TYPE_CHECKING:
    import onnx  # loaded where an ONNX model is: every compilation imports this module

TINY = 1e-300
"""Below what float64 resolves."""

BACKENDS = ("tensorflow", "torch", "jax")
"""Of Keras 3, in the order in which they are looked for."""

SAMPLES = 256
"""Samples that are compared at most."""

TORCH_KINDS = {
    "torch.nn.modules.module.Module",
    "torch.export.exported_program.ExportedProgram",
    "gatewright.frontends.torch.trace.Traced",
}
"""Classes of live models that PyTorch itself runs."""


@dataclass(frozen=True)
class SourceCheck:
    """How an import compared with its source.

    Attributes:
        method: what was run.
        vectors: samples compared; 0 where the source could not be run.
        worst: largest difference found.
        share: largest part of the bound that a difference took up, at most 1.
        detail: why it was not run, if so; or how many answers it could say nothing of.
    """

    method: str
    vectors: int
    worst: float = 0.0
    share: float = 0.0
    detail: str = ""


RUNTIME_TYPES = {"tensor(bool)": np.bool_, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
"""What onnxruntime calls types other than float."""

Run = Callable[[Any, Graph, Mapping[str, Reals]], list[Reals]]


class _CannotRunError(Exception):
    """The source model cannot be run here; the text says why."""


def compare_with_source(
    model: Any, graph: Graph, inputs: Mapping[str, Reals]
) -> tuple[SourceCheck, ...]:
    """Run the source on some samples, every way there is, and compare every output.

    Args:
        model: the path or live model that `graph` was read from.
        graph: as imported, computing on real numbers.
        inputs: real samples by input name.

    Raises:
        VerificationError: an output is further off than rounding of floats can explain.
    """
    part = {
        name: np.asarray(x[:SAMPLES], np.float32).astype(np.float64) for name, x in inputs.items()
    }
    return tuple(_compare(method, run, u, model, graph, part) for method, run, u in _runners(model))


def _compare(
    method: str, run: Run, u: float, model: Any, graph: Graph, inputs: Mapping[str, Reals]
) -> SourceCheck:
    """Run the source one way and compare."""
    try:
        answers = run(model, graph, inputs)
    except _CannotRunError as error:
        return SourceCheck(method, 0, detail=str(error))
    values, bounds = float_bounds(graph, inputs, u)
    count, worst, share = len(next(iter(inputs.values()))), 0.0, 0.0
    uncertain, total = 0, 0
    for output, theirs in zip(graph.outputs, answers, strict=True):
        ours, bound = values[output.value], bounds[output.value]
        if np.size(theirs) != ours.size:
            raise VerificationError(
                "the imported model's result has another shape than its source's",
                place=graph.source,
                found=f"output {output.name}: {ours.shape}",
                supported=f"{np.shape(theirs)}, from {method}",
                remedy="this is a defect of Gatewright: please report the model",
            )
        distance = _distance(ours, np.reshape(theirs, ours.shape).astype(np.float64))
        far = ~(distance <= bound + TINY)
        if far.any():
            over = np.where(far, distance - np.where(far, bound, 0.0), -np.inf)
            index = np.unravel_index(int(np.argmax(over)), distance.shape)
            raise VerificationError(
                "the imported model differs from its source",
                place=graph.source,
                found=f"output {output.name}: {distance[index]:.3g} off at "
                f"{tuple(map(int, index))}, run by {method}",
                supported=f"at most {bound[index]:.3g}, what rounding can explain",
                remedy="this is a defect of Gatewright: please report the model",
            )
        # A bound as wide as the answers themselves would let a mistake pass: that is told.
        finite = ours[np.isfinite(ours)]
        uncertain += int((bound > max(float(np.ptp(finite)) if finite.size else 0.0, 1e-6)).sum())
        total += bound.size
        known = np.isfinite(distance)
        worst = max(worst, float(distance.max(initial=0, where=known)))
        part = np.where(known, distance, 0.0) / np.maximum(bound, TINY)
        share = max(share, float(part.max(initial=0)))
    detail = f"{uncertain:,} of {total:,} answers are too uncertain in floats to compare"
    return SourceCheck(method, count, worst, share, detail if uncertain else "")


def _distance(ours: Reals, theirs: Reals) -> Reals:
    """Return how far answers are apart: nothing where both are infinite alike or no number."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        distance = np.abs(ours - theirs)
    return np.where(same, 0.0, np.where(np.isnan(distance), np.inf, distance))


def _runners(model: Any) -> list[tuple[str, Run, float]]:
    """Return the ways to run a source, with the unit roundoff of each."""
    if isinstance(model, Graph):
        return []  # there is nothing beside it to run
    if callable(getattr(model, "to_graph", None)) and hasattr(model, "predict_codes"):
        return [("the model's own integers", _run_own, 0.0)]
    if isinstance(model, str | Path) and is_tables(Path(model)):
        return [("tables, one after the other (integers)", _run_tables, 0.0)]
    if isinstance(model, str | Path) and Path(model).suffix.lower() == ".npz":
        return [("the file's own integers", _run_trained, 0.0)]
    if is_logicnets(model):
        return []  # each neuron was run when it was enumerated, then the network as a whole
    if is_expressions(model):
        return [("as written, by NumPy or SymPy (float64)", _run_expressions, FLOAT64)]
    suffix = Path(model).suffix.lower() if isinstance(model, str | Path) else ""
    library = "" if suffix in (".keras", ".h5", ".hdf5", ".onnx", ".pt2") else library_of(model)
    if library:
        name, _, u = RUNNERS[library]
        return [(name, _run_trees(library), u)]
    if suffix in (".keras", ".h5", ".hdf5"):
        return [("Keras (float32)", _run_keras_file, FLOAT32)]
    if suffix not in ("", ".onnx", ".pt2"):
        return []  # a format that no library here runs
    if suffix == ".pt2" or is_torch(model):
        from gatewright.frontends.torch.run import roundings

        more = roundings(model)
        return [
            ("PyTorch, ATen operations (float64)", _run_torch("run_float64"), more * FLOAT64),
            ("PyTorch (float32)", _run_torch("run_module"), more * FLOAT32),
        ]
    if hasattr(model, "predict") and hasattr(model, "get_config"):
        return [("Keras (float32)", _run_keras, FLOAT32)]
    return [
        ("ONNX reference evaluator (float64)", _run_reference, _unit_of_reference(model)),
        ("onnxruntime (float32)", _run_onnx, FLOAT32),
    ]


def _run_own(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Return the integers that a model of this package answers, all of one output."""
    return [np.asarray(model.predict_codes(inputs[graph.inputs[0].name]), np.float64)]


def _run_tables(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Compute the tables of a file from the file itself."""
    from gatewright.frontends.tables.files import run_tables

    return [run_tables(Path(model), inputs[graph.inputs[0].name])]


def _run_trained(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Compute the tables of a trained network from its file."""
    from gatewright.frontends.tables.trained import run_trained

    return [run_trained(Path(model), inputs[graph.inputs[0].name])]


def is_torch(model: Any) -> bool:
    """Say whether a live model is one of PyTorch that is read through `torch.export`."""
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    return not hasattr(model, "get_config") and bool(kinds & TORCH_KINDS)


def _run_expressions(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Compute expressions as they are written."""
    from gatewright.frontends.expressions import replay

    answers = replay(model, inputs)
    return [answers[output.name] for output in graph.outputs]


def _run_torch(way: str) -> Run:
    """Return a way to run a PyTorch model."""

    def run(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
        from gatewright.frontends.torch import run as torch_run

        try:
            answers: list[Reals] = getattr(torch_run, way)(
                model, [inputs[i.name] for i in graph.inputs]
            )
        except (AssertionError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
            raise _CannotRunError(f"it cannot run the model: {type(error).__name__}") from None
        return answers

    return run


def _run_trees(library: str) -> Run:
    """Return a way to run a forest."""

    def run(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
        try:
            return [run_library(library, model, graph, inputs[graph.inputs[0].name])]
        except CannotRunError as error:
            raise _CannotRunError(str(error)) from None

    return run


def _load_onnx(model: Any) -> onnx.ModelProto:
    """Return an ONNX model that only holds standard operators."""
    import onnx

    loaded = onnx.load(str(model)) if isinstance(model, str | Path) else model
    foreign = {
        n.op_type for n in loaded.graph.node if n.domain not in ("", "ai.onnx", "ai.onnx.ml")
    }
    foreign |= {n.op_type for n in loaded.graph.node} & {"Quant", "IntQuant", "BipolarQuant"}
    if foreign:
        raise _CannotRunError(f"it does not know {', '.join(sorted(foreign))} (QONNX)")
    return loaded


ROUNDED = frozenset({"Gelu", "HardSwish", "Selu"})
"""Operators whose definition holds constants in float32, also where they compute in float64."""


def _unit_of_reference(model: Any) -> float:
    """Return the unit roundoff of what ONNX's evaluator computes for a model made float64."""
    import onnx

    loaded = onnx.load(str(model)) if isinstance(model, str | Path) else model
    return FLOAT32 if ROUNDED & {n.op_type for n in loaded.graph.node} else FLOAT64


def _refuse_reference(model: onnx.ModelProto) -> None:
    """Leave out the evaluator where it does not compute what ONNX says (its version 1.22)."""
    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    kinds = {n.op_type for n in model.graph.node}
    if "BatchNormalization" in kinds and opset < 14:
        raise _CannotRunError("its BatchNormalization before opset 14 is that of training")
    if any(n.domain == "ai.onnx.ml" for n in model.graph.node):
        raise _CannotRunError("its trees compare numbers of float32")
    if "GlobalMaxPool" in kinds:
        raise _CannotRunError("its GlobalMaxPool takes two axes, however many there are")


def _run_reference(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Run an ONNX model made float64 with the evaluator that comes with ONNX."""
    from onnx.reference import ReferenceEvaluator

    try:
        loaded = _load_onnx(model)
        _refuse_reference(loaded)
        evaluator = ReferenceEvaluator(in_float64(loaded))
        whole = [_is_whole(i) for i in evaluator.proto_.graph.input]
        arrays = [
            inputs[i.name].astype(np.int64) if w else inputs[i.name]
            for i, w in zip(graph.inputs, whole, strict=False)
        ]
        shapes = [_shape(i) for i in evaluator.proto_.graph.input][: len(arrays)]
        names = evaluator.input_names[: len(arrays)]
        return _in_batches(lambda feeds: evaluator.run(None, feeds), names, shapes, arrays)
    except (IndexError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise _CannotRunError(f"it cannot run the model: {type(error).__name__}") from None


def _has_stash(op_type: str, model: onnx.ModelProto) -> bool:
    """Say whether an operator has an attribute for the type in which it computes."""
    import onnx

    opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if not onnx.defs.has(op_type, opset):
        return False
    return "stash_type" in onnx.defs.get_schema(op_type, opset).attributes


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that computes in float64: every float tensor and type is made double."""
    import onnx

    single, wide = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    double = onnx.ModelProto()
    double.CopyFrom(model)
    graph = double.graph
    for tensor in graph.initializer:
        _widen(tensor)
    for node in graph.node:
        if _has_stash(
            node.op_type, model
        ):  # the type of its statistics, float32 where it is left out
            kept = [a for a in node.attribute if a.name != "stash_type"]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("stash_type", wide)])
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _widen(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == single:
                attribute.i = wide
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = wide
    return double


def _widen(tensor: onnx.TensorProto) -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT:
        array = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]


def _is_whole(value: onnx.ValueInfoProto) -> bool:
    """Say whether an input takes integers."""
    from onnx import TensorProto

    return value.type.tensor_type.elem_type in (TensorProto.INT32, TensorProto.INT64)


def _in_batches(
    run: Callable[[dict[str, np.ndarray]], Any],
    names: list[str],
    shapes: list[list[int | str]],
    arrays: Sequence[np.ndarray],
) -> list[Reals]:
    """Run all samples at once, or one by one where the model's batch is fixed."""
    if not any(shape and isinstance(shape[0], int) and shape[0] for shape in shapes):
        return list(run(dict(zip(names, arrays, strict=True))))
    rows = []
    for k in range(len(arrays[0])):
        one = [
            a[k : k + 1].reshape([int(n) if isinstance(n, int) else -1 for n in shape])
            for a, shape in zip(arrays, shapes, strict=True)
        ]
        rows.append(run(dict(zip(names, one, strict=True))))
    return [np.stack([np.asarray(row[i]).ravel() for row in rows]) for i in range(len(rows[0]))]


def _run_onnx(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Run an ONNX model with onnxruntime, one thread, no optimisation."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise _CannotRunError("it is not installed")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    text = _load_onnx(model).SerializeToString()
    try:
        session = onnxruntime.InferenceSession(text, options)
    except Exception as error:  # onnxruntime's errors share no base class
        raise _CannotRunError(f"it refuses the model: {type(error).__name__}") from None
    feeds = session.get_inputs()
    kinds = [RUNTIME_TYPES.get(f.type, np.float32) for f in feeds]
    given = zip(graph.inputs, kinds, strict=True)
    arrays: list[np.ndarray] = [inputs[i.name].astype(kind) for i, kind in given]
    return _in_batches(
        lambda given: session.run(None, given),
        [f.name for f in feeds],
        [f.shape for f in feeds],
        arrays,
    )


def _why_not_loaded(error: Exception) -> str:
    """Return the gist of an error of Keras, which quotes whole configurations."""
    unknown = re.search(r"Could not locate class '(\w+)'", str(error))
    if unknown:
        return f"the package of class {unknown[1]} is not installed"
    return type(error).__name__


def _run_keras_file(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Load a Keras file in safe mode and run it."""
    if importlib.util.find_spec("keras") is None:
        raise _CannotRunError("it is not installed")
    try:
        with _a_backend():
            import keras

        loaded = keras.models.load_model(str(model), compile=False, safe_mode=True)
    except Exception as error:
        raise _CannotRunError(f"it cannot load the file: {_why_not_loaded(error)}") from None
    return _run_keras(loaded, graph, inputs)


@contextmanager
def _a_backend() -> Iterator[None]:
    """Let Keras 3, when it is imported first, take a backend that is installed.

    It would take TensorFlow where nothing is said, and fail without.
    """
    chosen = "KERAS_BACKEND" in os.environ or "keras" in sys.modules
    known = (name for name in BACKENDS if importlib.util.find_spec(name) is not None)
    backend = None if chosen else next(known, None)
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend
    try:
        yield
    finally:
        if backend is not None:
            del os.environ["KERAS_BACKEND"]


@contextmanager
def _forgetting(model: Any) -> Iterator[None]:
    """Let layers that keep their state begin each sample anew, as the samples here are."""
    layers = model._flatten_layers() if hasattr(model, "_flatten_layers") else ()
    keeping = [layer for layer in layers if getattr(layer, "stateful", None) is True]
    for layer in keeping:
        layer.stateful = False
    if keeping:
        model.predict_function = None  # compiled before, it would go on keeping them
    try:
        yield
    finally:
        for layer in keeping:
            layer.stateful = True
        if keeping:
            model.predict_function = None


def _run_keras(model: Any, graph: Graph, inputs: Mapping[str, Reals]) -> list[Reals]:
    """Run a live Keras model, whose inputs and outputs may be mappings by name."""
    arrays = {i.name: inputs[i.name].astype(np.float32) for i in graph.inputs}
    form = getattr(model, "_inputs_struct", None)
    given: Any = list(arrays.values()) if len(arrays) > 1 else next(iter(arrays.values()))
    try:
        if isinstance(form, dict):
            given = {key: arrays[tensor.name] for key, tensor in form.items()}
        with _forgetting(model):
            answers = model.predict(given, verbose=0)
        if isinstance(answers, dict):
            answers = [answers[output.name] for output in graph.outputs]
    except (KeyError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise _CannotRunError(f"it cannot run the model: {type(error).__name__}") from None
    found = list(answers) if isinstance(answers, list | tuple) else [answers]
    if len(found) != len(graph.outputs):
        raise _CannotRunError(f"it gives {len(found)} results for {len(graph.outputs)} outputs")
    return found
