"""The firmware never computes this operation (see its docstring): it has no case of its own.

`tests/passes/test_streamline.py` checks what it is turned into, and `tests/ops/test_refusals.py`
that it is refused where it would reach the circuit.
"""

from tests.ops.cases.common import Case

CASES: list[Case] = []
