"""Progress, and Ctrl-C heard between two slices of work."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from fastlyap.errors import InputError

PATIENCE = 1.0  # seconds before a bar appears by itself


def check_wish(wish: Any) -> None:
    """Refuse what `progress=` cannot be."""
    if wish is not None and not isinstance(wish, bool) and not callable(wish):
        raise InputError(f"`progress` must be None, True, False or a callable, got {wish!r:.60}.")


class Progress:
    """Counts finished work; draws a tqdm bar, calls a function, or stays silent."""

    def __init__(self, wish: bool | Callable[[float], Any] | None, total: float) -> None:
        check_wish(wish)
        self._call = wish if callable(wish) else None
        self._draw = wish is True or (wish is None and sys.stderr.isatty())
        self._now = wish is True
        self._start = time.monotonic()
        self._bar: Any = None
        self.total = max(float(total), 1.0)
        self.done = 0.0
        self._lock = threading.Lock()

    def add(self, work: float) -> None:
        """`work` more units are done; may be called from several threads."""
        with self._lock:
            self._add(work)

    def _add(self, work: float) -> None:
        self.done += work
        if self._call is not None:
            self._call(min(1.0, self.done / self.total))
        if not self._draw:
            return
        if self._bar is None and (self._now or time.monotonic() - self._start > PATIENCE):
            from tqdm import tqdm

            self._bar = tqdm(total=self.total, unit=" member-steps", unit_scale=True, leave=False)
        if self._bar is not None:
            self._bar.update(min(self.done, self.total) - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class Interrupt:
    """While open, the first Ctrl-C sets `.heard`; a second one raises KeyboardInterrupt at once."""

    def __init__(self) -> None:
        self.heard = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _hear(self, *_: object) -> None:
        if self.heard:
            raise KeyboardInterrupt
        self.heard = True
        outer = getattr(self._before, "__self__", None)
        if isinstance(outer, Interrupt):  # of a sweep, which must not go on with its next chunk
            outer.heard = True
