"""Map names from the user's model to identifiers that every output language accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Reserved words of Verilog-2005, SystemVerilog-2017, VHDL-2008 and C++17 that a short lower-case
# layer name could meet (IEEE 1364 annex B, IEEE 1800 annex B, IEEE 1076 15.10, ISO C++ [lex.key]).
RESERVED = frozenset(
    """
    abs access after alias alignas alignof all always and and_eq architecture array asm assert
    assign assume attribute auto automatic begin bind bit bitand bitor block body bool break
    buf buffer bufif0 bufif1 bus byte case casex casez cast catch cell chandle char class clk clock
    cmos compl component config configuration const constant constexpr constraint context continue
    cover cross deassign decltype default defparam delete design disable disconnect dist do double
    downto edge else elsif end endcase endclass endfunction endgenerate endmodule endpackage
    endprimitive endspecify endtable endtask entity enum event exit explicit export extends extern
    false file final first_match float for force foreach forever fork friend function generate
    generic genvar goto group guarded highz0 highz1 if iff ifnone impure in include inertial
    initial inline inout input inside instance int integer interface intersect is join label large
    liblist library library linkage literal local localparam logic long loop macromodule map
    medium mod modport module mutable namespace nand negedge new next nmos noexcept nor
    noshowcancelled not not_eq notif0 notif1 null nullptr of on open operator or or_eq others out
    output package packed parameter pmos port posedge postponed primitive priority private
    procedure process program property protected public pull0 pull1 pulldown pullup pure rand
    randc randcase range rcmos real realtime record ref reg register reinterpret_cast reject
    release rem repeat report return rnmos rol ror rpmos rst rtran rtranif0 rtranif1 scalared
    select sequence severity shared short shortint shortreal signal signed sizeof sla sll small
    solve specify specparam sra srl static static_assert static_cast string strong0 strong1
    struct subtype super supply0 supply1 switch table tagged task template this throughout throw
    time timeprecision timeunit to tran tranif0 tranif1 transport tri tri0 tri1 triand trior
    trireg true try type typedef typeid typename unaffected union unique units unsigned until
    use using valid var variable vectored virtual void volatile wait wait_order wand wchar_t
    weak0 weak1 when while wildcard wire with within wor xnor xor xor_eq
    """.split()  # noqa: SIM905 - a list literal would take 300 lines
)


def identifier(name: str, fallback: str = "n") -> str:
    """Return a lower-risk identifier for `name`: ASCII letters, digits, single underscores.

    The result never starts with a digit, is no reserved word of Verilog, SystemVerilog, VHDL or
    C++, and holds at most 48 characters. Two names may meet: `Namer` keeps them apart.
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:48].rstrip("_")
    if not text:
        text = fallback
    if text[0].isdigit():
        text = f"{fallback}{text}"
    return f"{text}_" + fallback if text.lower() in RESERVED else text


class Namer:
    """Give out identifiers that are unique, also for tools that ignore case (VHDL)."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}

    def name(self, wanted: str, fallback: str = "n") -> str:
        """Return `wanted` made an identifier, with a number behind it where it is taken."""
        stem = identifier(wanted, fallback)
        candidate, count = stem, 1
        while candidate.lower() in self._taken:
            count += 1
            candidate = f"{stem}_{count}"
        self._taken.add(candidate.lower())
        return candidate
