"""Choose for each node of an adder network the unsigned code that its wires carry.

The code of a node is `c = sign * u + offset`, never negative. A sum of codes is a code again, and
so is a sum with the complement `2**width - 1 - c`: neither needs a sign, a borrow or a carry in,
and only bits that both operands have take a lookup table. What the offsets add up to is known.

A sum can also have constants in the gaps of its operands: below the lowest bit of the coarser one
(`low`), one more at its lowest bit (`carry`), and at any bit above the top of one (`lift`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.passes.netlist.recode_network import Network, Sum

MOST_BITS = 58
"""Widest code; what a network needs beyond is left as it was."""


class TooWideError(Exception):
    """A network has codes that are wider than we compute with."""


@dataclass
class Plan:
    """The codes of all nodes, in units of the node.

    Attributes:
        net: the networks.
        sign: 1 or -1.
        offset: what the code exceeds `sign * u` by.
        width: bits of the code.
        low: constant below the bits of the coarser operand, added by the sum.
        carry: 1 where the sum adds one at the lowest bit that both operands have.
        lift: constant added at the top, in units of the lowest bit that one operand lacks.
        is_root: whether only signals outside read a node: bits above theirs do not matter.
    """

    net: Network
    sign: list[int] = field(default_factory=list)
    offset: list[int] = field(default_factory=list)
    width: list[int] = field(default_factory=list)
    low: list[int] = field(default_factory=list)
    carry: list[int] = field(default_factory=list)
    lift: list[int] = field(default_factory=list)
    is_root: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, net: Network) -> Plan:
        """Choose signs and natural offsets.

        Raises:
            TooWideError: a code needs more than `MOST_BITS` bits.
        """
        size = len(net.leaf)
        plan = cls(net)
        plan.sign, plan.offset, plan.width = [1] * size, [0] * size, [0] * size
        plan.low, plan.carry, plan.lift = [0] * size, [0] * size, [0] * size
        plan.is_root = [not reads for reads in net.reads]
        for node, total in enumerate(net.sums):
            if not net.needed[node]:
                continue
            if total is None:
                plan._leaf(node)
                continue
            plan.sign[node] = plan._best_sign(node, total)
            plan.settle(node)
        return plan

    def _leaf(self, node: int) -> None:
        """A signed leaf gets its top bit flipped; another is its own code."""
        lo, hi = self.net.lo[node], self.net.hi[node]
        if lo < 0:
            bits = max(hi, -lo - 1).bit_length()
            self.offset[node], self.width[node] = 1 << bits, bits + 1
        else:
            self.width[node] = hi.bit_length()

    def inverted(self, node: int, total: Sum) -> tuple[bool, bool]:
        """Return which operands' codes a sum takes the complement of."""
        own = self.sign[node]
        return self.sign[total.a] != own, self.sign[total.b] != own * total.sign

    def _best_sign(self, node: int, total: Sum) -> int:
        """Return the sign that leaves the fewest complemented bits without an adder's LUT.

        Bits below the coarser operand pass through; and what reads the node from outside wants the
        number itself.
        """
        net, costs = self.net, {}
        for sign in (1, -1):
            self.sign[node] = sign
            a, b = self.inverted(node, total)
            bare = a * min(total.eb, self.width[total.a]) + b * min(total.ea, self.width[total.b])
            cost = bare + (a and b) * 2.0 + (sign < 0) * 0.1
            for s in net.outside[node]:
                cost += (net.term[s].sign != sign) * net.module.width(s)
            costs[sign] = cost
        return min(costs, key=lambda sign: costs[sign])

    def operand(self, node: int, inverted: bool) -> tuple[int, int]:
        """Return sign and offset of a node's code or of its complement."""
        if inverted:
            return -self.sign[node], (1 << self.width[node]) - 1 - self.offset[node]
        return self.sign[node], self.offset[node]

    def tops(self, total: Sum) -> tuple[int, int]:
        """Return the bit above the top of each operand."""
        return total.ea + self.width[total.a], total.eb + self.width[total.b]

    def is_apart(self, total: Sum) -> bool:
        """Whether the operands share no bit: the sum is a concatenation."""
        ta, tb = self.tops(total)
        return ta <= total.eb or tb <= total.ea

    def plain_offset(self, node: int, total: Sum) -> int:
        """Return the offset of a sum without what is added at the top."""
        a, ea, b, eb, relative = total
        own, sign, offset = self.sign[node], self.sign, self.offset
        of_a, of_b = offset[a], offset[b]
        if sign[a] != own:  # the complement is taken, as `operand` says
            of_a = (1 << self.width[a]) - 1 - of_a
        if sign[b] != own * relative:
            of_b = (1 << self.width[b]) - 1 - of_b
        carry = self.carry[node] << total.start
        return (of_a << ea) + (of_b << eb) + self.low[node] + carry

    def codes(self, node: int, offset: int) -> tuple[int, int]:
        """Return the range of a node's code at an offset."""
        lo, hi = self.net.lo[node], self.net.hi[node]
        return (lo + offset, hi + offset) if self.sign[node] > 0 else (offset - hi, offset - lo)

    def settle(self, node: int) -> None:
        """Compute offset and width of a sum from its operands and its constants.

        At the top, where only one operand has bits, any multiple is subtracted that saves a bit.
        """
        total = self.net.sums[node]
        assert total is not None
        offset = self.plain_offset(node, total)
        top_a, top_b = self.tops(total)
        step = min(top_a, top_b)
        if not self.is_root[node] and top_a > total.eb and top_b > total.ea:  # not apart
            low, high = self.codes(node, offset)
            spare = low >> step << step
            if (high - spare).bit_length() < high.bit_length():
                offset -= spare
        offset += self.lift[node] << step
        low, high = self.codes(node, offset)
        if low < 0 or high.bit_length() > MOST_BITS:
            raise TooWideError
        self.offset[node], self.width[node] = offset, high.bit_length()
