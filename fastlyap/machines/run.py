"""The one host loop: members advance in slices of at most half a second, in groups that share an interval.

A slice carries its whole state, so progress, Ctrl-C, stop rules and resuming all happen here, between slices,
and none of them changes a bit of the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from fastlyap.backend.base import Batch
from fastlyap.kernel import layout
from fastlyap.machines.rows import reset
from fastlyap.progress import Interrupt, Progress
from fastlyap.request import Integration

SLICE_SECONDS = 0.25


class Stopped(Exception):
    """Ctrl-C was heard; the state is that of the last finished slice."""


class Pace:
    """How many member-steps fit into one slice, learnt from the slices before."""

    def __init__(self, progress: Progress, interrupt: Interrupt) -> None:
        self.rate = 1e5
        self.progress = progress
        self.interrupt = interrupt

    def slices(self, members: int, n_steps: int) -> Iterator[int]:
        """Cut `n_steps` into slices; raise `Stopped` after the slice in which Ctrl-C was heard."""
        left = n_steps
        while left > 0:
            now = int(min(left, max(1.0, self.rate * SLICE_SECONDS / max(members, 1))))
            start = time.perf_counter()
            yield now
            spent = max(time.perf_counter() - start, 1e-6)
            self.rate = min(now * members / spent, 4.0 * self.rate)
            left -= now
            self.done(now * members)

    def done(self, member_steps: int) -> None:
        """Report finished work; raise `Stopped` if Ctrl-C was heard."""
        self.progress.add(member_steps)
        if self.interrupt.heard:
            raise Stopped


def follow(batch: Batch, how: Integration, t0: float, n_steps: int, every: int, pace: Pace, members: int) -> None:
    """Advance the state alone, looking for lost members after every `every` steps and at the end, however sliced."""
    step = 0
    for now in pace.slices(members * every, n_steps // every):
        batch.follow(how, t0, step, now * every, every)
        step += now * every
    if n_steps > step:
        batch.follow(how, t0, step, n_steps - step, n_steps - step)
        pace.done(members * (n_steps - step))


class Ensemble:
    """Members of one chunk on the host: rows S and A, parameters, and how far each has come."""

    def __init__(
        self, new_batch: Callable, S: np.ndarray, A: np.ndarray, P: np.ndarray, k: int, how: Integration, pace: Pace
    ) -> None:
        self.new_batch = new_batch
        self.S, self.A, self.P = S, A, P
        self.k = k
        self.how = how
        self.pace = pace
        self.step = np.zeros(len(S), dtype=np.int64)
        self.every = np.ones(len(S), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.S)

    def alive(self) -> np.ndarray:
        """Mask of the members without a failure."""
        return self.A[:, layout.STATUS] == 0

    def groups(self, index: np.ndarray) -> Iterator[tuple[np.ndarray, int, int]]:
        """Split members into groups of equal interval and step number: (members, every, step)."""
        if len(index) == 0:
            return
        every, step = self.every[index], self.step[index]
        keys = step * (int(every.max()) + 1) + every
        for key in np.unique(keys):
            same = keys == key
            first = int(np.argmax(same))
            yield index[same], int(every[first]), int(step[first])

    def grow(self, index: np.ndarray, n_steps: int, t0: float) -> None:
        """Advance the members of `index`, each by `n_steps`."""
        for members, every, step in self.groups(index):
            batch = self.new_batch(self.S[members], self.A[members], self.P[members])
            try:
                for now in self.pace.slices(len(members), n_steps):
                    batch.grow(self.how, t0, self.k, step, now, every)
                    step += now
            finally:
                self.S[members], self.A[members] = batch.read()
                self.step[members] = step

    def grow_to(self, index: np.ndarray, target: int, t0: float) -> None:
        """Advance the members of `index` until each has taken `target` steps."""
        for _, _, step in list(self.groups(index)):
            here = index[self.step[index] == step]
            if target > step:
                self.grow(here, target - step, t0)

    def settle(self, index: np.ndarray) -> None:
        """Close the unfinished interval of the members in `index`."""
        for members, every, step in self.groups(index):
            if step % every:
                batch = self.new_batch(self.S[members], self.A[members], self.P[members])
                batch.settle(self.how, self.k, step)
                self.S[members], self.A[members] = batch.read()

    def forget(self, index: np.ndarray) -> None:
        """Forget the growth of the members in `index`; keep status, state and frame."""
        rows = self.A[index]
        reset(rows, self.k)
        self.A[index] = rows

    def copy(self) -> Ensemble:
        """The same members, to be advanced on their own."""
        twin = Ensemble(self.new_batch, self.S.copy(), self.A.copy(), self.P, self.k, self.how, self.pace)
        twin.step[:], twin.every[:] = self.step, self.every
        return twin

    def settled(self) -> np.ndarray:
        """The accumulators as they would be if the last, unfinished interval were closed now."""
        if not np.any(self.step % self.every):
            return self.A
        twin = self.copy()
        twin.settle(np.arange(len(self)))
        return twin.A
