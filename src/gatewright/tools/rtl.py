"""Verilog sources with a streaming top, as the outside programs take them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from gatewright.base.cache import content_key
from gatewright.base.errors import OptionError

CLOCK = ("clk", "rst")
CONTROL = (*CLOCK, "valid_in", "valid_out")
VERILOG = (".v", ".sv")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True)
class RtlPort:
    """Name a packed data port of `width` bits."""

    name: str
    width: int
    is_input: bool

    @property
    def words(self) -> int:
        """Return how many 64-bit words hold the port, little-endian."""
        return (self.width + 63) // 64


@dataclass(frozen=True)
class RtlDesign:
    """Hold Verilog sources with a streaming top.

    The control ports are always `clk` and `rst` (synchronous, active high). With them stand
    `valid_in` and `valid_out`, or, where the design is `elastic`, `NAME_valid` and `NAME_ready`
    for each port NAME (a stream, one beat wide), which then may have no bits. `sources` maps a
    file name to its text: `.v` and `.sv` files are compiled in the order given, other files
    (headers, memory contents) only lie beside them. `shared` names modules that are used so often
    that a simulator does well to translate each once, and not once a copy; each is in the file of
    its name, and comes before those that use it.

    Raises `OptionError` for a name or width that no design can have.
    """

    top: str
    sources: dict[str, str]
    inputs: tuple[RtlPort, ...]
    outputs: tuple[RtlPort, ...]
    shared: tuple[str, ...] = ()
    elastic: bool = False

    def __post_init__(self) -> None:
        check_sources(self.sources)
        names = self.port_names
        for name in [self.top, *names]:
            if not _NAME.fullmatch(name):
                raise OptionError("not a plain Verilog identifier", found=name)
        missing = [name for name in self.shared if f"{name}.v" not in self.sources]
        if missing or self.top in self.shared:
            raise OptionError(
                "a module to be shared has no file of its name, or is the top",
                found=", ".join(missing) or self.top,
            )
        if len(set(names)) != len(names):
            raise OptionError("two ports of a design have one name", found=", ".join(names))
        for port in self.inputs + self.outputs:
            if port.width < (not self.elastic) or port.is_input != (port in self.inputs):
                raise OptionError(
                    "a port of a design has no bits or the wrong direction",
                    place=f"port {port.name!r}",
                    found=f"width {port.width}, is_input={port.is_input}",
                )

    @property
    def port_names(self) -> list[str]:
        """Return the names of all ports, those of control first."""
        ports = [port.name for port in self.inputs + self.outputs]
        if not self.elastic:
            return [*CONTROL, *ports]
        handshakes = [f"{name}_{end}" for name in ports for end in ("valid", "ready")]
        return [*CLOCK, *handshakes, *ports]

    @property
    def input_words(self) -> int:
        """Return the 64-bit words of one input sample."""
        return sum(port.words for port in self.inputs)

    @property
    def output_words(self) -> int:
        """Return the 64-bit words of one output sample."""
        return sum(port.words for port in self.outputs)

    def digest(self) -> str:
        """Return a hash of everything that the design is."""
        ports = [f"{p.name}:{p.width}:{p.is_input}" for p in self.inputs + self.outputs]
        style = ["elastic"] if self.elastic else []
        return content_key(self.top, sources_digest(self.sources), *ports, *self.shared, *style)


def check_sources(sources: dict[str, str]) -> None:
    """Raise `OptionError` where a file name would leave its folder or nothing can be compiled."""
    for name in sources:
        path = PurePosixPath(name)
        plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.$-]*(/[A-Za-z0-9_][A-Za-z0-9_.$-]*)*", name)
        if not plain or path.is_absolute() or ".." in path.parts:
            raise OptionError(
                "not a plain relative file name",
                found=name,
                supported="letters, digits, '_', '-', '.', '$' and '/' between folders",
            )
    if not verilog_files(sources):
        raise OptionError("no Verilog source", found=", ".join(sources), supported="*.v, *.sv")


def verilog_files(sources: dict[str, str]) -> list[str]:
    """Return the names of the files to compile, in their order."""
    return [name for name in sources if name.endswith(VERILOG)]


def sources_digest(sources: dict[str, str]) -> str:
    """Return a hash of file names and texts, in their order."""
    return content_key(*(part for pair in sources.items() for part in pair))
