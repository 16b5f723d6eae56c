"""What this machine offers and what a call would use, for people and for bug reports."""

import os
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version

from fastlyap import hardware
from fastlyap._version import __version__

PACKAGES = (
    "numba",
    "llvmlite",
    "numpy",
    "scipy",
    "matplotlib",
    "xarray",
    "zarr",
    "distributed",
    "numba-cuda",
)


def report() -> str:
    """Versions, processor, math library, cache and CUDA, one line each."""
    facts = {"fastlyap": __version__, "python": f"{platform.python_version()} on {platform.platform()}"}
    facts |= {name: _version(name) for name in PACKAGES}
    facts |= {
        "processor": hardware.processor(),
        "vectors": f"{hardware.simd_name()}, {hardware.lanes('float64')} float64 lanes",
        "math library": math_library(),
        "matrix products": hardware.blas(),
        "cores": f"{hardware.cores()} of {os.cpu_count()} usable",
        "threading layer": threading_layer(),
        "cache": cache(),
        "compiler": "off (NUMBA_DISABLE_JIT=1)" if hardware.interpreted() else "on",
        "CUDA": cuda(),
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {fact}" for name, fact in facts.items())


def math_library() -> str:
    """Where sin, exp and the others come from on lanes."""
    from fastlyap.kernel import elementary

    return elementary.library()


def threading_layer() -> str:
    """Numba's layers that this installation can use, in its order of preference."""
    from numba.np.ufunc import parallel

    found = []
    for name, probe in (("tbb", "tbbpool"), ("omp", "omppool"), ("workqueue", "workqueue")):
        try:
            __import__(f"{parallel.__name__.rpartition('.')[0]}.{probe}")
            found.append(name)
        except ImportError:
            continue
    return ", ".join(found) or "none"


def cache() -> str:
    """The folder of compiled code and what lies in it."""
    from fastlyap.trace.cache import cache_directory

    folder = cache_directory()
    if not folder.is_dir():
        return f"{folder} (empty)"
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{folder} ({len(sizes)} files, {sum(sizes) / 2**20:.1f} MB)"


def cuda() -> str:
    """The card, or why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from fastlyap.backend import cuda

            return cuda.describe()
    except Exception as failure:  # a broken installation may raise anything; the doctor goes on
        return f"not available: {' '.join(str(failure).split())[:120]}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
