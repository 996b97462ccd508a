from gatewright.num import Intervals
from gatewright.ops import Logical
from tests.ops.cases.common import Case, uniform

BITS = uniform("ufixed<1,1>", 4)
KNOWN = Intervals.of([0, 1, 0, 0], [1, 1, 0, 1], [0, 0, 3, 0])

CASES = [
    *(Case(f"logical-{f}", Logical(f), (BITS, BITS)) for f in ("and", "or", "xor")),
    *(Case(f"logical-{f}-known", Logical(f), (BITS, KNOWN)) for f in ("and", "or", "xor")),
    *(Case(f"logical-{f}-twice", Logical(f), (KNOWN, KNOWN)) for f in ("and", "or", "xor")),
    Case(
        "logical-and-rows",
        Logical("and"),
        (uniform("ufixed<1,1>", 2, 3), uniform("ufixed<1,1>", 3)),
    ),
    Case("logical-not", Logical("not"), (BITS,)),
    Case("logical-not-known", Logical("not"), (KNOWN,)),
]
