"""Floor 3: the circuit: a small closed set of cells, modules, their interpreter and checker."""

from gatewright.hw.bus import Bus, Contract, Layout
from gatewright.hw.cells import ADDED, NO_RESET, NONE, Kind, Table
from gatewright.hw.check import check
from gatewright.hw.dsp import DspBlock
from gatewright.hw.elastic import StreamsResult, random_ready, run_streams, stream_names
from gatewright.hw.instance import Instance
from gatewright.hw.interpret import Simulator, evaluate
from gatewright.hw.memory import Memory
from gatewright.hw.module import Module
from gatewright.hw.packing import Packing
from gatewright.hw.ranges import Range
from gatewright.hw.stream import VALID_IN, VALID_OUT, StreamResult, run_stream

__all__ = [
    "ADDED",
    "NONE",
    "NO_RESET",
    "Bus",
    "Contract",
    "DspBlock",
    "Instance",
    "Kind",
    "Layout",
    "Memory",
    "Module",
    "Packing",
    "Range",
    "Simulator",
    "StreamResult",
    "StreamsResult",
    "Table",
    "VALID_IN",
    "VALID_OUT",
    "check",
    "evaluate",
    "random_ready",
    "run_stream",
    "run_streams",
    "stream_names",
]
