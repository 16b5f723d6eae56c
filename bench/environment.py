"""One core, one thread, double precision: set before NumPy, Numba or JAX are loaded."""

import os
import tempfile

CORES = sorted(os.sched_getaffinity(0))  # what this process was given, before it confines itself

_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_X64": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
_cache: list[tempfile.TemporaryDirectory] = []


def confine() -> None:
    """Pin this process to its last core, forbid helper threads, and begin with an empty kernel cache."""
    os.environ.update(_SETTINGS)
    use_cores(1)
    _cache.append(tempfile.TemporaryDirectory(prefix="bench-"))
    os.environ["FASTLYAP_CACHE_DIR"] = _cache[0].name


def use_cores(count: int) -> None:
    """Let this thread, and the threads it starts from now on, use so many cores."""
    os.sched_setaffinity(0, CORES[-count:])
