"""Cost of an output error: `python tests/flow/bench_bound.py [--synth]` prints a line for each."""

from __future__ import annotations

import sys

import gatewright as gw

TEXT = (
    "2.5*exp(-x0^2/3)*x13 + sin(x1*x2/4)/(x3**2+1.5) - max(x4,0.3)*cond(x5, x6) + 3*x7 - x8*x9"
    " + x10/(x11^2+2) + tanh(x12)*cos(x14) + 0.37*x15"
)


def main() -> None:
    """Compile, verify and, where asked, synthesise for three errors."""
    for most in (1e-2, 1e-3, 1e-4):
        design = gw.compile(gw.Expressions(TEXT), max_error=most, input_format="fixed<12,3>")
        checks = design.verify(random=5000).checks
        facts = design.facts()
        told = [c.detail for c in checks if c.subject == "output error"]
        print(most, facts["estimate"], f"{design.latency} cycles", *told)
        if "--synth" in sys.argv:
            print(design.synthesize().total)


if __name__ == "__main__":
    main()
