"""glibc's vector math library on lanes: one call computes a function of 2 to 16 members.

Functions are bound by name, so compiled kernels stay in Numba's disk cache; importing this module loads the
library, which must come before cached kernels run. At most 4 ulp (glibc manual, "Errors in Math Functions").
"""

import os
import platform

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.cgutils import get_or_insert_function

from fastlyap.kernel.lane_types import INT32

_LETTERS = {512: "e", 256: "d", 128: "b"}  # AVX-512, AVX2, SSE


def _load() -> bool:
    """Load the library, unless absent or refused by FASTLYAP_MATH=portable."""
    if os.environ.get("FASTLYAP_MATH", "") == "portable":
        return False
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    try:
        llvm.load_library_permanently("libmvec.so.1")
    except RuntimeError:
        return False
    return has_symbol("exp", 1)


def has_symbol(name: str, count: int) -> bool:
    """Whether the loaded library has function ``name`` of ``count`` arguments (glibc < 2.35 lacks most)."""
    v = "v" * count
    wanted = (f"_ZGVbN2{v}_{name}", f"_ZGVbN4{v}_{name}f", f"_ZGVeN8{v}_{name}", f"_ZGVeN16{v}_{name}f")
    return all(llvm.address_of_symbol(symbol) for symbol in wanted)


_LOADED = _load()


def has(name: str, count: int = 1) -> bool:
    """Whether function ``name`` of ``count`` arguments is to be taken from the library."""
    return _LOADED and has_symbol(name, count)


def _register_bits(context) -> int:
    """Width of the vector registers of the machine that code is generated for."""
    features = context.codegen().magic_tuple()[2].split(",")
    return 512 if "+avx512f" in features else 256 if "+avx2" in features else 128


def _shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes)))


def emit(context, builder, name: str, args):
    """Call function ``name`` on vectors, in halves where they are wider than a register."""
    kind = args[0].type
    width, double = kind.count, isinstance(kind.element, ir.DoubleType)
    size = 64 if double else 32
    if width * size > _register_bits(context):
        half = width // 2
        low = emit(context, builder, name, [_shuffle(builder, a, a, range(half)) for a in args])
        high = emit(context, builder, name, [_shuffle(builder, a, a, range(half, width)) for a in args])
        return _shuffle(builder, low, high, range(width))
    if width * size < 128:
        repeat = [i % width for i in range(128 // size)]
        full = emit(context, builder, name, [_shuffle(builder, a, a, repeat) for a in args])
        return _shuffle(builder, full, full, range(width))
    symbol = f"_ZGV{_LETTERS[width * size]}N{width}{'v' * len(args)}_{name}{'' if double else 'f'}"
    signature = ir.FunctionType(kind, [kind] * len(args))
    function = get_or_insert_function(builder.module, signature, symbol)
    function.attributes.add("nounwind")
    function.attributes.add("readnone")
    return builder.call(function, args)
