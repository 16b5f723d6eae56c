"""One core, one thread, double precision: set before NumPy, Numba or JAX are loaded."""

import atexit
import os
import shutil
import sys
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


def confine() -> None:
    """Pin this process to its last core, forbid helper threads, and begin with an empty kernel cache."""
    os.environ.update(_SETTINGS)
    use_cores(1)
    if "numpy" in sys.modules:  # some plug-in of pytest was faster, and its BLAS has made threads by now
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
    os.environ["FASTLYAP_CACHE_DIR"] = temporary_folder()


def temporary_folder() -> str:
    """A folder that is gone when this process ends."""
    folder = tempfile.mkdtemp(prefix="bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def use_cores(count: int) -> None:
    """Let this thread, and the threads it starts from now on, use so many cores."""
    os.sched_setaffinity(0, CORES[-count:])
