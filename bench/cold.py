"""Compile bench_mlp once in this process: `python bench/cold.py emit | da4ml | alkaid`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from bench.sections import compilation

    if sys.argv[1] == "emit":
        compilation.write_rtl()
    else:
        from bench.peers import PEERS

        compilation.theirs(next(p for p in PEERS if p.name == sys.argv[1]).load())
