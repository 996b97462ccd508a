"""What scripts call as `hls4ml.report`: the figures of a design that was written."""

from __future__ import annotations

from typing import Any

from gatewright.compat.hls4ml.model import report_of
from gatewright.flow import load_design


def parse_vivado_report(hls_dir: str) -> dict[str, Any]:
    """Return the figures of a design folder under hls4ml's keys.

    Raises:
        FileError: there is no design in the folder, or it is damaged.
    """
    return report_of(load_design(hls_dir))


def read_vivado_report(hls_dir: str, full_report: bool = False) -> None:
    """Print the figures of a design folder.

    Args:
        hls_dir: that `HlsModel.write` or `build` wrote.
        full_report: also print what each layer takes.
    """
    design = load_design(hls_dir)
    for title, figures in report_of(design).items():
        print(title)  # a script that read hls4ml's report expects it on standard output
        for name, value in figures.items():
            print(f"  {name:<22}{value}")
    if full_report:
        for row in design.facts()["layers"]:
            print(f"  {row['layer']:<22}{row['estimate']}")
