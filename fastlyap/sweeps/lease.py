"""One driver per store where there are no locks: a mark in the store itself, renewed while its driver lives.

Object stores have no locks that a process loses with its life, so the mark says when it was last renewed. Two drivers
that begin within the same moment may both miss each other; then the one that wrote first finds out and gives way.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from typing import Any

from fastlyap.sweeps.lock import Held

GROUP = "driver"
RENEWED = 20.0  # seconds between two renewals
STALE = 90.0  # seconds after which a driver that has not renewed its mark is taken for dead
SETTLING = 0.5  # seconds before a new mark is read again


def holder(group: Any) -> dict[str, Any] | None:
    """Whose mark is in the open group of a store, or None."""
    fresh = _fresh(group, "r")
    told: dict[str, Any] = dict(fresh[GROUP].attrs) if GROUP in fresh else {}
    if not told.get("pid") or time.time() - told["renewed"] > STALE or _gone(told):
        return None
    return told


def _fresh(group: Any, mode: Any) -> Any:
    """The group as it is now, not as its description in one file was."""
    import zarr

    return zarr.open_group(group.store, path=group.path, mode=mode, zarr_format=3, use_consolidated=False)


def _gone(told: dict[str, Any]) -> bool:
    """Whether the driver ran on this machine and does no more."""
    if told["host"] != socket.gethostname():
        return False
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


class Lease:
    """Held while open; opening raises `Held` with the name of the holder."""

    def __init__(self, group: Any, place: str) -> None:
        self.group, self.place = _fresh(group, "r+"), place
        self.told = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
        self.told["since"] = time.strftime("%Y-%m-%d %H:%M:%S")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lease:
        self._refuse(holder(self.group))
        self._write()
        time.sleep(SETTLING)
        found = holder(self.group)
        if found is not None and found["token"] != self.told["token"]:
            self._refuse(found)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.group.require_group(GROUP).attrs.update({"pid": 0})

    def _refuse(self, who: dict[str, Any] | None) -> None:
        if who is not None:
            raise Held(
                f"another sweep works on this store: process {who['pid']} on {who['host']}, since {who['since']} "
                f"({self.place}); wait for it, or stop it. If it is gone, wait {STALE:.0f} s."
            )

    def _write(self) -> None:
        self.group.require_group(GROUP).attrs.update({**self.told, "renewed": time.time()})

    def _renew(self) -> None:
        while not self._over.wait(RENEWED):
            try:
                self._write()
            except OSError:
                continue  # the sweep itself will meet what is wrong
