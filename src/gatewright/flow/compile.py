"""From a model to a design: the one place that knows the whole way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from gatewright.arch import Built, Lowered, offload
from gatewright.arch import plan as plan_folded
from gatewright.arch.planner import ASKED
from gatewright.arch.stream_forests import parallel_luts
from gatewright.base import DataError, FormatError, OptionError
from gatewright.flow.bound import as_bound, bounded, bounded_facts, check_alone, one_format
from gatewright.flow.budget import budget_of
from gatewright.flow.design import Design, Progress
from gatewright.flow.forest_facts import forests_before
from gatewright.flow.given import check_data, check_input_format, with_input_format
from gatewright.flow.host import Data, as_inputs
from gatewright.flow.import_check import against_source, metrics, replay
from gatewright.flow.missing import settle_missing, with_missing
from gatewright.flow.options import Options
from gatewright.flow.steps import Steps
from gatewright.flow.streams import build_streams, read_plan, rebuild_streams
from gatewright.flow.streams.plans import GivenPlan, GivenPlans, check_plan_options
from gatewright.flow.streams.state import as_events, encoded, with_state
from gatewright.frontends import CustomHandler, read_model, with_score
from gatewright.ir import Graph, Plan, Reals, infer
from gatewright.num import Fixed, Ints
from gatewright.ops import Forest
from gatewright.passes.graph import gather_dense, host_input, prune, streamline
from gatewright.passes.lower import lower
from gatewright.passes.netlist import pipeline, recode
from gatewright.passes.netlist.optimise import optimise
from gatewright.quantize import Formats, Quantized, quantize
from gatewright.quantize.bounded import Bounded
from gatewright.quantize.formats import ROLES
from gatewright.quantize.structure import is_grained, move_to_host

EVERYONES_NAME = re.compile(
    r"(functional|sequential|model|graph|main_graph|torch[-_]jit[-_]export|tf2onnx)?([-_]?\d+)?",
    re.I,
)
"""What frameworks call a model that was not given a name."""


def compile(
    model: Any,
    *,
    calibration: Data | None = None,
    labels: ArrayLike | None = None,
    tolerance: float | None = None,
    max_error: float | None = None,
    clock: str | float = "200 MHz",
    device: str = "xcvu13p",
    reuse: int | None = None,
    latency: int | None = None,
    max_luts: int | None = None,
    max_dsps: int | None = None,
    max_latency: int | str | None = None,
    ii: int | None = None,
    throughput: float | None = None,
    max_brams: int | None = None,
    ports: str = "valid",
    stateful: bool | str | Sequence[str] | None = None,
    event_steps: int | None = None,
    varied_length: bool = False,
    plan: GivenPlan | None = None,
    formats: Mapping[str, str] | None = None,
    input_format: str | Mapping[str, str] | None = None,
    granularity: str = "channel",
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    inputs: Any = None,
    name: str | None = None,
    custom: Mapping[str, CustomHandler] | None = None,
    score: str | None = None,
    missing: float | None = None,
    progress: Progress | None = None,
) -> Design:
    """Compile a trained model to a circuit.

    Args:
        model: path of a Keras, ONNX or `.pt2` file, or a live object that a frontend takes.
        calibration: real inputs (samples, ...), or arrays by input name. Needed for a model that
            is not quantized; for one that is, they are what verification runs on first.
        labels: class of each calibration sample; then accuracy is what `tolerance` speaks of.
        tolerance: how much the task's metric may drop by quantization of a float model.
        max_error: for an expression: largest distance of an output from the real one, for every
            input that the formats hold (or that lies in the range of `calibration`). Formats are
            chosen for it, and the bound is derived; see the guide `expressions.md`.
        clock: what registers are placed for: `400 MHz`, `2.5 ns`, or a number of MHz.
        device: a part from `gatewright devices`.
        reuse: reuse factor (cycles each multiplier serves); None lets size decide.
        latency: cycles from input to answer, a contract that retraining keeps: registers fill up
            what the circuit does not need. None takes the fewest that the clock allows.
        max_luts: LUTs, as estimated, that the design may take; None: what the device has. A
            design that needs more is folded, unless `reuse` says how it is built.
        max_dsps: DSP blocks that products may be put into, largest saving of LUTs first; by
            default none, on streams what the device has.
        max_latency: longest latency at the clock, in cycles or as a time (`100 ns`).
        ii: most cycles from one event to the next. Above 1, the design works on streams: beats of
            some elements travel between operations that share their hardware among them.
        throughput: the same as events a second.
        max_brams: block memories (36 Kbit) that the design may take; None: what the device has.
        ports: `valid`, whose beats come at a stated pace and are always taken; `stream`, with
            `valid` and `ready`; `axi-stream`. The latter two make a design on streams.
        stateful: whether recurrent layers keep their state from event to event, until a reset;
            True for all, or names of layers. None: those that the model says keep it (`stateful`
            of Keras). Makes a design on streams; see the guide `state.md`.
        event_steps: steps of an event where all recurrent layers keep their state, 1 for an answer
            at every tick; by default as many as the model has.
        varied_length: an event may end before the model's last step: one more element in each row
            of the sequence says whether the event has it, and TLAST of AXI4-Stream ends it.
        plan: the plan of a design on streams, a `plan.json` that was written with one or its
            content, edited or not. What it leaves out is planned.
        formats: number formats by layer pattern, `{"dense_*.weight": "fixed<6,1>"}`.
        input_format: format of the input where the model does not quantize it; with `max_error`
            also formats by the names of inputs or columns.
        granularity: how formats are chosen for a float model. `channel`: each channel its own, and
            weights of few signed digits, for parallel circuits. `tensor`: one for all elements of
            a tensor, and weights of 8 bits with one binary point an output, for circuits that work
            off one channel after the other.
        weight_bits: most bits of a weight of a float model; None: no limit by `channel`, 8 by
            `tensor`.
        activation_bits: most bits of what layers multiply, of a float model; None: no limit.
        inputs: shape of one sample, or shapes by input name, for a live PyTorch module without
            calibration data; those tell the shapes otherwise.
        name: name of the top module; by default the model's, or its file's where the model only
            has the name that its framework gives to all.
        custom: handlers of your own layers, by class name; see the guide `your-own-layers.md`.
        score: make an anomaly score the only output: `mse` (of an autoencoder), `mean-square`,
            `sum-square` or `kl`, with `:NAME` for an output or layer to make it of.
        missing: number that stands for a missing value in the firmware's input, for a forest that
            knows where missing values go; NaN in data becomes this number.
        progress: called with (what, done, total).

    Raises:
        GatewrightError: bad input or an impossible option; nothing has been written.
    """
    options = Options.of(
        clock, device, reuse, latency, max_luts, max_dsps, max_latency, ii, throughput, max_brams,
        ports, stateful, event_steps, varied_length,
    )  # fmt: skip
    check_plan_options(options, plan)
    grain = Formats((), granularity, weight_bits, activation_bits)
    grain.check_options()
    steps = Steps(progress)
    steps.begin("read model")
    imported = read_model(model, custom, calibration if inputs is None else inputs)
    imported = replace(imported, name=str(name or _own_name(imported.name, model)))
    options = options.with_state_of(imported.stateful, imported.source)
    imported = with_missing(imported, missing)
    source = imported if score is None else with_score(imported, score)
    data = None if calibration is None else as_inputs(source, calibration)
    classes = check_data(data, labels)
    steps.end()
    facts: dict[str, Any] = {
        "model": dict(source.facts), "source": source.source, "forests": forests_before(source),
    }  # fmt: skip
    quantized: Quantized | Bounded | None
    if max_error is not None:
        check_alone(labels=labels, tolerance=tolerance, formats=formats, grain=grain)
        steps.begin("quantize")
        quantized = bounded(source, max_error, input_format, data)
        graph = prune(quantized.graph)
        facts["quantization"] = bounded_facts(source, quantized)
        facts["bound"] = as_bound(source, quantized)
        steps.end()
    else:
        graph, quantized = _to_integers(
            source, data, classes, tolerance, formats, one_format(input_format), grain, steps
        )
        if quantized is not None:
            facts["quantization"] = quantization_facts(quantized)
    graph = settle_missing(graph)
    graph = gather_dense(graph, options.max_dsps or 0)
    steps.begin("check import")
    facts["import_check"] = replay(source, graph, data, quantized)
    facts["source_checks"] = [asdict(c) for c in against_source(model, imported, graph, data)]
    steps.end()
    plans = None if plan is None else read_plan(plan, with_state(graph, options))
    design = _build(graph, options, steps, plans)
    design.facts_of_model = facts
    if data is not None:
        events = as_events(design.graph, graph, data)
        design.calibration = encoded(design.graph, graph, events)
        design.labels = classes if len(next(iter(events.values()))) == _count(data) else None
        facts["metrics"] = metrics(source, design, data, classes)
    return design


def _count(data: Mapping[str, Reals]) -> int:
    return len(next(iter(data.values())))


def _own_name(name: str, model: Any) -> str:
    """Return a name that tells one model from another."""
    if isinstance(model, str | Path) and EVERYONES_NAME.fullmatch(name):
        return Path(model).stem
    return name


def _to_integers(
    source: Graph,
    data: dict[str, Reals] | None,
    labels: Ints | None,
    tolerance: float | None,
    formats: Mapping[str, str] | None,
    input_format: str | None,
    grain: Formats,
    steps: Steps,
) -> tuple[Graph, Quantized | None]:
    """Return the integer graph, by the model's own quantizers or by quantizing it."""
    steps.begin("quantize")
    graph = source
    if input_format is not None:
        check_input_format(source, input_format)
        graph = with_input_format(graph, Fixed.parse(str(input_format)))
    graph = host_input(streamline(graph))
    if not _is_integer(graph):
        ended, _ = move_to_host(graph)  # a softmax is all that may be left of real numbers
        graph = ended if _is_integer(ended) else graph
    quantized = None
    leaves = _leaves_to_round(graph, input_format is not None, data, tolerance)
    if not _is_integer(graph) or formats or leaves:
        if data is None:
            infer(graph)  # says what is missing
            raise DataError(
                "formats were given for a model that is quantized already", found=formats
            )
        steps.end()
        steps.prepare_solver()
        steps.begin("quantize")
        quantized = quantize(
            source,
            data,
            labels=labels,
            tolerance=tolerance,
            formats=replace(grain, rules=_rules(formats or {}, input_format)),
            progress=steps.progress,
        )
        graph = quantized.graph
    elif tolerance is not None:
        raise OptionError(
            "a tolerance was given for a model that is quantized already",
            found=tolerance,
            supported="models whose formats are to be chosen",
            remedy="leave the tolerance out: such a model is built exactly as it is",
        )
    elif grain != Formats():
        raise OptionError(
            "how to choose formats was said for a model that is quantized already",
            found=f"granularity {grain.granularity!r}, weight_bits {grain.weight_bits}, "
            f"activation_bits {grain.activation_bits}",
            supported="models whose formats are to be chosen",
            remedy="leave these options out: such a model is built exactly as it is",
        )
    steps.end()
    return prune(graph), quantized  # what no output needs is no part of the firmware


