"""How kernels are compiled: three decorators and the one set of floating-point liberties.

The set leaves NaN and infinity alone (no ``nnan``, no ``ninf``): blow-up checks work in every kernel.
With ``NUMBA_DISABLE_JIT=1``, and in the CUDA simulator, which runs kernels as plain Python, the decorators return the
function unchanged.
"""

from numba import config, njit

from fastlyap.kernel._pipeline import InlinedCompiler

FLAGS = frozenset({"contract", "reassoc", "nsz", "arcp"})
INTERPRETED = bool(config.DISABLE_JIT or config.ENABLE_CUDASIM)

_BARE = dict(no_cpython_wrapper=True, no_cfunc_wrapper=True)  # only other kernels call them; saves compile time


def options(**more) -> dict:
    """Numba options of every kernel; fast-math as an explicit set, which CUDA needs too."""
    return dict(error_model="numpy", fastmath=set(FLAGS), **more)


def kernel(function):
    """Compile a function that disappears into its caller."""
    return _compiled(function, pipeline_class=InlinedCompiler, **options(forceinline=True, **_BARE))


def kernel_call(function):
    """Compile a function that stays a call (large bodies used more than once).

    It must not take the model or any function: a call would keep their addresses, and Numba then refuses to cache.
    """
    return _compiled(function, pipeline_class=InlinedCompiler, **options(**_BARE))


def entry(function):
    """Compile a function that Python calls: no lock on the interpreter, result kept on disk."""
    return _compiled(function, **options(nogil=True, cache=True))


def entry_in_process(function):
    """The same for functions whose sources Numba cannot watch: compiled anew in every process."""
    return _compiled(function, **options(nogil=True))


def _compiled(function, **how):
    return function if INTERPRETED else njit(**how)(function)
