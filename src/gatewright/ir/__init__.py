"""Floor 4: the model: operations, graph, plan, printer."""

from gatewright.ir.graph import (
    Graph,
    Input,
    Node,
    Output,
    evaluate,
    infer,
    located,
    run_real,
    shapes,
)
from gatewright.ir.op import Growth, Op, Pull, Reals, Savings
from gatewright.ir.plan import PARALLEL, Offload, Plan
from gatewright.ir.text import describe, print_graph

__all__ = [
    "PARALLEL",
    "Graph",
    "Growth",
    "Input",
    "Node",
    "Offload",
    "Op",
    "Output",
    "Plan",
    "Pull",
    "Reals",
    "Savings",
    "describe",
    "evaluate",
    "infer",
    "located",
    "print_graph",
    "run_real",
    "shapes",
]
