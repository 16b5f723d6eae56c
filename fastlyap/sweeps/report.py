"""Progress of a sweep: a bar on a terminal or in a notebook, a line per minute in a log file, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from fastlyap.progress import check_wish
from fastlyap.status import Status

PATIENCE = 1.0  # seconds before a bar appears by itself
INTERVAL = 60.0  # seconds between two lines


class Report:
    """Counts finished points, with failures and the worst status so far."""

    def __init__(self, wish: bool | Callable[[float], Any] | None, total: int, before: int = 0) -> None:
        check_wish(wish)
        self.total, self.before = total, before
        self.done = self.failed = self.worst = 0
        self._begun = 0.0  # points of the chunk at work, in parts
        self._start = self._told = time.monotonic()
        self._call = wish if callable(wish) else None
        self._bar: Any = None
        self._lines = self._bars = False
        if self._call is None and wish is not False:
            self._bars = _notebook() or sys.stderr.isatty()
            self._lines = not self._bars
        self._now = wish is True

    def working(self, points: float) -> None:
        """So many points' worth of a chunk at work is done."""
        self._begun = points
        self._show()

    def add(self, points: int, failed: int, worst: int) -> None:
        """A chunk is finished."""
        self.done += points
        self.failed += failed
        self.worst = max(self.worst, worst)
        self._begun = 0.0
        self._show()

    def say(self, text: str) -> None:
        """One remark, where anything is shown at all."""
        if self._bar is not None:
            self._bar.write(f"fastlyap: {text}", file=sys.stderr)
        elif self._lines or self._bars:
            print(f"fastlyap: {text}", file=sys.stderr, flush=True)

    def line(self) -> str:
        """Where the sweep stands."""
        spent = time.monotonic() - self._start
        now = self.done + self._begun
        share = (self.before + now) / max(self.total, 1)
        rate = now / max(spent, 1e-9)
        left = duration((self.total - self.before - now) / rate) if rate > 0 else "?"
        worst = Status(self.worst).name if self.worst else "OK"
        return f"{100 * share:.1f} %, {rate:.3g} points/s, {left} left, {self.failed} failed, worst {worst}"

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self) -> None:
        if self._call is not None:
            self._call(min(1.0, (self.before + self.done + self._begun) / max(self.total, 1)))
            return
        now = time.monotonic()
        if self._lines and now - self._told > INTERVAL:
            self._told = now
            print(f"fastlyap: {self.line()}", file=sys.stderr, flush=True)
        elif self._bars and (self._now or now - self._start > PATIENCE):
            self._draw()

    def _draw(self) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(
                total=self.total, initial=self.before, unit=" points", unit_scale=True, leave=False, dynamic_ncols=True
            )
        worst = Status(self.worst).name if self.worst else "OK"
        self._bar.set_postfix_str(f"{self.failed} failed, worst {worst}", refresh=False)
        self._bar.update(min(self.before + self.done + self._begun, self.total) - self._bar.n)


def duration(seconds: float) -> str:
    """A time in a few words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def _notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"
