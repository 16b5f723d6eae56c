"""Entry points of modules whose text is fixed: loaded, or compiled, when first called."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import numba

from fastlyap import hardware
from fastlyap.trace import cache

_LOCK = threading.Lock()


@functools.lru_cache(maxsize=64)
def entry(text: str, name: str, dtype: str = "float64") -> Callable[..., Any]:
    """The entry point `name` of the module with this text; unreadable machine code on disk is made anew."""
    options = _options(dtype)
    with _LOCK:  # a module that another thread is importing is not whole yet
        found = getattr(cache.load(text, options), name)
    if hardware.interpreted():
        return found

    ready = False

    def call(*args: object) -> Any:
        nonlocal found, ready
        if not ready:
            with _LOCK:
                try:
                    found.compile(tuple(map(numba.typeof, args)))
                except Exception:  # a damaged cache file raises whatever its bytes happen to mean
                    cache.forget(cache.load(text, options))
                    found = getattr(cache.load(text, options), name)
            ready = True
        return found(*args)

    return call


def is_compiled(text: str, dtype: str = "float64") -> bool:
    """Whether machine code of the module with this text is on disk."""
    return not hardware.interpreted() and cache.is_compiled(text, _options(dtype))


def _options(dtype: str) -> str:
    from fastlyap.kernel import elementary

    return f"{hardware.simd_name()} {elementary.library()} {dtype}"
