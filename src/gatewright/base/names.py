"""Map names from the user's model to identifiers that every output language accepts."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Reserved words of Verilog-2005, SystemVerilog-2017, VHDL-2008 and C++17 (IEEE 1364 annex B, IEEE
# 1800 annex B, IEEE 1076 15.10, ISO C++ [lex.key]), and the names of control signals: clk, clock,
# rst, valid.
RESERVED = frozenset(
    """
    abs accept_on access after alias alignas alignof all always always_comb always_ff
    always_latch and and_eq architecture array asm assert assign assume assume_guarantee
    attribute auto automatic before begin bind bins binsof bit bitand bitor block body bool
    break buf buffer bufif0 bufif1 bus byte case casex casez catch cell chandle char
    char16_t char32_t checker class clk clock clocking cmos compl component config configuration
    const const_cast constant constexpr constraint context continue cover covergroup coverpoint
    cross deassign decltype default defparam delete design disable disconnect dist do double
    downto dynamic_cast edge else elsif end endcase endchecker endclass endclocking endconfig
    endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive endprogram
    endproperty endsequence endspecify endtable endtask entity enum event eventually exit expect
    explicit export extends extern fairness false file final first_match float for force foreach
    forever fork forkjoin friend function generate generic genvar global goto group guarded
    highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import impure in
    incdir include inertial initial inline inout input inside instance int integer interconnect
    interface intersect is join join_any join_none label large let liblist library linkage
    literal local localparam logic long longint loop macromodule map matches medium mod modport
    module mutable namespace nand negedge nettype new next nexttime nmos noexcept nor
    noshowcancelled not not_eq notif0 notif1 null nullptr of on open operator or or_eq others
    out output package packed parameter pmos port posedge postponed primitive priority private
    procedure process program property protected public pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence range rcmos
    real realtime record ref reg register reinterpret_cast reject reject_on release rem repeat
    report restrict restrict_guarantee return rnmos rol ror rpmos rst rtran rtranif0 rtranif1
    s_always s_eventually s_nexttime s_until s_until_with scalared select sequence severity
    shared short shortint shortreal showcancelled signal signed sizeof sla sll small soft solve
    specify specparam sra srl static static_assert static_cast string strong strong0 strong1
    struct subtype super supply0 supply1 switch sync_accept_on sync_reject_on table tagged task
    template then this thread_local throughout throw time timeprecision timeunit to tran tranif0
    tranif1 transport tri tri0 tri1 triand trior trireg true try type typedef typeid typename
    unaffected union unique unique0 units unsigned until until_with untyped use using uwire
    valid var variable vectored virtual vmode void volatile vprop vunit wait wait_order wand
    wchar_t weak weak0 weak1 when while wildcard wire with within wor xnor xor xor_eq
    """.split()  # noqa: SIM905 - a list literal would take 300 lines
)


LONGEST = 48
"""Characters of an identifier, the number that keeps it apart from others aside."""


def identifier(name: str, fallback: str = "n") -> str:
    """Return `name` as ASCII letters, digits and single underscores.

    The result never starts with a digit, is no reserved word of Verilog, SystemVerilog, VHDL or
    C++ in any case, and holds at most `LONGEST` characters. Two names may meet: `Namer` keeps them
    apart. `fallback` stands for a name without letters and digits, and in front of a digit.
    """
    text = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")
    if not text:
        text = fallback
    if text[0].isdigit():
        text = f"{fallback}{text}"
    text = text[:LONGEST].rstrip("_")
    return f"{text}_{fallback}" if text.lower() in RESERVED else text


class Namer:
    """Give out identifiers that are unique, also for tools that ignore case (VHDL)."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.lower() for name in taken}
        self._count: dict[str, int] = {}

    def name(self, wanted: str, fallback: str = "n") -> str:
        """Return `wanted` made an identifier, with a number behind it where it is taken."""
        stem = identifier(wanted, fallback)
        candidate, count = stem, self._count.get(stem.lower(), 1)
        while candidate.lower() in self._taken:
            count += 1
            candidate = f"{stem}_{count}"
        self._count[stem.lower()] = count
        self._taken.add(candidate.lower())
        return candidate
