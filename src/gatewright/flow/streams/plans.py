"""In which beats every value travels: what the planner chose, or what a plan file says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from gatewright._version import __version__
from gatewright.arch.stream_plan import StreamPlan
from gatewright.base import FileError, OptionError, Place
from gatewright.flow.options import Options, check_count
from gatewright.ir import Graph, Node, Plan, infer
from gatewright.num import Intervals
from gatewright.ops import Forest
from gatewright.passes.streams import Loop, roll
from gatewright.passes.streams.loop_folded import foldable
from gatewright.streams.registers import BITS

PLAN = "plan.json"
FORMAT = 1

WRITABLE = ("writable", "weight_bits", "bias_bits")
"""Whether weights can be written while the design runs, and their formats."""

FOLDING = ("beat", "taken", "bits", "memory", "multipliers")
"""What a user may change for a product within a recurrent cell."""

VALUES = (*FOLDING, "lanes", "unroll", "cell", *WRITABLE)
"""What a user may change for a node or an input."""

TOLD = ("layer", "operation", "shape", "reason")
"""What stands beside it for people."""

WORDS = {
    "memory": ("auto", "distributed", "block"),
    "multipliers": ("auto", "lut", "dsp"),
}
"""Where constants and lines are kept, and what multiplies."""

MOST_BYTES = 1 << 26
MOST_NAMES = 12
MOST_LANES = 1 << 20

GivenPlan = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class GivenPlans:
    """A plan that somebody wrote.

    Attributes:
        plans: by node and input.
        interval: that the rest is planned for; None: as the options say.
    """

    plans: dict[str, Plan]
    interval: int | None = None


def read_plan(given: GivenPlan, graph: Graph) -> GivenPlans:
    """Return the plans by node and input that a plan file, or its content, states.

    Args:
        given: path of a `plan.json`, what it holds, or only its `plans`.
        graph: the integer model that it is about.

    Raises:
        FileError: the file cannot be read, or is no plan.
        OptionError: it names an unknown node or value, or a beat that cannot be; the place is the
            node.
    """
    place, content = "plan", given
    if isinstance(given, str | Path):
        place, content = str(given), _content(Path(given))
    if not isinstance(content, Mapping):
        raise OptionError(
            "a plan is given by node", found=type(content).__name__,
            supported='a path, or a dictionary such as {"dense": {"beat": 4}}',
        )  # fmt: skip
    interval = None
    if "plans" in content and isinstance(content["plans"], Mapping) and "format" in content:
        if content["format"] != FORMAT:
            raise FileError(
                "a plan was written by another version", place=place,
                found=f"format {content['format']}", supported=f"format {FORMAT}",
            )  # fmt: skip
        interval = check_count("planned_for of a plan", content.get("planned_for"), least=1)
        content = content["plans"]
    elif isinstance(given, str | Path):
        raise FileError(
            "the file is not a plan", place=place, supported="what `gatewright compile` writes as "
            f"{PLAN}: an object with `format` and `plans`",
        )  # fmt: skip
    graph = roll(graph)
    sizes = {i.name: prod(i.shape) for i in graph.inputs}
    sizes |= {name: kind.size for name, kind in infer(graph).items()}
    plans = {str(name): _plan(str(name), value, sizes, place) for name, value in content.items()}
    loops = {node.name: node.op for node in graph.nodes if isinstance(node.op, Loop)}
    trees = {node.name: node.op.trees for node in graph.nodes if isinstance(node.op, Forest)}
    inputs = {i.name for i in graph.inputs}
    for name, plan in plans.items():
        _check_applies(plan, name in inputs, name in loops, Place(place, name))
        _check_lanes(plan, trees.get(name, 0), Place(place, name))
    for name, value in content.items():
        own = value.cell if isinstance(value, Plan) else value.get("cell")
        if own not in (None, ()):
            cell = _cell(own, loops.get(name), Place(place, name))
            plans[name] = replace(plans[name], cell=cell)
    return GivenPlans(plans, interval)


def check_plan_options(options: Options, plan: GivenPlan | None) -> None:
    """Raise `OptionError` where a plan was given beside options for designs without streams."""
    asked = {"reuse": options.reuse, "latency": options.latency}
    given = [f"{name} = {value}" for name, value in asked.items() if value is not None]
    if plan is not None and given:
        raise OptionError(
            "a plan is for designs on streams",
            found=", ".join(["plan", *given]),
            supported="a plan, ii, throughput and ports together",
            remedy="leave the plan out, or the others",
        )


def _content(path: Path) -> Any:
    """Read a file that should be a plan."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise FileError("a plan is too large", place=str(path))
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FileError("a plan cannot be read", place=str(path), found=error.strerror) from None
    except (ValueError, RecursionError) as error:
        raise FileError("a plan is no JSON", place=str(path), found=error) from None


