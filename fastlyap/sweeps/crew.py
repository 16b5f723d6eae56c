"""The engine of workers: any `concurrent.futures` executor, Dask's among them, in tasks that are runs of chunks."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import replace
from typing import Any

from fastlyap.errors import InputError
from fastlyap.progress import Interrupt
from fastlyap.sweeps.isolation import isolate
from fastlyap.sweeps.report import Report
from fastlyap.sweeps.work import Outcome, Piece, Shapes, Task, perform

PATIENCE = 0.1  # seconds between two looks for Ctrl-C
TASK_SECONDS = 20.0  # that a task should last
PAUSE = 5.0  # seconds between two looks at the size of a cluster
GRACE = 30.0  # seconds beyond its time that a task may stay away before it is given up
_nonces = itertools.count(1)


class Died(Exception):
    """A worker died over a task, or did not come to an end with it."""


class Crew:
    """An executor, or a function that makes one, asked again when its workers have died."""

    def __init__(self, given: Any) -> None:
        self.make: Callable[[], Any] | None = None
        if not hasattr(given, "submit"):
            if not callable(given):
                raise InputError(
                    f"`executor` must have a method `submit`, or be a function that makes such, got {given!r:.60}."
                )
            self.make, given = given, given()
        self.executor = given
        self._size, self._looked = 1, float("-inf")

    @property
    def client(self) -> Any:
        """The Dask client behind the executor, or None."""
        return getattr(self.executor, "_client", None)

    def size(self) -> int:
        """How many tasks run at once; clusters grow and shrink, so it is looked up again every few seconds."""
        if self.client is None:
            return int(getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1)
        if time.monotonic() - self._looked > PAUSE:
            self._size, self._looked = max(1, sum(self.client.nthreads().values())), time.monotonic()
        return self._size

    def queue(self) -> int:
        """How many tasks to hand out: one more than run, or so many that a cluster that adapts sees a need to grow."""
        return self.size() + 1 if self.client is None else 2 * self.size() + 8

    def submit(self, task: Task) -> Future:
        """Hand a task to a worker."""
        return self.executor.submit(perform, replace(task, nonce=next(_nonces)))

    def revive(self, problem: BaseException) -> None:
        """A new executor after one that broke, or whose workers hang."""
        if self.make is None:
            raise ConnectionError(
                f"the executor's workers died ({problem}). A new one cannot be made from here: pass a function that "
                "makes it, executor=lambda: ProcessPoolExecutor(...), and the member that does it will be found."
            ) from problem
        self._end(at_once=True)
        self.executor = self.make()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        """End an executor that was made here; at once where something else went wrong."""
        if self.make is not None:
            self._end(at_once=kind is not None)

    def _end(self, *, at_once: bool) -> None:
        workers = list((getattr(self.executor, "_processes", None) or {}).values()) if at_once else []
        self.executor.shutdown(wait=False, cancel_futures=True)
        for worker in workers:  # one that hangs would keep this process from ending, too
            worker.kill()


class Run:
    """One sweep on a crew."""

    def __init__(
        self, crew: Crew, take: Callable[[Piece, Outcome], None], how: Task, report: Report, interrupt: Interrupt,
        shapes: Callable[[], Shapes | None],
    ) -> None:  # fmt: skip
        self.crew, self.take, self.how = crew, take, how
        self.report, self.interrupt, self.shapes = report, interrupt, shapes
        self.at_work: dict[Future, tuple[tuple[Piece, ...], float]] = {}
        self.suspects: deque[Piece] = deque()
        self.seconds: float | None = None  # per chunk

    def all(self, pieces: Iterable[Piece], count: int) -> bool:
        """Compute pieces and hand each to `take`; whether Ctrl-C was not heard."""
        source, left = iter(pieces), count
        try:
            while True:
                while left and len(self.at_work) < self.crew.queue() and not self.suspects and not self.interrupt.heard:
                    some = tuple(itertools.islice(source, self._length(left)))
                    left = left - len(some) if some else 0
                    if some:
                        self._send(some)
                if self.interrupt.heard:
                    self._withdraw()
                self._collect()
                if not self.at_work:
                    if self.interrupt.heard:
                        return False
                    while self.suspects:
                        self._examine(self.suspects.popleft())
                    if not left:
                        return True
        finally:
            for future in self.at_work:
                future.cancel()

    def _length(self, left: int) -> int:
        """Chunks of the next task."""
        if self.seconds is None or self.shapes() is None:
            return 1
        return max(1, min(int(TASK_SECONDS / max(self.seconds, 1e-9)), left // (4 * self.crew.size())))

    def _send(self, pieces: tuple[Piece, ...]) -> None:
        target = self.how.target if self.shapes() is not None else None
        try:
            future = self.crew.submit(replace(self.how, pieces=pieces, target=target))
        except BrokenExecutor as problem:
            self._broken(problem, pieces)
            return
        self.at_work[future] = pieces, self._deadline(len(pieces))

    def _deadline(self, chunks: int) -> float:
        """When a task of so many chunks that was sent now must be back."""
        if self.how.timeout is None:
            return float("inf")
        waits = 2 if self.crew.client is None else 6  # before it there may be others in the queue
        return time.monotonic() + waits * chunks * self.how.timeout + GRACE

    def _withdraw(self) -> None:
        """Take back what no worker has begun."""
        for future in [f for f in self.at_work if f.cancel()]:
            del self.at_work[future]

    def _collect(self) -> None:
        """Take what has come back; note what has not."""
        done, _ = wait(self.at_work, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        for future in done:
            if future not in self.at_work:
                continue
            pieces, _ = self.at_work.pop(future)
            try:
                self._taken(pieces, self._result(future))
            except Died:
                self.suspects.extend(pieces)
            except BrokenExecutor as problem:
                self._broken(problem, pieces)
            except KeyboardInterrupt:
                self.interrupt.heard = True  # the worker heard it, too
        now = time.monotonic()
        for future in [f for f, (_, end) in self.at_work.items() if now > end]:
            pieces, _ = self.at_work.pop(future)
            future.cancel()
            told = f"chunk {pieces[0].chunk} and {len(pieces) - 1} more did not come back"
            if self.crew.make is not None:
                self.report.say(f"{told}; their workers are replaced")
                self._broken(TimeoutError("no answer"), pieces)
                return
            self.report.say(f"{told}; left pending")

    def _taken(self, pieces: tuple[Piece, ...], outcomes: list[Outcome]) -> None:
        for piece, outcome in zip(pieces, outcomes, strict=True):
            self.take(piece, outcome)
            self.seconds = outcome.seconds if self.seconds is None else 0.7 * self.seconds + 0.3 * outcome.seconds

    def _result(self, future: Future) -> list[Outcome]:
        """What a task came to, its deaths under one name."""
        try:
            return future.result()
        except (CancelledError, TimeoutError, MemoryError) as problem:
            if isinstance(problem, CancelledError):
                raise ConnectionError("the scheduler went away, or took the tasks back") from problem
            raise Died(str(problem)) from problem
        except Exception as problem:
            if type(problem).__name__ == "KilledWorker":
                raise Died(str(problem)) from problem
            if type(problem).__name__ == "CommClosedError":
                raise ConnectionError(f"the scheduler went away ({problem})") from problem
            raise

    def _broken(self, problem: BaseException, pieces: tuple[Piece, ...]) -> None:
        """All that was at work is suspect when an executor breaks as a whole."""
        self.suspects.extend(pieces)
        for future, (others, _) in list(self.at_work.items()):
            del self.at_work[future]
            if future.done() and not future.cancelled() and future.exception() is None:
                self._taken(others, future.result())
            else:
                self.suspects.extend(others)
        self.crew.revive(problem)

    def _examine(self, piece: Piece) -> None:
        """One suspect by itself; in halves where it is guilty."""
        if self.interrupt.heard:
            return
        try:
            outcome = self._attempt(piece)
        except Died as problem:
            self.report.say(f"chunk {piece.chunk} ends its worker ({problem}); looking for the member")
            outcome = isolate(piece, self._attempt, (Died,), self.shapes())
        self.take(piece, outcome)

    def _attempt(self, piece: Piece) -> Outcome:
        future, end = self.crew.submit(replace(self.how, pieces=(piece,), target=None)), self._deadline(1)
        try:
            while not wait([future], timeout=PATIENCE).done:
                if time.monotonic() > end:
                    raise BrokenExecutor("no answer")
            return self._result(future)[0]
        except BrokenExecutor as problem:
            self.crew.revive(problem)
            raise Died(str(problem)) from problem