def _rules(
    formats: Mapping[str, str], input_format: str | None
) -> tuple[tuple[str, str, str], ...]:
    """Read `{"dense_*.weight": "fixed<6,1>"}`; a rule without a role is about the activation."""
    if not isinstance(formats, Mapping):
        raise OptionError(
            "formats are given by layer pattern",
            found=formats,
            supported='a dictionary such as {"dense_*.weight": "fixed<6,1>"}',
        )
    rules = [("*", "input", input_format)] if input_format else []
    for key, fmt in formats.items():
        pattern, dot, role = key.rpartition(".")
        known = bool(dot) and role in ROLES
        rules.append((pattern, role, fmt) if known else (key, "activation", fmt))
    return tuple(rules)


def quantization_facts(quantized: Quantized) -> dict[str, Any]:
    """Return how a float model was quantized, as plain data."""
    facts = {f.name: getattr(quantized, f.name) for f in fields(quantized) if f.name != "graph"}
    facts["choices"] = [asdict(choice) for choice in quantized.choices]
    plain = json.dumps(facts, default=str)
    return dict(json.loads(plain))


def _is_integer(graph: Graph) -> bool:
    """Whether a graph computes on integers throughout, with weights that were made for it."""
    return graph.is_fixed and not any(
        getattr(node.op, "out", ...) is None or getattr(node.op, "formats", ...) is None
        for node in graph.nodes
    )


