"""Quantize tied operations as one: constants and formats are chosen on all uses together.

The first use in order of computation decides, for all. What it reads is quantized already, what the
later ones will read is not: the real model's numbers stand for these. What that leaves out, how an
error of a step comes back in the next, is measured with the model's loss, as everything is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatewright.ir import Node, Op, Reals
from gatewright.num import Fixed, Ints, dyadic
from gatewright.quantize.activations import SiteFormat
from gatewright.quantize.build import Build, Look
from gatewright.quantize.constants import Situation
from gatewright.quantize.digits import digits_of, on_grid
from gatewright.quantize.formats import Formats
from gatewright.quantize.learn import has_matrix
from gatewright.quantize.load import MOST_ROWS
from gatewright.quantize.material import Built, Material, Prices
from gatewright.quantize.matrices import OPEN, UNKNOWN_WIDTH, with_matrix
from gatewright.quantize.structure import Site, Structure
from gatewright.quantize.tie_groups import tie_groups

LEAST_ROWS = 64
"""Rows of each use that a choice is made on at least."""

STATE_BITS = 8
"""Bits behind the point taken for a state whose format is not chosen yet."""


def build(
    structure: Structure,
    material: Material,
    prices: Prices,
    formats: Formats,
    reads: Mapping[str, Reals],
) -> Built:
    """Return the model quantized at given prices."""
    return TiedBuild(structure, material, prices, formats, reads).run()


class TiedBuild(Build):
    """A `Build` in which the first of tied nodes decides for the others."""

    def __init__(
        self,
        structure: Structure,
        material: Material,
        prices: Prices,
        formats: Formats,
        reads: Mapping[str, Reals],
    ) -> None:
        super().__init__(structure, material, prices, formats, reads)
        self.groups = tie_groups(structure.graph)
        self.sources = {node.name: node for node in structure.graph.nodes}
        self.tie = {name: tie for tie, members in self.groups.items() for name in members}
        self.ops: dict[str, Op] = {}
        self.chosen: dict[str, SiteFormat] = {}

    def _is_tied(self, name: str) -> bool:
        """Say whether a node is one of several that are one operation."""
        return name in self.tie

    # ---- constants

    def _round_constants(self, node: Node, inputs: tuple[str, ...]) -> Op:
        """Return the operation as its first use has it."""
        tie = self.tie.get(node.name)
        if tie is None:
            return super()._round_constants(node, inputs)
        matrix = has_matrix(node.op) and np.ndim(getattr(node.op, "weight", 0.0)) == 2
        if tie not in self.ops:
            own = super()._round_constants
            self.ops[tie] = self._joint(tie, node, inputs[0]) if matrix else own(node, inputs)
        if matrix:
            weight = np.asarray(getattr(self.ops[tie], "weight", 0.0))
            self._count_reads(inputs[0], digits_of(weight).sum(1)[None])
        return self.ops[tie]

    def _joint(self, tie: str, node: Node, source: str) -> Op:
        """Choose a matrix on the rows of all uses."""
        op, members = node.op, self.groups[tie]
        weight, bias = (np.asarray(getattr(op, name)) for name in ("weight", "bias"))
        parts = [
            (self._read(name), self.material.real[name], self._sensitivity(name))
            for name in members
        ]
        x, target, felt = (
            np.concatenate([self._some(tie, part[k]) for part in parts]) for k in range(3)
        )
        if not bias.any():
            # Rows with the opposite signs besides have the mean 0, so that the bias stays 0: it
            # would cost an adder in every use.
            x, target = (np.concatenate([v, -v]) for v in (x, target))
            felt = np.concatenate([felt, felt])
        width = self._width(source, 1, x.shape[1])[0]
        width = np.where(width > 0, width, UNKNOWN_WIDTH)
        v, best = self._matrix(node, x, target, felt, weight, bias, width)
        weights = np.ascontiguousarray(v.T)
        fixed = self.formats.find("bias", node.layer, node.name)
        if fixed is not None:
            best = on_grid(best, fixed.frac, fixed.low, fixed.high)
        elif not bias.any():
            best = np.zeros(bias.shape)
        else:
            best = on_grid(best, self._sum_frac(source, op, weights), -OPEN, OPEN)
        return with_matrix(op, weights, best.reshape(bias.shape))

    def _sum_frac(self, source: str, op: Op, weights: Reals) -> Ints:
        """Return the grids of a product's sums, also where what it reads has no format yet."""
        kind = self.types.get(source)
        if kind is None or (kind.lo != kind.hi).any():
            zero = with_matrix(op, weights, np.zeros(weights.shape[1]))
            return self._bias_frac(source, zero, weights.shape[1:])
        axis = 0 if self.formats.is_shared else None
        frac = dyadic(weights)[1].max(axis=axis, initial=0) + STATE_BITS
        return np.asarray(frac, np.int64)

    def _read(self, name: str) -> Reals:
        """Return rows of what a node reads: quantized, or as the real model has it."""
        source = self.sources[name].inputs[0]
        value = self.values.get(self.renamed.get(source, source))
        return self.material.real[source] if value is None else self.material.rows.take(value)

    def _some(self, tie: str, rows: Reals) -> Reals:
        """Return every n-th row, so that all uses together have about `MOST_ROWS`."""
        wanted = max(MOST_ROWS // len(self.groups[tie]), LEAST_ROWS)
        return rows[:: max(len(rows) // wanted, 1)]

    def _situation(self, node: Node, source: str) -> Situation:
        """Gather what rounding of small constants asks for, of all uses."""
        own = super()._situation(node, source)
        tie = self.tie.get(node.name)
        if tie is None:
            return own
        digit = own.digit
        if not np.any(own.x):  # a state that begins at zero has no width
            digit = np.maximum(digit, own.lut * UNKNOWN_WIDTH)
        given, whole = self.material.given, self.material.whole
        # A shared layer may be used on tensors of several lengths; those like the first count.
        others = [
            name
            for name in self.groups[tie]
            if name != node.name
            and given[name].shape[1:] == own.x.shape[1:]
            and whole[name].shape[1:] == own.sensitivity.shape[1:]
        ]
        count = max(len(own.x) // len(self.groups[tie]), 1)
        x = np.concatenate([own.x[:count], *(given[name][:count] for name in others)])
        s = np.concatenate([own.sensitivity[:count], *(whole[name][:count] for name in others)])
        return replace(own, x=x, sensitivity=s, digit=digit)

    # ---- formats

    def _format(
        self, site: Site, x: Reals, bounds: tuple[Reals, Reals] | None, fixed: Fixed | None
    ) -> SiteFormat:
        """Return the format that the first use was given."""
        tie = self.tie.get(site.value)
        if tie is None:
            return super()._format(site, x, bounds, fixed)
        if tie not in self.chosen:
            # What bounds the first use (a state of zeros before it) does not bound the others.
            self.chosen[tie] = super()._format(site, x, None, fixed)
        self.sites[site.value] = self.chosen[tie]
        return self.chosen[tie]

    def _look(self, site: Site, x: Reals) -> Look:
        """Return what the format is chosen on: rows of all uses."""
        own = super()._look(site, x)
        tie = self.tie.get(site.value)
        if tie is None:
            return own
        others = [name for name in self.groups[tie] if name != site.value]
        rows = [own.rows, *(self.material.real[name] for name in others)]
        felt = [own.sensitivity, *(self._sensitivity(name) for name in others)]
        ends = [own.extremes, *(self.material.extremes[name] for name in others)]
        reads = [own.reads, *(self.old_reads.get(name, 0.0 * own.reads) for name in others)]
        return Look(
            np.concatenate([self._some(tie, v) for v in rows]),
            np.concatenate([self._some(tie, v) for v in felt]),
            (np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)),
            np.mean(reads, axis=0),
        )
