"""What this machine offers: the width of its vectors, its cores, and which of them to use."""

import contextlib
import functools
import os
import platform
from collections.abc import Iterator

WIDE = ("skylakex", "cooperlake", "sapphirerapids")  # code of OpenBLAS for AVX-512


@functools.cache
def simd_bits() -> int:
    """Bits of the widest usable vector register: 512 (AVX-512), 256 (AVX2) or 128.

    $FASTLYAP_SIMD_BITS may ask for fewer.
    """
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    found = 512 if features.get("avx512f") else 256 if features.get("avx2") else 128
    return min(found, int(os.environ.get("FASTLYAP_SIMD_BITS", found)))


@functools.cache
def simd_name() -> str:
    """The instruction set that `simd_bits` stands for."""
    return {512: "avx512", 256: "avx2"}.get(simd_bits(), "sse2")


def interpreted() -> bool:
    """Whether kernels run as plain Python: NUMBA_DISABLE_JIT=1, or the CUDA simulator."""
    from numba.core import config

    return bool(config.DISABLE_JIT or config.ENABLE_CUDASIM)


def lanes(dtype: str) -> int:
    """Members side by side in one vector register."""
    return 1 if interpreted() else simd_bits() // (32 if dtype == "float32" else 64)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS to one thread: ours run beside each other, and its results could depend on how many it uses."""
    raised = [(library, n) for library in _libraries() if (n := library.get_num_threads()) != 1]
    for library, _ in raised:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, n in raised:
            library.set_num_threads(n)


@functools.cache
def _libraries() -> list:
    """The controls of BLAS libraries; looking for them takes much longer than setting them."""
    import scipy.linalg.cython_blas  # noqa: F401 - what compiled kernels call must have been loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


def blas() -> str:
    """The library of matrix products, the processor that its code was written for, and what would be faster here."""
    told = {tuple(library.info().get(name) for name in ("internal_api", "architecture")) for library in _libraries()}
    found = ", ".join(sorted(f"{name} for {written or 'any processor'}" for name, written in told))
    older = any(name == "openblas" and (written or "").lower() not in WIDE for name, written in told)
    remedy = "unset OPENBLAS_CORETYPE" if "OPENBLAS_CORETYPE" in os.environ else "set OPENBLAS_CORETYPE=SkylakeX"
    advice = f"; {remedy} before Python starts: this processor has AVX-512"
    return found + advice * (older and simd_name() == "avx512")


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this operating system
        return os.cpu_count() or 1


def processor() -> str:
    """The model's name of the processor."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def memory() -> float:
    """Bytes of memory this machine has; infinity where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not on this operating system
        return float("inf")
