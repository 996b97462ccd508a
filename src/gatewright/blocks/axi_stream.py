"""AXI4-Stream ports around a module whose ports are streams.

The handshake of a stream (`NAME_valid`, `NAME_ready`) is that of AXI4-Stream. What the wrapper adds
is the form of the data (`tdata`: the packed beat, element 0 lowest, padded to whole bytes) and
TLAST, which ends an event. On an output it is counted. On an input it is checked: the module inside
counts beats itself, so an event of another length would shift all that follow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from gatewright.base import OptionError
from gatewright.hw import Module, Packing, stream_names
from gatewright.num import Intervals

BIT = Intervals.of([0], [1], 0)
NOTE = (
    "AXI4-Stream: aclk is clk, aresetn is rst inverted. tdata packs the elements of a beat, element"
    " 0 lowest, and pads them with zeros to whole bytes. tlast marks the last beat of an event. A"
    " frame that ends early is filled up with zeros, one that does not end in time is cut: its"
    " result means nothing, the next frame's is right. NAME_frame_error then stays 1 until reset."
)


def axi_stream(inner: Module, frames: Mapping[str, int], varied: Collection[str] = ()) -> Module:
    """Return a module with AXI4-Stream ports that holds `inner`; its name is `<inner>_axi`.

    An input stream NAME becomes `s_axis_NAME_tdata`, `_tvalid`, `_tready`, `_tlast`, and a pin
    `NAME_frame_error`; an output stream becomes `m_axis_NAME_tdata` and so on. Ports of `inner`
    that belong to no stream are passed on under their names. No latency is added, and no
    combinational path that `inner` has not.

    Args:
        inner: a module whose ports are streams.
        frames: beats of one event, for each stream.
        varied: input streams whose frames may end early: they are filled up, and that is no error.

    Raises:
        OptionError: the frames are not those of the streams.
    """
    names, ends = stream_names(inner)
    if set(frames) != {*names, *ends} or any(count < 1 for count in frames.values()):
        raise OptionError(
            "every stream needs its number of beats an event",
            place=f"module {inner.name!r}",
            found=", ".join(f"{name}: {count}" for name, count in frames.items()) or "none",
            supported=f"1 or more for each of {', '.join([*names, *ends])}",
        )
    m = Module(f"{inner.name}_axi", inner.origin, NOTE, inner.latency, inner.interval)
    feeds: dict[str, list[int]] = {}
    slaves = {name: _slave(m, inner, name, frames[name], feeds) for name in names}
    slaves |= {name: replace(slaves[name], varied=True) for name in names if name in varied}
    readies = {name: m.input(f"m_axis_{name}_tready", BIT)[0] for name in ends}
    feeds |= {f"{name}_ready": [ready] for name, ready in readies.items()}
    for port in [port for port in inner.inputs if port not in feeds]:
        feeds[port] = m.input(port, inner.intervals(inner.inputs[port]))
    found = m.instance(inner, {port: feeds[port] for port in inner.inputs})
    for name, slave in slaves.items():
        slave.close(m, name, found.pop(f"{name}_ready")[0])
    for name, ready in readies.items():
        valid, beat = found.pop(f"{name}_valid")[0], found.pop(name)
        _master(m, name, valid, ready, beat, frames[name])
    for port, signals in found.items():
        m.output(port, signals)
    return m


def padding(bits: int) -> int:
    """Return the bits that make a beat a whole number of bytes, at least one."""
    return max(8, -(-bits // 8) * 8) - bits


@dataclass(frozen=True)
class _Slave:
    """What an input stream's frame check knows before the module inside answers.

    Attributes:
        valid: `tvalid`.
        last: `tlast`.
        count: beats of this event that were taken, or the constant 0.
        at_last: whether the next beat is the event's last.
        filling: whether beats of zeros are put in.
        dropping: whether beats are thrown away.
        varied: a frame that ends early is right.
    """

    valid: int
    last: int
    count: int
    at_last: int
    filling: int
    dropping: int
    varied: bool = False

    def close(self, m: Module, name: str, ready: int) -> None:
        """Connect the registers, and add the ports that depend on the module's `ready`."""
        is_open = m.not_(m.or_(self.filling, self.dropping))
        taken = m.and_(m.and_(self.valid, is_open), ready)
        moves = m.or_(taken, m.and_(self.filling, ready))
        late = m.and_(m.and_(taken, self.at_last), m.not_(self.last))
        resumes = m.and_(self.valid, self.last)
        m.connect(self.dropping, m.or_(late, m.and_(self.dropping, m.not_(resumes))))
        wrong = late
        if not m.is_constant(self.count):
            _count(m, self.count, self.at_last, moves)
            early = m.and_(m.and_(taken, self.last), m.not_(self.at_last))
            filled = m.and_(ready, self.at_last)
            m.connect(self.filling, m.or_(early, m.and_(self.filling, m.not_(filled))))
            wrong = late if self.varied else m.or_(late, early)
        error = m.register((0, 1, 0), reset=0)
        m.connect(error, m.or_(error, wrong))
        m.label(error, f"{name}_error")
        m.output(f"s_axis_{name}_tready", [m.or_(self.dropping, m.and_(is_open, ready))])
        m.output(f"{name}_frame_error", [error])


