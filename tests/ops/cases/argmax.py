from gatewright.ops import Argmax
from tests.ops.cases.common import Case, mixed, uniform

KINDS = {
    "": Argmax(),
    "-last": Argmax(last=True),
    "-smallest": Argmax(smallest=True),
    "-smallest-last": Argmax(smallest=True, last=True),
}
CASES = [
    case
    for kind, op in KINDS.items()
    for case in (
        Case(f"argmax{kind}-5", op, (uniform("fixed<4,2>", 5),)),
        Case(f"argmax{kind}-ties", op, (uniform("ufixed<1,1>", 7),)),
        Case(f"argmax{kind}-rows", op, (mixed(3, 2, 4),)),
        Case(f"argmax{kind}-one", op, (uniform("fixed<4,2>", 1),)),
    )
]
