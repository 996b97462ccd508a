"""Give a dense layer behind a sparse image the weights of its pixels, in place of the whole image.

A dense layer on an image that `Densify` filled multiplies mostly zeros, by constants and in every
place. Each pixel times the weights of its own place gives the same sum, with multipliers of two
variables but only as many as there are pixels. Where an average stands between, every pixel of a
window takes the window's weights: the sums of windows are not formed at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatewright.ir import Graph, Node, Op, infer
from gatewright.ops import (
    Add,
    Affine,
    Constant,
    Dense,
    Densify,
    DivideConstant,
    FirstActive,
    Matmul,
    PlaceWeights,
    PoolCells,
    Quantize,
    Relu,
    Requantize,
    Reshape,
)
from gatewright.passes.graph.prune import prune


@dataclass(frozen=True)
class _Pixels:
    """The pixels that an image shows.

    Attributes:
        values, places: names of values and coordinates.
        window: pixels that share a place of the image.
        divide: what stands between values and image, if anything: a shift.
        replaced: nodes that nothing reads any more.
    """

    values: str
    places: str
    window: tuple[int, int] = (1, 1)
    divide: DivideConstant | None = None
    replaced: tuple[Node, ...] = ()


def gather_dense(graph: Graph, products: int) -> Graph:
    """Return the graph with weights chosen where that is expected to take fewer LUTs.

    Args:
        graph: on integers.
        products: multipliers that cost no LUTs (DSP blocks).

    Ensures: the same outputs. The places of pixels must differ, or `Densify` would keep one only:
    they do where `FirstActive` or `PoolCells` made them, and nothing else is changed.
    """
    return _Gathering(graph, products).run()


class _Gathering:
    def __init__(self, graph: Graph, products: int) -> None:
        self.graph, self.products = graph, products
        self.nodes = {node.name: node for node in graph.nodes}
        self.taken = {*self.nodes, *(i.name for i in graph.inputs)}

    def run(self) -> Graph:
        """Replace each dense layer that gains, and drop what nothing reads any more."""
        if not any(isinstance(node.op, Densify) for node in self.graph.nodes):
            return self.graph
        found: list[Node] = []
        for node in self.graph.nodes:
            image = self._image(node)
            found += [node] if image is None else self._gathered(node, image)
        if len(found) == len(self.graph.nodes):
            return self.graph
        return prune(self.graph.with_nodes(found))

    def _image(self, node: Node) -> Node | None:
        """Return the `Densify` whose whole image a dense layer reads, where it gains."""
        if not isinstance(node.op, Dense):
            return None
        flat = self._made(node.inputs[0], Reshape)
        image = None if flat is None else self._made(flat.inputs[0], Densify)
        if flat is None or image is None or node.op.weight.shape[0] != self._size(image):
            return None
        readers = self.graph.readers()
        alone = len(readers[flat.name]) == len(readers[image.name]) == 1
        kept = {output.value for output in self.graph.outputs} & {flat.name, image.name}
        places = self._made(image.inputs[1], (FirstActive, PoolCells))
        differ = places is not None and places.op.result == "coordinates"  # type: ignore[attr-defined]
        fits = alone and not kept and differ and self._rounded(node.name, readers)
        return image if fits and self._gains(node, image) else None

    def _rounded(self, name: str, readers: Mapping[str, list[Node]]) -> bool:
        """Whether a value is quantized before anything reads it that asks for a narrow range.

        The ranges of both sums hold the result, but they are not the same.
        """
        if name in {output.value for output in self.graph.outputs}:
            return False
        return all(
            isinstance(n.op, Quantize | Requantize)
            or (isinstance(n.op, Affine | Relu | Reshape) and self._rounded(n.name, readers))
            for n in readers[name]
        )

    def _made(self, name: str, kind: type | tuple[type, ...]) -> Node | None:
        """Return the node of a name where its operation is of a kind."""
        node = self.nodes.get(name)
        return node if node is not None and isinstance(node.op, kind) else None

    def _size(self, image: Node) -> int:
        assert isinstance(image.op, Densify)
        return int(np.prod(image.op.size)) * self._shape(image.inputs[0])[1]

    def _shape(self, name: str) -> tuple[int, ...]:
        return infer(self.graph)[name].shape

    def _pixels(self, image: Node) -> _Pixels:
        """Return the pixels that an image shows, those in front of an average where one is."""
        values, places = image.inputs
        cells, shift = self._made(places, PoolCells), self._made(values, DivideConstant)
        divide = None if shift is None else shift.op
        sums = self._made(values if shift is None else shift.inputs[0], Matmul)
        members = None if sums is None else self._made(sums.inputs[0], PoolCells)
        if sums is None or cells is None or members is None or members.inputs != cells.inputs:
            return _Pixels(values, places)
        a, b, whole = cells.op, members.op, image.op
        assert isinstance(a, PoolCells)
        assert isinstance(b, PoolCells)
        assert isinstance(whole, Densify)
        same = (a.window, a.windows, b.result) == (b.window, b.windows, "members")
        if not same or whole.size != a.windows:
            return _Pixels(values, places)
        if not isinstance(divide, DivideConstant):
            return _Pixels(sums.inputs[1], cells.inputs[0], a.window, None, (sums,))
        if divide.divisor.size > 1 or not divide.is_shift:
            return _Pixels(values, places)
        return _Pixels(sums.inputs[1], cells.inputs[0], a.window, divide, (sums,))

    def _gains(self, node: Node, image: Node) -> bool:
        """Whether choosing weights is expected to take fewer LUTs."""
        types, pixels = infer(self.graph), self._pixels(image)
        spent = sum(
            n.op.luts(types[n.name], *(types[i] for i in n.inputs)) or 0.0
            for n in (node, image, *pixels.replaced)
        )
        weights = self._weights(node, image, pixels.window)
        kind = weights.infer(types[pixels.places])
        row = types[pixels.values].map(lambda v: v.reshape(1, -1))
        taken = weights.luts(kind, types[pixels.places]) or 0.0
        taken += Matmul().luts(Matmul().infer(row, kind), row, kind) or 0.0
        if kind.size <= self.products:
            taken -= float((row.width.astype(np.float64) @ kind.width).sum())
        return taken < spent

    @staticmethod
    def _weights(node: Node, image: Node, window: tuple[int, int]) -> PlaceWeights:
        assert isinstance(node.op, Dense)
        assert isinstance(image.op, Densify)
        weight = node.op.weight
        return PlaceWeights(weight.reshape(*image.op.size, -1, weight.shape[1]), window)

    def _gathered(self, node: Node, image: Node) -> list[Node]:
        """Return the nodes that stand for a dense layer; the last bears its name."""
        own = self._pixels(image)
        divided: list[Node] = []
        values = own.values
        if own.divide is not None:
            divided = [self._new(node, "part", own.divide, values)]
            values = divided[0].name
        assert isinstance(node.op, Dense)
        weights = self._new(node, "weights", self._weights(node, image, own.window), own.places)
        size = int(np.prod(self._shape(own.values)))
        row = self._new(node, "row", Reshape((1, size)), values)
        sums = self._new(node, "sums", Matmul(), row.name, weights.name)
        bias = node.op.bias
        flat = Reshape((len(bias),))
        if not bias.any():
            return [*divided, weights, row, sums, replace(node, op=flat, inputs=(sums.name,))]
        joined = self._new(node, "flat", flat, sums.name)
        offset = self._new(node, "bias", Constant(bias), joined.name)
        added = replace(node, op=Add(), inputs=(joined.name, offset.name))
        return [*divided, weights, row, sums, joined, offset, added]

    def _new(self, node: Node, suffix: str, op: Op, *inputs: str) -> Node:
        name = f"{node.name}_{suffix}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return replace(node, name=name, op=op, inputs=inputs, tie="")
