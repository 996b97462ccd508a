from gatewright.ops import Argmax
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("argmax-5", Argmax(), (uniform("fixed<4,2>", 5),)),
    Case("argmax-ties", Argmax(), (uniform("ufixed<1,1>", 7),)),
    Case("argmax-rows", Argmax(), (mixed(3, 2, 4),)),
    Case("argmax-one", Argmax(), (uniform("fixed<4,2>", 1),)),
]
