"""A network of tables as a graph: what the compiler takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the compiler's packages are not needed to train
    from gatewright.ir import Graph, Op
    from gatewright.train.network import Network, TableLayer


def graph_of(network: Network, name: str, winner: bool = False) -> Graph:
    """Return the graph whose integers are those of `network.predict_codes`.

    Args:
        network: what training ended in.
        name: of the model.
        winner: let the output be the position of the largest sum, not the sums.
    """
    from gatewright.ir import Graph, Input, Node, Output
    from gatewright.num import Fixed, Overflow, Rounding
    from gatewright.ops import Affine, Argmax, Compare, Constant, Quantize, Reshape

    size, bits = network.features, network.encoder.bits
    codes = Quantize.to_format(Fixed(False, bits, 0), Rounding.TRN, Overflow.SAT)
    nodes = [
        Node("scaled", Affine(network.encoder.scale, network.encoder.offset), ("x",), "encoder"),
        Node("codes", codes, ("scaled",), "encoder"),
    ]
    if network.thermometer is not None:
        levels, layer = network.thermometer, "thermometer"
        nodes += [
            Node("column", Reshape((size, 1)), ("codes",), layer),
            Node("levels", Constant(levels.astype(np.float64)), ("codes",), layer),
            Node("reached", Compare("greater_equal"), ("column", "levels"), layer),
            Node("bits", Reshape((levels.size,)), ("reached",), layer),
        ]
    elements = size if network.thermometer is None else network.thermometer.size
    for number, found in enumerate(network.layers):
        layer = f"layer_{number}"
        for op in _operations(found, elements):
            node = f"{layer}_{op.kind}"
            nodes.append(Node(node, op, (nodes[-1].name,), layer))
        elements = len(found.bias)
    decode: tuple[Op, ...] = ()
    if winner:
        nodes.append(Node("winner", Argmax(), (nodes[-1].name,), "winner"))
    elif network.classes is None:
        decode = (Affine(np.asarray(network.scale), network.offset),)
    facts = {"framework": "Gatewright's own training", **network.facts}
    output = Output("y", nodes[-1].name, decode)
    return Graph(name, (Input("x", (size,)),), tuple(nodes), (output,), name, facts)


def _operations(layer: TableLayer, elements: int) -> list[Op]:
    """Return the operations of a layer: the tables' sums, and what limits them."""
    from gatewright.num import Fixed, Overflow, Rounding
    from gatewright.ops import Quantize, TableSpec, TableSum

    shape = (layer.codes,) * layer.reads.shape[1]
    specs = [
        TableSpec(tuple(reads.tolist()), int(target), values.reshape(shape))
        for reads, target, values in zip(layer.reads, layer.target, layer.values, strict=True)
    ]
    lows, codes = [layer.low] * elements, [layer.codes] * elements
    ops: list[Op] = [TableSum.of(specs, lows, codes, 0, layer.bias)]
    if layer.limits is not None:
        fmt = Fixed.holding(*layer.limits, 0)
        ops.append(Quantize.to_format(fmt, Rounding.TRN, Overflow.SAT))
    return ops