def _plan(name: str, value: Any, sizes: Mapping[str, int], place: str) -> Plan:
    """Return the plan of one node."""
    where = Place(place, name)
    if name not in sizes:
        near = get_close_matches(name, sizes, n=3)
        known = ", ".join(list(sizes)[:MOST_NAMES]) + (" ..." if len(sizes) > MOST_NAMES else "")
        raise OptionError(
            "the plan names a node that the model does not have", place=where, found=name,
            supported=known, remedy=f"did you mean {' or '.join(near)}?" if near else "",
        )  # fmt: skip
    if isinstance(value, Plan):
        value = {key: getattr(value, key) for key in VALUES}
    if not isinstance(value, Mapping):
        raise OptionError(
            "the plan of a node is an object", place=where, found=repr(value),
            supported='such as {"beat": 4}',
        )  # fmt: skip
    unknown = [str(key) for key in value if key not in VALUES + TOLD]
    if unknown:
        raise OptionError(
            "a plan has a value that is not known", place=where, found=", ".join(unknown),
            supported=", ".join(VALUES),
        )  # fmt: skip
    beat = _number(value, "beat", where, sizes[name])
    taken = _number(value, "taken", where, max(sizes.values()))
    words = {key: value.get(key, "auto") for key in WORDS}
    if words["memory"] == "ultra":
        _refuse_ultra(where, bool(value.get("writable", False)))
    for key, word in words.items():
        if word not in WORDS[key]:
            raise OptionError(
                f"`{key}` of a plan is not known", place=where, found=repr(word),
                supported=", ".join(WORDS[key]),
            )  # fmt: skip
    lanes = _number(value, "lanes", where, MOST_LANES)
    flags = {key: value.get(key, False) for key in ("unroll", "writable")}
    for key, flag in flags.items():
        if not isinstance(flag, bool):
            raise OptionError(
                f"`{key}` of a plan is a yes or no", place=where, found=repr(flag),
                supported="true, false",
            )  # fmt: skip
    serial, *bits = (_number(value, k, where, BITS) for k in ("bits", "weight_bits", "bias_bits"))
    return Plan(
        beat=beat, taken=taken, bits=serial, lanes=lanes, unroll=flags["unroll"],
        writable=flags["writable"], weight_bits=bits[0], bias_bits=bits[1], **words,
    )  # fmt: skip


def _check_applies(plan: Plan, is_input: bool, is_loop: bool, where: Place) -> None:
    """Raise `OptionError` where a plan asks for what its node, or the rest of it, leaves unused."""
    idle = {
        "on an input, which has a beat alone": is_input and plan != Plan(beat=plan.beat),
        "`unroll` of a node that is no recurrent layer's loop": plan.unroll and not is_loop,
        "formats of weights that are not writable": not plan.writable
        and bool(plan.weight_bits or plan.bias_bits),
        "`bits` beside `writable`: bit by bit, weights are part of the circuit": plan.writable
        and plan.bits > 0,
        "`bits` beside `taken`: bit by bit, a row is taken whole": plan.taken > 0 and plan.bits > 0,
    }
    _refuse(idle, where)


def _refuse(idle: Mapping[str, bool], where: Place) -> None:
    """Raise `OptionError` for the first that holds of what would not be used."""
    for what, holds in idle.items():
        if holds:
            raise OptionError(
                "a plan asks for what would not be used", place=where, found=what,
                remedy="leave it out",
            )  # fmt: skip


def _check_lanes(plan: Plan, trees: int, where: Place) -> None:
    """Raise `OptionError` where a plan and a forest, or none, do not go together."""
    idle = {
        "`lanes` of a node that is no forest": plan.lanes > 0 and not trees,
        "`taken`, `bits` or `multipliers` of a forest, which multiplies nothing": trees > 0
        and bool(plan.taken or plan.bits or plan.multipliers != "auto"),
    }
    _refuse(idle, where)
    if plan.lanes > trees:
        raise OptionError(
            "`lanes` of a plan is impossible", place=where, found=plan.lanes,
            supported=f"1 to {trees:,}, the trees of the forest",
        )  # fmt: skip


def _cell(value: Any, op: Loop | None, place: Place) -> tuple[tuple[str, Plan], ...]:
    """Return the plans of the products of a recurrent cell."""
    if op is None:
        raise OptionError(
            "only a recurrent layer has a `cell` to plan", place=place,
            supported="`cell` in the plan of a layer's loop",
        )  # fmt: skip
    if isinstance(value, tuple):
        return value
    sizes = {node.name: op.what.types[node.name].size for node in foldable(op.what.cell)}
    if not isinstance(value, Mapping) or not all(isinstance(v, Mapping) for v in value.values()):
        raise OptionError(
            "`cell` of a plan is an object of objects", place=place, found=repr(value),
            supported='such as {"gru/recurrent": {"beat": 4, "taken": 20}}',
        )  # fmt: skip
    for name, own in value.items():
        strange = [str(key) for key in own if key not in FOLDING]
        if strange:
            raise OptionError(
                "the plan of a product in a recurrent cell has a value that is not known",
                place=Place(str(place), name), found=", ".join(strange),
                supported=", ".join(FOLDING),
            )  # fmt: skip
    most = {name: max(op.what.types[n].size for n in op.what.types) for name in sizes}
    return tuple((name, _plan(name, own, most, str(place))) for name, own in value.items())


