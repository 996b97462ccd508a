from gatewright.num import Intervals
from gatewright.ops import Normalize
from tests.ops.cases.common import Case, mixed, uniform


def case(name: str, op: Normalize, kind: Intervals, bits: int = 7) -> Case:
    return Case(f"normalize-{name}", op.with_bits(bits, kind), (kind,))


ROOT_MEAN = Normalize(False, "mean square", 1e-6)
LENGTH = Normalize(False, "square sum")

CASES = [
    case("layer", Normalize(epsilon=1e-3), uniform("fixed<7,4>", 5)),
    case("layer-bert", Normalize(epsilon=1e-12), uniform("fixed<8,5>", 4)),
    case("layer-none", Normalize(), uniform("fixed<6,3>", 3)),
    case("layer-rows", Normalize(epsilon=1e-5), uniform("ufixed<6,2>", 2, 4)),
    case("layer-large-epsilon", Normalize(epsilon=9.0), uniform("fixed<6,3>", 4)),
    case("layer-mixed", Normalize(epsilon=1e-2), mixed(4, 5)),
    case("layer-mixed2", Normalize(epsilon=1e-2), mixed(9, 2, 3)),
    case("layer-coarse", Normalize(epsilon=1e-3), uniform("fixed<7,4>", 6), 2),
    case("layer-fine", Normalize(epsilon=1e-3), uniform("fixed<5,2>", 3), 12),
    case("layer-one", Normalize(epsilon=1e-3), uniform("fixed<5,2>", 2, 1)),
    case("layer-two", Normalize(epsilon=1e-3), uniform("fixed<5,8>", 2)),
    case("layer-large", Normalize(epsilon=1e-3), uniform("ufixed<4,9>", 3)),
    case("scaled", Normalize(False, "variance", 1e-2), uniform("fixed<6,3>", 4)),
    case("rms", ROOT_MEAN, uniform("fixed<7,4>", 5)),
    case("rms-positive", ROOT_MEAN, uniform("ufixed<6,2>", 3)),
    case("rms-mixed", ROOT_MEAN, mixed(6, 4)),
    case("length", LENGTH, uniform("fixed<7,4>", 3)),
    case("length-one", LENGTH, uniform("fixed<7,4>", 2, 1)),
    case("length-limit", Normalize(False, "square sum", 1.5, "limit"), uniform("fixed<6,3>", 3)),
    case("length-tiny", Normalize(False, "square sum", 1e-24, "limit"), uniform("fixed<6,3>", 3)),
    case("outside", Normalize(True, "variance", 1e-9, "outside"), uniform("fixed<6,3>", 4)),
]
