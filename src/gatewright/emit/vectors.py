"""Golden vectors: what goes in, what must come out, as text for test benches and as NumPy file.

A line of a hex file is one sample: the data ports (all but `valid_in` and `valid_out`) joined, the
first port lowest, each packed as `hw.Packing` says.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gatewright.base import DataError
from gatewright.hw import Module, Packing
from gatewright.num import Intervals, Ints

VALID = ("valid_in", "valid_out")
Ports = dict[str, Intervals]
"""Type of each element of each data port."""


def input_ports(module: Module) -> Ports:
    """Return the types of the data inputs."""
    return {p: module.intervals(s) for p, s in module.inputs.items() if p not in VALID}


def output_ports(module: Module) -> Ports:
    """Return the types of the data outputs."""
    return {p: module.intervals(s) for p, s in module.outputs.items() if p not in VALID}


def total_bits(ports: Ports) -> int:
    """Return the bits of a line; a line has at least one."""
    return max(sum(int(types.width.sum()) for types in ports.values()), 1)


def write_hex(ports: Ports, values: Mapping[str, Ints]) -> str:
    """Return the hex text of some samples.

    Args:
        ports: the data ports, in the module's order.
        values: integers of shape (samples, elements) for each port.

    Raises:
        DataError: a port is missing or unknown, a shape is wrong, a value is outside its type.
    """
    samples = check_values(ports, values)
    digits = -(-total_bits(ports) // 4)
    packing = _joined(ports)
    if packing is None:
        return "0\n" * samples
    flat = np.concatenate([np.asarray(values[p], np.int64) for p in ports], axis=1)
    words = packing.pack(flat)
    text = words[:, ::-1].astype(">u8").tobytes().hex()
    row = packing.words * 16
    return "".join(f"{text[(i + 1) * row - digits : (i + 1) * row]}\n" for i in range(samples))


def read_hex(text: str, ports: Ports) -> dict[str, Ints]:
    """Undo `write_hex`: return integers of shape (samples, elements) for each port.

    Raises:
        DataError: a line is no hexadecimal number of the ports' width.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    digits, packing = -(-total_bits(ports) // 4), _joined(ports)
    for number, line in enumerate(lines, 1):
        legal = len(line) == digits and not line.lower().strip("0123456789abcdef")
        if not legal or int(line, 16) >> total_bits(ports):
            raise DataError(
                "a golden vector cannot be read",
                place=f"line {number}",
                found=line,
                supported=f"{digits} hexadecimal digits, {total_bits(ports)} bits",
            )
    words = 1 if packing is None else packing.words
    code = bytes.fromhex("".join(line.zfill(16 * words) for line in lines))
    packed = np.frombuffer(code, ">u8").reshape(len(lines), words)[:, ::-1].astype(np.uint64)
    flat = np.zeros((len(lines), 0), np.int64) if packing is None else packing.unpack(packed)
    result, at = {}, 0
    for port, types in ports.items():
        size = types.size
        zeros = np.zeros((len(lines), size), np.int64)
        result[port] = flat[:, at : at + size] if packing is not None else zeros
        at += size
    return result


def write_npz(module: Module, inputs: Mapping[str, Ints], outputs: Mapping[str, Ints]) -> bytes:
    """Return a NumPy archive of golden vectors with their types.

    For each input port `p` it holds `inputs.p.q` (samples, elements) and `inputs.p.lo`, `.hi`,
    `.frac` (elements), for outputs alike; an integer `q` stands for `q * 2**-frac`.

    Raises:
        DataError: the vectors do not fit the ports.
    """
    arrays: dict[str, NDArray[np.int64]] = {}
    sides = (("inputs", input_ports(module), inputs), ("outputs", output_ports(module), outputs))
    for side, ports, values in sides:
        check_values(ports, values)
        for port, types in ports.items():
            arrays[f"{side}.{port}.q"] = np.asarray(values[port], np.int64)
            for name, column in (("lo", types.lo), ("hi", types.hi), ("frac", types.frac)):
                arrays[f"{side}.{port}.{name}"] = column
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def check_values(ports: Ports, values: Mapping[str, Ints]) -> int:
    """Return the number of samples.

    Raises:
        DataError: a port is missing or unknown, a shape is wrong, a value is outside its type.
    """
    if set(values) != set(ports):
        raise DataError(
            "golden vectors do not name the design's ports",
            found=", ".join(values) or "none",
            supported=", ".join(ports) or "none",
        )
    samples = {len(q) for q in values.values()}
    if len(samples) > 1:
        raise DataError("golden vectors differ in length", found=str(sorted(samples)))
    for port, types in ports.items():
        q = np.asarray(values[port])
        if q.shape[1:] != types.shape or q.dtype.kind not in "iu":
            raise DataError(
                "golden vectors of the wrong shape or type",
                place=f"port {port}",
                found=f"{q.dtype}{q.shape}",
                supported=f"integers of shape (samples, {types.size})",
            )
        outside = ~types.contains(q)
        if outside.any():
            sample, element = np.argwhere(outside)[0].tolist()
            raise DataError(
                "a golden vector is outside the range of its element",
                place=f"port {port}, sample {sample}, element {element}",
                found=int(q[sample, element]),
                supported=f"{types.lo[element]}..{types.hi[element]}",
            )
    return samples.pop() if samples else 0


def _joined(ports: Ports) -> Packing | None:
    """Return the layout of a line, or None where there is no bit."""
    if not ports or not sum(int(types.width.sum()) for types in ports.values()):
        return None
    columns = [(types.lo, types.hi, types.frac) for types in ports.values()]
    return Packing.of(
        Intervals.of(*(np.concatenate(column) for column in zip(*columns, strict=True)))
    )
