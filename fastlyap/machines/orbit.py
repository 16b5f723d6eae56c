"""The orbit of a gradient: forward once with checkpoints, then backward stretch by stretch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fastlyap.backend.sensitivity import SensitivityBatch
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest


class Stretch(NamedTuple):
    """Steps first .. last - 1, and the checkpoint at the first."""

    first: int
    last: int
    start: np.ndarray


class Members(NamedTuple):
    """What became of the members of a chunk; J objectives, c numbers in the gradient of one.

    value : (B, J); gradient : (B, J, c); status, failed : (B,); blocks : (B, m, J) means of the objectives over m
    stretches of about the same length; square : (B, J) mean square of the objectives; more : what a method adds
    """

    value: np.ndarray
    gradient: np.ndarray
    status: np.ndarray
    failed: np.ndarray
    blocks: np.ndarray
    square: np.ndarray
    more: dict[str, np.ndarray]

    @staticmethod
    def joined(parts: Sequence[Members]) -> Members:
        """The members of all chunks."""
        more = {name: np.concatenate([part.more[name] for part in parts]) for name in parts[0].more}
        return Members(*(np.concatenate(column) for column in zip(*(part[:-1] for part in parts), strict=True)), more)


def cuts(first: int, last: int, *, also: Sequence[int] = ()) -> list[int]:
    """Where to cut the steps first .. last - 1: about sqrt(last - first) stretches; and at the steps `also`."""
    length = max(1, math.isqrt(last - first))
    return sorted({*range(first, last, length), *(step for step in also if first < step < last), last})


def origin(request: GradientRequest) -> float:
    """The time at step 0 of the run, after the transient."""
    return request.integration.t0 + request.transient * request.integration.dt


def forward(
    batch: SensitivityBatch, request: GradientRequest, edges: Sequence[int], pace: Pace
) -> Iterator[tuple[Stretch, np.ndarray]]:
    """Advance from edge to edge; each stretch with its objectives at the start of each step, (B, steps, J)."""
    how, t0, count = request.integration, origin(request), len(request.objectives)
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        start = batch.checkpoint()
        seen = batch.observe(how, t0, first, last - first, count)
        pace.done(batch.members * (last - first))
        yield Stretch(first, last, start), seen


def fate(batch: SensitivityBatch, request: GradientRequest, before: tuple[np.ndarray, np.ndarray]) -> tuple:
    """Status and failed step, counted from the start of the run-up, of members that were `before` the run."""
    code, step = batch.fate()
    early = before[0] > 0
    late = np.where(code > 0, step + request.transient, -1)
    return np.where(early, before[0], code), np.where(early, before[1], late)
