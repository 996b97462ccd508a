"""An AXI4-Lite slave: accesses of 32 bits become a write bus and a read bus."""

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
    """What the slave asks of the registers or memories behind it.

    In a cycle with `write_enable` 1, `write_data` is to be written to word `write_address`. The
    word at `read_address` of one cycle is expected in the next one, as a synchronous memory gives
    it; `connect` says where.

    Attributes:
        module: where the signals are.
        write_enable: 1 for one cycle for each write.
        write_address: number of the 32-bit word, always one that there is.
        write_data: 32 bits, unsigned.
        read_address: the same for reading; it stays until the next read.
    """

    module: Module
    write_enable: int
    write_address: int
    write_data: int
    read_address: int
    _answers: int
    _in_range: int
    _data: int

    def connect(self, read_data: int) -> None:
        """Say which signal is the word at the `read_address` of the cycle before."""
        m = self.module
        assert m.frac[read_data] == 0, "a word is an integer"
        assert 0 <= m.lo[read_data] <= m.hi[read_data] <= WORD[1], "a word has 32 bits, no sign"
        shown = m.select(self._in_range, read_data, m.constant(0))
        m.connect(self._data, shown, self._answers)


def axi_lite(
    m: Module, words: int, *, prefix: str = "s_axil", address_bits: int | None = None
) -> RegisterBus:
    """Add the ports of an AXI4-Lite slave to a module; return the bus behind it.

    Addresses count bytes; their two lowest bits are not looked at. A write that does not strobe all
    four bytes, and any access beyond the last word, changes nothing, reads as zero and is answered
    with SLVERR. Ready, valid and what goes with them come from registers or from one inverter
    behind a register. A write takes 2 cycles, a read 4 cycles; both go on side by side.

    Args:
        m: gets ports `<prefix>_awaddr` and so on; there is no `awprot` and no `arprot`.
        words: how many 32-bit words there are.
        prefix: of the ports.
        address_bits: width of the addresses, by default what the words need, at least 12.

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
    ports = _Ports(m, prefix, address_bits)
    enable, write_address, data = _write_channel(m, ports, words)
    read_address, answers, in_range, shown = _read_channel(m, ports, words)
    return RegisterBus(m, enable, write_address, data, read_address, answers, in_range, shown)


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


def _write_channel(m: Module, ports: _Ports, words: int) -> tuple[int, int, int]:
    """Return (write enable, word number, data); address and data may come in either order."""
    has_address, has_data, answered = (ports.flag(f"{n}_full") for n in ("aw", "w", "b"))
    takes_address = m.and_(ports["awvalid"], m.not_(has_address))
    takes_data = m.and_(ports["wvalid"], m.not_(has_data))
    address, data = ports.kept("awaddr", takes_address), ports.kept("wdata", takes_data)
    strobes = ports.kept("wstrb", takes_data)
    stalls = m.and_(answered, m.not_(ports["bready"]))
    acts = m.and_(m.and_(has_address, has_data), m.not_(stalls))
    number, in_range = _word(m, address, words)
    right = m.and_(in_range, m.equal(strobes, m.constant((1 << BITS // 8) - 1)))
    for full, takes in ((has_address, takes_address), (has_data, takes_data)):
        m.connect(full, m.or_(takes, m.and_(full, m.not_(acts))))
    m.connect(answered, m.or_(acts, stalls))
    ports.output("awready", m.not_(has_address))
    ports.output("wready", m.not_(has_data))
    ports.output("bresp", _response(m, "bresp_held", right, acts))
    ports.output("bvalid", answered)
    enable = m.and_(acts, right)
    m.label(enable, "write_enable")
    return enable, number, data


def _read_channel(m: Module, ports: _Ports, words: int) -> tuple[int, int, int, int]:
    """Return (word number, whether the data are there, whether it is in range, data register)."""
    busy, asks, comes, answered = (ports.flag(f"read_{n}") for n in ("busy", "asks", "data", "ok"))
    takes = m.and_(ports["arvalid"], m.not_(busy))
    number, in_range = _word(m, ports.kept("araddr", takes), words)
    data = m.register(WORD)
    m.label(data, "rdata_held")
    m.connect(asks, takes)
    m.connect(comes, asks)
    stalls = m.and_(answered, m.not_(ports["rready"]))
    m.connect(answered, m.or_(comes, stalls))
    done = m.and_(answered, ports["rready"])
    m.connect(busy, m.or_(takes, m.and_(busy, m.not_(done))))
    ports.output("arready", m.not_(busy))
    ports.output("rdata", data)
    ports.output("rresp", _response(m, "rresp_held", in_range, comes))
    ports.output("rvalid", answered)
    return number, comes, in_range, data


def _word(m: Module, address: int, words: int) -> tuple[int, int]:
    """Return the number of the word at a byte address, and whether there is one."""
    number = m.slice(address, 2, m.width(address) - 2)
    in_range = m.less(number, m.constant(words))
    own = m.wrap(number, Fixed.holding(0, words - 1, 0))
    if m.hi[own] < words:
        return own, in_range
    # A memory need not look whether there is a word at this address.
    return m.select(in_range, own, m.constant(0), within=(0, words - 1)), in_range


def _response(m: Module, name: str, right: int, enable: int) -> int:
    """Return the two bits that say how an access went."""
    register = m.register((0, 3, 0))
    m.label(register, name)
    m.connect(register, m.select(right, m.constant(OKAY), m.constant(SLVERR)), enable)
    return register
