from gatewright.ops import Softmax, SoftmaxFormats
from tests.ops.cases.common import Case, mixed, uniform

CASES = [
    Case("softmax-5", Softmax(SoftmaxFormats.for_output(8, 5)), (uniform("fixed<7,4>", 5),)),
    Case("softmax-mixed", Softmax(SoftmaxFormats.for_output(6, 4)), (mixed(12, 4),)),
    Case("softmax-rows", Softmax(SoftmaxFormats.for_output(5, 3)), (uniform("fixed<5,3>", 2, 3),)),
    Case("softmax-two", Softmax(SoftmaxFormats(6, 8, 6, 7)), (uniform("ufixed<4,2>", 2),)),
]