def _slave(
    m: Module, inner: Module, name: str, frame: int, feeds: dict[str, list[int]]
) -> _Slave:  # fmt: skip
    """Add an input's ports and the registers of its frame check; note what feeds the module."""
    kinds = inner.intervals(inner.inputs[name])
    beat = m.input(f"s_axis_{name}_tdata", _padded(kinds))[: kinds.size]
    (valid,) = m.input(f"s_axis_{name}_tvalid", BIT)
    (last,) = m.input(f"s_axis_{name}_tlast", BIT)
    dropping = m.register((0, 1, 0), reset=0)
    m.label(dropping, f"{name}_dropping")
    count, at_last = _counter(m, name, frame)
    filling = m.constant(0)
    if frame > 1:
        filling = m.register((0, 1, 0), reset=0)
        m.label(filling, f"{name}_filling")
        # Not whatever lies on tdata: that may be unknown (X) in simulation, and need not be legal.
        rows = zip(beat, kinds.lo.tolist(), kinds.hi.tolist(), kinds.frac.tolist(), strict=True)
        beat = [
            m.select(filling, m.constant(min(max(0, lo), hi), frac), s) for s, lo, hi, frac in rows
        ]
    feeds[f"{name}_valid"] = [m.or_(filling, m.and_(valid, m.not_(dropping)))]
    feeds[name] = beat
    return _Slave(valid, last, count, at_last, filling, dropping)


def _master(m: Module, name: str, valid: int, ready: int, beat: list[int], frame: int) -> None:
    """Add an output's ports."""
    count, at_last = _counter(m, f"{name}_out", frame)
    if frame > 1:
        _count(m, count, at_last, m.and_(valid, ready))
    pad = padding(Packing.of(m.intervals(beat)).bits)
    # Bits above the one of `valid` are zero.
    zeros = [m.slice(valid, 1, pad)] if pad else []
    m.output(f"m_axis_{name}_tdata", [*beat, *zeros])
    m.output(f"m_axis_{name}_tvalid", [valid])
    m.output(f"m_axis_{name}_tlast", [at_last])


def _padded(kinds: Intervals) -> Intervals:
    """Return the elements of a beat and one for the bits that fill the last byte."""
    pad = padding(Packing.of(kinds).bits)
    more = 1 if pad else 0
    top = (1 << pad) - 1
    return Intervals(
        np.append(kinds.lo, [0] * more).astype(np.int64),
        np.append(kinds.hi, [top] * more).astype(np.int64),
        np.append(kinds.frac, [0] * more).astype(np.int64),
    )


def _counter(m: Module, name: str, frame: int) -> tuple[int, int]:
    """Return a counter of an event's beats, not yet connected, and whether it is at the last."""
    if frame == 1:
        return m.constant(0), m.constant(1)
    count = m.register((0, frame - 1, 0), reset=0)
    at_last = m.equal(count, m.constant(frame - 1))
    m.label(count, f"{name}_count")
    m.label(at_last, f"{name}_at_last")
    return count, at_last


def _count(m: Module, count: int, at_last: int, moves: int) -> None:
    """Make a counter count the beats that move, and begin again after the last."""
    following = m.add(count, m.constant(1))
    top = m.hi[count]
    m.connect(count, m.select(at_last, m.constant(0), following, within=(0, top)), moves)
