"""One driver per store: a file beside it, locked by the operating system, that says who holds it.

The system takes the lock back when its process ends, however it ends, so that no lock is ever stale.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import Any


class Held(OSError):
    """Another driver works on this store."""


def holder(path: Path) -> dict[str, Any] | None:
    """Who holds the lock of the store at `path`, or None."""
    try:
        with open(beside(path)) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(file)
    except FileNotFoundError:
        pass
    return None


def beside(path: Path) -> Path:
    """The lock of a store; not inside, where others would take it for data."""
    return path.with_name(path.name + ".lock")


class Lock:
    """Held while open; opening raises `Held` with the name of the holder."""

    def __init__(self, path: Path) -> None:
        self.path = beside(path)
        self.file: Any = None

    def __enter__(self) -> Lock:
        while True:
            file = open(self.path, "a+")  # noqa: SIM115  # held open as long as the lock
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = _read(file)
                file.close()
                raise Held(
                    f"another sweep works on this store: process {who.get('pid')} on {who.get('host')}, since "
                    f"{who.get('since')} ({self.path}); wait for it, or stop it."
                ) from None
            if _same(file, self.path):
                break
            file.close()  # its last holder has just taken it away
        file.truncate(0)
        me = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        file.write(json.dumps(me))
        file.flush()
        self.file = file
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)
        self.file.close()


def _same(file: Any, path: Path) -> bool:
    """Whether the open file is still the one called `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _read(file: Any) -> dict[str, Any]:
    """Who wrote the file; nothing where that was not finished."""
    file.seek(0)
    try:
        found = json.loads(file.read())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
