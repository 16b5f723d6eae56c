"""Which GPU a worker computes on: workers of one machine share out its devices, without knowing of each other.

A worker takes the first place that is free: place i is device i % count. A place is a file locked by the operating
system, which frees it when its process ends. Devices are those that the process may see, so that what a cluster, a
launcher or $CUDA_VISIBLE_DEVICES has assigned before is kept.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

MOST = 1024  # workers of one machine
_mine = threading.local()  # of each thread, since threads may be workers too


def own(backend: str) -> Any:
    """The device of this worker as a context, where `backend` computes on one and there are several."""
    devices = visible() if backend == "cuda" else []
    if len(devices) < 2:
        return nullcontext()
    if getattr(_mine, "process", None) != os.getpid():
        _mine.place = Place(Path(tempfile.gettempdir()) / f"fastlyap-workers-{os.getuid()}")
        _mine.process = os.getpid()
    return devices[_mine.place.number % len(devices)]


def visible() -> Any:
    """The devices that this process may see, each a context."""
    from numba import cuda

    return cuda.gpus


class Place:
    """The first free place among this machine's workers, held until this object or its process is gone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        for number in range(MOST):
            self.file, self.number = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600), number
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                os.close(self.file)
        raise OSError(f"more than {MOST} workers on this machine")

    def __del__(self) -> None:
        os.close(self.file)
