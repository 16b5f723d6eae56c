"""Which chunks of a store are to be done, and what becomes of their results."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.progress import Interrupt
from fastlyap.status import Status
from fastlyap.sweeps import here
from fastlyap.sweeps import store as stores
from fastlyap.sweeps.crew import Crew, Run
from fastlyap.sweeps.job import Job
from fastlyap.sweeps.report import Report
from fastlyap.sweeps.store import Store
from fastlyap.sweeps.work import Outcome, Piece, Task, filler


class Driver:
    """One call of `sweep` at work."""

    def __init__(self, store: Store, job: Job, how: Task, crew: Crew | None, failed_only: bool) -> None:
        self.store, self.job, self.how, self.crew = store, job, how, crew
        self.failed_only = failed_only
        self.fresh: set[int] = set()
        self.goal = getattr(job.request, "steps", 0)

    def run(self, progress: Any) -> bool:
        """Do what is left; whether Ctrl-C was not heard."""
        numbers = self._left()
        if not numbers:
            return True
        before, _ = self.store.failures()
        report = Report(progress, len(self.job), 0 if self.failed_only else before)
        take = lambda piece, outcome: self._take(piece, outcome, report)  # noqa: E731
        shapes = lambda: self.store.shapes  # noqa: E731
        with Interrupt() as interrupt:
            try:
                if self.crew is None:
                    return here.run(self._pieces(numbers), take, self.how, report, interrupt, shapes)
                run = Run(self.crew, take, self.how, report, interrupt, shapes)
                return run.all(self._pieces(numbers), len(numbers))
            finally:
                report.close()

    def _left(self) -> list[int]:
        """Numbers of the chunks to be done."""
        pending, damaged = self.store.survey()
        if damaged:
            told = "; ".join(f"chunk {number}: {reason}" for number, reason in damaged[:5])
            warnings.warn(
                f"{len(damaged)} chunk(s) of {self.store.place} are damaged and computed again: {told}", stacklevel=4
            )
        if self.failed_only:
            whole = set(range(len(self.store.tiles))) - set(pending)
            return [n for n in sorted(whole) if np.any(Status.failed(self.store.codes(n)))]
        self.fresh = set(pending)
        if not self.store.manifest["keep_state"]:
            return sorted(self.fresh)
        done = self.store.ledger()[:, stores.STEPS]
        behind = {n for n in range(len(self.store.tiles)) if done[n] < self.goal}
        return sorted(self.fresh | behind)

    def _pieces(self, numbers: list[int]) -> Iterator[Piece]:
        done = self.store.ledger()[:, stores.STEPS]
        for number in numbers:
            job = self.job.part(self.store.tiles.run(number))
            if self.failed_only:
                chosen = np.flatnonzero(Status.failed(self.store.codes(number)))
                yield Piece(number, job.part(chosen), chosen)
            elif number in self.fresh:
                yield Piece(number, job)
            else:
                yield self._further(number, job, int(done[number]))

    def _further(self, number: int, job: Job, done: int) -> Piece:
        """A chunk that goes on from its stored state."""
        arrays = self.store.read(number)
        state = {path.partition("/")[2]: values for path, values in arrays.items() if path.startswith("state/")}
        request = replace(job.request, state=state, steps=self.goal - done)
        return Piece(number, replace(job, request=request), done=done)

    def _take(self, piece: Piece, outcome: Outcome, report: Report) -> None:
        """Write what came back, unless the worker did, and count it."""
        arrays = outcome.arrays
        if arrays is not None:
            if not self.store.ready:
                if outcome.told is None:
                    raise RuntimeError(f"chunk {piece.chunk} came back without labels")
                self.store.make_arrays(arrays, dict(outcome.told))
            if self.failed_only:
                arrays = self._fitted(arrays)
            if piece.chosen is not None and len(piece.chosen) < self.store.tiles.points(piece.chunk):
                arrays = self._merged(piece, arrays)
            self.store.write(piece.chunk, arrays, self._steps(piece), outcome.seconds)
        report.add(outcome.points, outcome.failed, outcome.worst)

    def _steps(self, piece: Piece) -> int:
        return piece.done + getattr(piece.job.request, "steps", 0)

    def _merged(self, piece: Piece, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A chunk with new results for some of its members."""
        whole = self.store.read(piece.chunk)
        for path, values in whole.items():
            values[piece.chosen] = arrays[path]
        return whole

    def _fitted(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Results with other settings in the arrays of the store; what such settings do not tell is left empty."""
        shapes = self.store.shapes or {}
        for path, (own, _) in shapes.items():
            if path in arrays and arrays[path].shape[1:] != own:
                raise InputError(
                    f'`only` "failed" must give results of the same shape as those in the store: `{path}` has '
                    f"{own} there, {arrays[path].shape[1:]} with these settings."
                )
        empty = filler(shapes, len(arrays[stores.STATUS]))
        return {path: arrays.get(path, empty[path]) for path in shapes}