def _leaves_to_round(
    graph: Graph, given: bool, data: dict[str, Reals] | None, tolerance: float | None
) -> bool:
    """Whether a forest on inputs of a fixed format has leaves that are to be rounded.

    So it is where calibration data say what they are good for, and the leaves are as training left
    them. Leaves of few bits were made for hardware: they stay, unless a tolerance is given and the
    input's format is the user's. Without data all leaves stay, to the bit.

    Args:
        graph: whose inputs have formats.
        given: the input's format is the user's.
        data: for calibration.
        tolerance: as given.

    Raises:
        OptionError: there is a tolerance, and no data to measure a loss on.
    """
    forests = [node.op for node in graph.nodes if isinstance(node.op, Forest)]
    real = any(not is_grained(forest.leaves, forest.base) for forest in forests)
    wanted = real or (bool(forests) and given and tolerance is not None)
    if wanted and data is None and tolerance is not None:
        raise OptionError(
            "a tolerance was given for a forest without calibration data",
            place=graph.source,
            found=tolerance,
            supported="calibration data, on which the loss is measured",
            remedy="give them, or leave the tolerance out: leaves are then kept to the bit",
        )
    if real and data is None:
        _check_exact(graph, forests)
    return wanted and data is not None


def _check_exact(graph: Graph, forests: Sequence[Forest]) -> None:
    """Refuse leaves that no firmware can keep to the bit, as those of float64 often are."""
    try:
        for forest in forests:
            forest.words()
    except FormatError as error:
        raise DataError(
            "the leaves of a forest have too many bits to be built as they are",
            place=graph.source,
            found=error.found,
            supported="leaves and sums of up to 62 bits (float32 leaves mostly are), or rounded",
            remedy="give calibration data, on which leaves are rounded within a tolerance",
        ) from None


