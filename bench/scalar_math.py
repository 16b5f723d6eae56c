"""The elementary functions with sine and cosine computed lane by lane: what a kernel costs without vector math."""

import copy
import math

from numba import types
from numba.extending import intrinsic

from fastlyap.backend import cpu
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.emit import per_lane
from fastlyap.kernel.lane_types import VecType
from fastlyap.request import Integration
from fastlyap.trace import cache


def _lane_by_lane(scalar):
    @intrinsic
    def function(context, x):
        signature = context.resolve_function_type(scalar, (types.float64,), {})

        def generate(target, builder, sig, args):
            one = target.get_function(scalar, signature)
            return per_lane(builder, lambda value: one(builder, (value,)), args[0])

        return (x(x), generate) if isinstance(x, VecType) else None

    return function


_sin, _cos = _lane_by_lane(math.sin), _lane_by_lane(math.cos)


@kernel
def sin(x):
    return _sin(x)


@kernel
def cos(x):
    return _cos(x)


def kernels(system, how: Integration, width: int) -> cpu.Kernels:
    """The kernels of a system, with the two functions exchanged."""
    found = copy.copy(cpu.load(system, how, width, "tuples"))
    text = cpu.module_of(system, how.integrator, width, "tuples").text
    text = text.replace("import elementary as f\n", "import elementary as f\nfrom bench import scalar_math\n")
    text = text.replace("f.sin(", "scalar_math.sin(").replace("f.cos(", "scalar_math.cos(")
    found.module = cache.load(text, "lane by lane")
    return found
