"""An AXI4-Lite slave: accesses of 32 bits become those of a bus with one address."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.base import OptionError
from gatewright.hw import Module
from gatewright.num import Fixed, Intervals

BITS = 32
WORD = (0, (1 << BITS) - 1, 0)
OKAY, SLVERR = 0, 2
PAGE = 12
"""Address bits of 4 KiB, the smallest region that an AXI interconnect hands out."""


@dataclass(frozen=True)
class RegisterBus:
    """What the slave asks of the registers or memories behind it, one access at a time.

    In a cycle with `write_enable` 1, `write_data` is to be written to word `address`; in one with
    `read_enable` 1 the word at `address` is asked for. The answer to either is expected `latency`
    cycles later, and the next access comes behind it. Both use one address, so that a memory needs
    no port for reading beside the one that is written.

    Attributes:
        module: where the signals are.
        write_enable: 1 for one cycle for each write.
        read_enable: 1 for one cycle for each read.
        address: number of the 32-bit word, always one that there is.
        write_data: 32 bits, unsigned.
    """

    module: Module
    write_enable: int
    read_enable: int
    address: int
    write_data: int
    _comes: int
    _writes: int
    _right: int
    _data: int
    _responses: tuple[int, int]

    def connect(self, read_data: int, known: int | None = None) -> None:
        """Say what answers an access, `latency` cycles after it.

        Args:
            read_data: the word that was asked for.
            known: 1 where the access is one that the word allows; by default each is. Others are
                answered with SLVERR, and read as zero.
        """
        m = self.module
        assert m.frac[read_data] == 0, "a word is an integer"
        assert 0 <= m.lo[read_data] <= m.hi[read_data] <= WORD[1], "a word has 32 bits, no sign"
        right = self._right if known is None else m.and_(self._right, known)
        of_read = m.and_(self._comes, m.not_(self._writes))
        m.connect(self._data, m.select(right, read_data, m.constant(0)), of_read)
        response = m.select(right, m.constant(OKAY), m.constant(SLVERR))
        m.connect(self._responses[0], response, m.and_(self._comes, self._writes))
        m.connect(self._responses[1], response, of_read)


def axi_lite(
    m: Module,
    words: int,
    *,
    prefix: str = "s_axil",
    address_bits: int | None = None,
    latency: int = 1,
) -> RegisterBus:
    """Add the ports of an AXI4-Lite slave to a module; return the bus behind it.

    Addresses count bytes; their two lowest bits are not looked at. A write that does not strobe all
    four bytes, and any access beyond the last word, changes nothing, reads as zero and is answered
    with SLVERR. Ready, valid and what goes with them come from registers or from one inverter
    behind a register. An access takes 2 + `latency` cycles from its address to its answer; where
    reads and writes wait, they take turns.

    Args:
        m: gets ports `<prefix>_awaddr` and so on; there is no `awprot` and no `arprot`.
        words: how many 32-bit words there are.
        prefix: of the ports.
        address_bits: width of the addresses, by default what the words need, at least 12.
        latency: cycles until what is behind the bus answers, 1 or more.

    Raises:
        OptionError: no word, or more than the address can count.
    """
    needed = max(words - 1, 0).bit_length() + 2
    address_bits = max(PAGE, needed) if address_bits is None else address_bits
    if words < 1 or not max(needed, 3) <= address_bits <= BITS:
        raise OptionError(
            "the register bus cannot have this size",
            place=f"module {m.name!r}",
            found=f"{words} words, {address_bits} address bits",
            supported=f"1 word or more, {max(needed, 3)} to {BITS} address bits",
        )
    assert latency >= 1, "an answer comes from a register"
    ports = _Ports(m, prefix, address_bits)
    busy, turn, answered = ports.flag("busy"), ports.flag("write_turn"), ports.flag("b_full")
    shown = ports.flag("r_full")
    idle = m.not_(busy)
    # Ready comes from registers: an access is kept, and done once the one before is.
    address, has_address, takes_address = _held(ports, "aw", ("awaddr",))
    data, has_data, takes_data = _held(ports, "w", ("wdata", "wstrb"))
    asked, has_asked, takes_asked = _held(ports, "ar", ("araddr",))
    can_write = m.and_(m.and_(has_address, has_data), m.and_(idle, m.not_(answered)))
    can_read = m.and_(has_asked, m.and_(idle, m.not_(shown)))
    writes = m.and_(can_write, m.not_(m.and_(can_read, turn)))
    reads = m.and_(can_read, m.not_(writes))
    for full, takes, done in (
        (has_address, takes_address, writes), (has_data, takes_data, writes),
        (has_asked, takes_asked, reads),
    ):  # fmt: skip
        m.connect(full, m.or_(takes, m.and_(full, m.not_(done))))
    starts = m.or_(writes, reads)
    m.connect(turn, writes, starts)
    comes = starts
    for _ in range(latency):
        following = m.register((0, 1, 0), reset=0)
        m.connect(following, comes)
        comes = following
    m.label(comes, "answer_comes")
    m.connect(busy, m.or_(starts, m.and_(busy, m.not_(comes))))
    number, in_range = _word(m, m.select(writes, address[0], asked[0]), words)
    whole = m.equal(data[1], m.constant((1 << BITS // 8) - 1))
    allowed = m.and_(in_range, m.or_(m.not_(writes), whole))
    right = m.register((0, 1, 0))
    m.label(right, "access_right")
    m.connect(right, allowed, starts)
    enables = m.and_(writes, allowed), m.and_(reads, allowed)
    for name, enable in zip(("write_enable", "read_enable"), enables, strict=True):
        m.label(enable, name)
    read_data, responses = _answers(ports, comes, turn, answered, shown)
    return RegisterBus(
        m, *enables, number, data[0], comes, turn, right, read_data, responses
    )  # fmt: skip


class _Ports:
    """The slave's inputs, and its outputs as they come."""

    def __init__(self, m: Module, prefix: str, address_bits: int) -> None:
        self.m, self.prefix = m, prefix
        widths = {
            "awaddr": address_bits, "awvalid": 1, "wdata": BITS, "wstrb": BITS // 8, "wvalid": 1,
            "bready": 1, "araddr": address_bits, "arvalid": 1, "rready": 1,
        }  # fmt: skip
        self.given = {
            name: m.input(f"{prefix}_{name}", Intervals.of([0], [(1 << width) - 1], 0))[0]
            for name, width in widths.items()
        }

    def __getitem__(self, name: str) -> int:
        return self.given[name]

    def output(self, name: str, signal: int) -> None:
        """Add an output; a label makes the register behind it readable."""
        self.m.output(f"{self.prefix}_{name}", [signal])

    def kept(self, name: str, enable: int) -> int:
        """Return a register that takes an input in a cycle with `enable`."""
        register = self.m.register(self.m.range(self[name]))
        self.m.label(register, f"{name}_held")
        self.m.connect(register, self[name], enable)
        return register

    def flag(self, name: str) -> int:
        """Return a register that is 0 after reset."""
        register = self.m.register((0, 1, 0), reset=0)
        self.m.label(register, name)
        return register