def _build(
    graph: Graph,
    options: Options,
    steps: Steps,
    plans: GivenPlans | None = None,
) -> Design:
    """Plan, lower, optimise, pipeline and emit an integer graph, within the limits."""
    if plans is not None or options.asks_for_streams or _walks_instead(graph, options):
        return build_streams(graph, options, steps, plans)
    budget = budget_of(graph, options, partial(_circuit, graph, options, steps))
    found = budget.find()
    design = Design(
        graph, found.lowered.netlist, found.lowered.circuit, found.module, options, found.planned,
        tuple(budget.tried), timings=steps.timings, progress=steps.progress,
    )  # fmt: skip
    steps.begin("emit")
    design.emit()
    steps.end()
    return design


def _walks_instead(graph: Graph, options: Options) -> bool:
    """Whether a forest is too large for a circuit of all its trees, and may be walked instead.

    As products are folded: unless the user said how the design is built.
    """
    free = options.reuse is None and options.latency is None and options.interval is None
    return free and parallel_luts(graph) > options.limits.luts


def _circuit(graph: Graph, options: Options, steps: Steps, reuse: int | None, dsps: int) -> Built:
    """Build a circuit for a reuse factor and a number of DSP blocks."""
    steps.begin("plan")
    planned = plan_folded(
        graph, reuse, ASKED if reuse == options.reuse else "folded to meet the limits"
    )
    steps.end()
    if any(choice.plan.is_parallel for choice in planned.choices):
        steps.prepare_solver()
    build = partial(_lowered, graph, steps)
    lowered = build(planned.plans)
    if dsps:
        clock = options.clock_for(lowered.circuit)
        planned, lowered = offload(graph, planned, lowered, build, dsps, clock, options.device)
    steps.begin("pipeline")
    clock = options.clock_for(lowered.circuit)
    module = pipeline(lowered.circuit, clock, options.latency)
    steps.end()
    return Built(planned, lowered, module)


def _lowered(graph: Graph, steps: Steps, plans: Mapping[str, Plan]) -> Lowered:
    """Build and optimise a circuit for the plans of the operations, without registers."""
    steps.begin("lower")
    # RTL tells which model it computes, not where that stood on someone's disk.
    netlist = lower(graph.with_source(Path(graph.source).name), plans, steps.progress)
    steps.end()
    steps.begin("optimise")
    netlist = optimise(netlist)
    circuit = recode(netlist)
    steps.end()
    return Lowered(netlist, circuit)


def rebuild(
    graph: Graph,
    options: Options,
    progress: Progress | None = None,
    stream: Mapping[str, Any] | None = None,
) -> Design:
    """Build a design again from its integer graph, as `compile` did.

    Args:
        graph: the integer model.
        options: as they were.
        progress: told of the steps.
        stream: what a design on streams keeps of its plan (`Design.plan_description`).
    """
    if stream is None:
        return _build(graph, options, Steps(progress))
    return rebuild_streams(graph, options, Steps(progress), stream)
