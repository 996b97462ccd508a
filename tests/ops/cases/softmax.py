from gatewright.num import Intervals
from gatewright.ops import Softmax, SoftmaxFormats
from tests.ops.cases.common import Case, mixed, uniform

CAUSAL = Intervals.of([[1, 0, 0], [1, 1, 0], [0, 0, 0]], [[1, 0, 0], [1, 1, 0], [0, 0, 0]], 0)
TRUTH = uniform("ufixed<1,1>", 3)
SMALL = Softmax(SoftmaxFormats.for_output(5, 3))

CASES = [
    Case("softmax-5", Softmax(SoftmaxFormats.for_output(8, 5)), (uniform("fixed<7,4>", 5),)),
    Case("softmax-mixed", Softmax(SoftmaxFormats.for_output(6, 4)), (mixed(12, 4),)),
    Case("softmax-rows", Softmax(SoftmaxFormats.for_output(5, 3)), (uniform("fixed<5,3>", 2, 3),)),
    Case("softmax-two", Softmax(SoftmaxFormats(6, 8, 6, 7)), (uniform("ufixed<4,2>", 2),)),
    Case("softmax-causal", SMALL, (mixed(13, 3, 3), CAUSAL)),
    Case("softmax-masked", SMALL, (uniform("fixed<5,3>", 3), TRUTH)),
    Case("softmax-masked-rows", SMALL, (mixed(14, 2, 3), TRUTH)),
    Case("softmax-half", SMALL, (mixed(15, 3), Intervals.of([0, 1, 0], [1, 1, 0], 0))),
]