def _refuse_ultra(where: Place, writable: bool) -> None:
    """Raise `OptionError`: UltraRAM of UltraScale+ has no contents until they are written."""
    if writable:
        found = "weights that are written at run time: until then a design is not the model"
        remedy = 'give "memory": "block": such weights are the model\'s own from power-up on'
    else:
        found = "constants, or lines that are planned like them: a bitstream does not fill UltraRAM"
        remedy = 'give "memory": "block" or "distributed", or leave it out'
    raise OptionError(
        "UltraRAM cannot hold what has to be there at power-up", place=where, found=found,
        supported=", ".join(WORDS["memory"]), remedy=remedy,
    )  # fmt: skip


def _number(value: Mapping[str, Any], key: str, where: Place, most: int) -> int:
    """Return a number of elements; 0, or none, leaves it to the operation."""
    try:
        number = check_count(f"`{key}` of a plan", value.get(key, 0), least=0)
    except OptionError as error:
        error.place = where
        error.args = (error.text(),)
        raise
    if number is None or number > most:
        raise OptionError(
            f"`{key}` of a plan is impossible", place=where, found=number,
            supported=f"1 to {most:,}",
        )  # fmt: skip
    return number


def check_beats(asked: Mapping[str, Plan], built: Mapping[str, int], graph: Graph) -> None:
    """Raise `OptionError` where a plan that a user wrote could not be followed."""
    graph = roll(graph)
    types = infer(graph)
    layers = {node.name: node.layer or node.name for node in graph.nodes}
    for name, plan in asked.items():
        # A folded product joins groups of outputs that do not fill up to whole rows.
        rows = plan.taken and built.get(name) == types[name].shape[-1]
        if plan.beat and name in built and built[name] != plan.beat and not rows:
            shape = types[name].shape
            raise OptionError(
                "an operation cannot give the beats that its plan asks for",
                place=Place(graph.source, layers.get(name, name)),
                found=f"node {name}, beat {plan.beat}, of a tensor {shape}",
                supported=f"{built[name]} elements in this network",
                remedy="whole rows (the last axis), or where each element of the result is computed"
                " alone, a part that divides a row; an operation that only moves elements gives"
                " the beats that it gets",
            )


def plan_entries(planned: StreamPlan, beats: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the plan of each value as it was built, as plain data."""
    rows = {}
    for name, beat in beats.items():
        plan, row = planned.plans.get(name, Plan()), dict[str, Any]()
        # Of a folded product that joins uneven groups to rows, the groups are what was planned.
        row |= {"beat": plan.beat if plan.taken and plan.beat else beat}
        row |= {key: getattr(plan, key) for key in ("taken", "bits", "lanes") if getattr(plan, key)}
        row |= {key: getattr(plan, key) for key in ("unroll", *WRITABLE) if getattr(plan, key)}
        row |= {"cell": {part: _entry(own) for part, own in plan.cell}} if plan.cell else {}
        rows[name] = row | {k: getattr(plan, k) for k in WORDS if getattr(plan, k) != "auto"}
    return rows


def _entry(plan: Plan) -> dict[str, Any]:
    """Return the plan of a product in a recurrent cell as plain data."""
    default = Plan()
    return {k: getattr(plan, k) for k in FOLDING if getattr(plan, k) != getattr(default, k)}


def plan_text(graph: Graph, planned: StreamPlan, beats: Mapping[str, int], facts: Any) -> str:
    """Return the text of a plan file: what was built, to be edited and read back.

    Args:
        graph: the integer model.
        planned: the plan that was followed.
        beats: elements of a beat of each value, as built.
        facts: what else is told of the design at the head of the file.
    """
    graph = roll(graph)
    types, rows = infer(graph), dict[str, dict[str, Any]]()
    nodes = {node.name: node for node in graph.nodes}
    reasons = {choice.node: choice.reason for choice in planned.choices}
    for name, entry in plan_entries(planned, beats).items():
        if name in nodes and _keeps_order(nodes[name], types):
            continue  # its beats are those that it reads
        row = dict[str, Any]()
        if name in nodes:
            row |= {"layer": nodes[name].layer, "operation": nodes[name].op.kind}
        row |= {"shape": list(types[name].shape), **entry}
        rows[name] = row | ({"reason": reasons[name]} if reasons.get(name) else {})
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}," for k, v in {
        "format": FORMAT, "gatewright": __version__, "planned_for": planned.interval, **facts,
    }.items()]  # fmt: skip
    entries = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items())
    return "\n".join(["{", *lines, '  "plans": {', entries, "  }", "}", ""])


def _keeps_order(node: Node, types: Mapping[str, Intervals]) -> bool:
    """Whether an operation leaves each element in its place in C order."""
    shapes = [types[name].shape for name in node.inputs]
    size = types[node.name].size
    if not node.op.wiring or len(shapes) != 1 or prod(shapes[0]) != size:
        return False
    numbers = np.arange(size, dtype=np.int64)
    move = getattr(node.op, "move", None)
    return move is not None and np.array_equal(move(numbers.reshape(shapes[0])).ravel(), numbers)