def _held(ports: _Ports, channel: str, names: tuple[str, ...]) -> tuple[list[int], int, int]:
    """Return what a channel brought, whether it is there, and whether it comes in this cycle."""
    m, full = ports.m, ports.flag(f"{channel}_full")
    takes = m.and_(ports[f"{channel}valid"], m.not_(full))
    ports.output(f"{channel}ready", m.not_(full))
    return [ports.kept(name, takes) for name in names], full, takes


def _answers(
    ports: _Ports, comes: int, writes: int, answered: int, shown: int
) -> tuple[int, tuple[int, int]]:
    """Give answers until they are taken; return the registers of the data and both responses."""
    m = ports.m
    found = []
    for name, full, own in (("b", answered, writes), ("r", shown, m.not_(writes))):
        waits = m.and_(full, m.not_(ports[f"{name}ready"]))
        m.connect(full, m.or_(m.and_(comes, own), waits))
        response = m.register((0, 3, 0))
        m.label(response, f"{name}resp_held")
        found.append(response)
        ports.output(f"{name}valid", full)
        ports.output(f"{name}resp", response)
    data = m.register(WORD)
    m.label(data, "rdata_held")
    ports.output("rdata", data)
    return data, (found[0], found[1])


def _word(m: Module, address: int, words: int) -> tuple[int, int]:
    """Return the number of the word at a byte address, and whether there is one."""
    number = m.slice(address, 2, m.width(address) - 2)
    in_range = m.less(number, m.constant(words))
    own = m.wrap(number, Fixed.holding(0, words - 1, 0))
    if m.hi[own] < words:
        return own, in_range
    # A memory need not look whether there is a word at this address.
    return m.select(in_range, own, m.constant(0), within=(0, words - 1)), in_range
