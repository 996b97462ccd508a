"""Train from the command line: `python -m gatewright.train CONFIGS.json SAMPLES.npz FOLDER`.

Needs NumPy and PyTorch alone, so that it runs on a machine with a GPU where nothing else is
installed; the `.npz` files that it writes are compiled elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gatewright.base import GatewrightError
from gatewright.train.run import read_configs, read_samples, train_all


def main() -> int:
    """Train; return 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m gatewright.train", description=__doc__)
    parser.add_argument("configs", type=Path, help="JSON list of name, estimator, params")
    parser.add_argument("samples", type=Path, help=".npz file with arrays x and y")
    parser.add_argument("folder", type=Path, help="where NAME.npz files go")
    parser.add_argument("--rows", type=int, help="train on the first rows only")
    parser.add_argument("--device", help="of PyTorch, for all configurations")
    parser.add_argument("--threads", type=int, help="of PyTorch, for all configurations")
    given = parser.parse_args()
    more = {k: v for k, v in vars(given).items() if k in ("device", "threads") and v is not None}
    try:
        configs = [
            {**config, "params": {**config.get("params", {}), **more}}
            for config in read_configs(given.configs)
        ]
        x, y = read_samples(given.samples, given.rows)
        train_all(configs, x, y, given.folder, lambda text: print(text, flush=True))
    except GatewrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
