"""A self-checking test bench in Verilog-2005 that plays golden vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from gatewright.base import DataError
from gatewright.emit.header import generator
from gatewright.emit.vectors import Ports, input_ports, output_ports, total_bits
from gatewright.emit.verilog import top_name
from gatewright.hw import Module

if TYPE_CHECKING:
    from jinja2 import Template


@lru_cache(maxsize=4)
def template(name: str) -> Template:
    """Return a template of this package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # here: RTL takes none

    loader = PackageLoader("gatewright.emit", "templates")
    environment = Environment(  # what it writes is no HTML: nothing to escape
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def emit_testbench(top: Module, samples: int) -> dict[str, str]:
    """Write a test bench that reads `vectors/inputs.hex` and `vectors/outputs.hex`.

    It presents samples at full rate, then with random gaps of at least II cycles, with garbage on
    the data inputs in between, and compares value, order, number and latency of every answer. It
    prints one line, `PASS <n> vectors` or `FAIL ...` with the first fault. Verilog-2005 cannot set
    the exit status: Icarus ends with 0 either way, Verilator ends with an error after `FAIL`.

    Args:
        top: the design; without `valid_in` a sample is presented for one cycle, without
            `valid_out` an answer is expected `top.latency` cycles later.
        samples: lines of the two files.

    Raises:
        DataError: there is no sample.

    Returns:
        File name (`tb_<top>.v`) to text. `+vectors=DIR` names another folder.
    """
    if samples < 1:
        raise DataError(
            "a test bench needs golden vectors", found="no sample", supported="1 or more"
        )
    name = top_name(top)
    text = template("testbench.v.jinja").render(
        top=name,
        samples=samples,
        latency=top.latency,
        interval=top.interval,
        in_bits=total_bits(input_ports(top)),
        out_bits=total_bits(output_ports(top)),
        inputs=_slices(input_ports(top)),
        outputs=_slices(output_ports(top)),
        valid_in="valid_in" in top.inputs,
        valid_out="valid_out" in top.outputs,
        generator=generator(),
    )
    return {f"tb_{name}.v": text}


def _slices(ports: Ports) -> list[tuple[str, int, int]]:
    """Return name, lowest and highest bit of each port that has bits, in a line."""
    slices, low = [], 0
    for name, types in ports.items():
        width = int(types.width.sum())
        if width:
            slices.append((name, low, low + width - 1))
        low += width
    return slices
