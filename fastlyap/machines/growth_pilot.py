"""How fast covectors of a noisy system grow, in second moment: what the path-kernel must damp.

The damping needed is set by L(2)/2 = log of the growth of the root mean square, not by the leading exponent, which is
smaller: rare members grow more than typical ones. A pilot of its own states and seed measures it, never the answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastlyap.machines import noise
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_assembly import mean_of
from fastlyap.machines.gradient_program import is_cell, make_plan, path_program
from fastlyap.machines.orbit import origin
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest

STATES = 256
ALIGNMENT = 20  # steps
SPANS = (10, 20, 40)  # steps
STREAM = 0x5BD1E995  # added to the seed
SAFETY = 0.85  # what remains of the growth of the second moment


class Growth(NamedTuple):
    """Per step and point: exponent (points,), rate (points,) of the root mean square, the largest over all spans."""

    exponent: np.ndarray
    rate: np.ndarray

    @property
    def beta(self) -> np.ndarray:
        """The share to hand to the noise, (points,)."""
        return np.clip(1.0 - SAFETY * np.exp(-self.rate), 0.0, 1.0)


def spans_of(request: GradientRequest) -> tuple[int, tuple[int, ...]]:
    """(steps of alignment, spans): of a run with a beginning and an end, all of it counts."""
    if request.kind == "average":
        return ALIGNMENT, SPANS
    steps = np.unique(np.geomspace(1, request.steps, 1 + min(request.steps, 24)).round().astype(int))
    return 0, tuple(int(step) for step in steps)


def measure(request: GradientRequest, name: Any, threads: Any, keep: np.ndarray | None = None) -> Growth:
    """Growth of covectors pulled back along pilot orbits; with matrices `keep` of what these leave of them."""
    E = request.repetitions
    members = request.members
    pick = np.repeat(np.arange(request.points) * E, STATES)
    some = replace(members, x=members.x[pick], p=members.p[pick])
    point = noise.numbers(some, request.system) // E  # in the whole batch
    number = point * STATES + np.tile(np.arange(STATES), request.points)
    keyed = noise.keyed(some, request.system, (request.seed + STREAM) % 2**64, number)
    pilot = replace(request, members=keyed, repetitions=STATES)
    if is_cell(request):
        pilot = replace(pilot, names=(), columns=())  # nothing is wanted of its weights
    align, spans = spans_of(request)
    plan = make_plan(pilot, name, threads, per_member=4 * len(spans) * (request.system.dim + len(request.columns) + 4))
    program = path_program(pilot, np.ones(len(pilot.members)))

    def work(part: slice, pace: Pace) -> np.ndarray:
        return _chunk(pilot, program, part, align, spans, pace, keep)

    s = np.concatenate(run_chunks(work, plan, False)).reshape(request.points, STATES, len(spans))
    tau = np.array(spans)
    with np.errstate(all="ignore"):
        good = np.isfinite(s)
        top = np.max(np.where(good, s, -np.inf), axis=1, keepdims=True)
        moment = np.log(np.sum(np.where(good, np.exp(2.0 * (s - top)), 0.0), axis=1) / good.sum(axis=1))
        rate = np.max((moment / 2.0 + top[:, 0]) / tau, axis=-1)
        exponent = mean_of(s[..., -1], good[..., -1]) / tau[-1]
    return Growth(exponent, np.where(np.isnan(rate), np.inf, rate))


def _chunk(
    request: GradientRequest, program: Any, part: slice, align: int, spans: tuple[int, ...], pace: Pace,
    keep: np.ndarray | None,
) -> np.ndarray:  # fmt: skip
    """log growth of a random covector over each span, backward from the last, (members, spans)."""
    how, t0 = request.integration, origin(request)
    x = request.members.x[part]
    batch = program.batch(np.concatenate([x, np.zeros((len(x), 1))], axis=1), part, 1)
    if request.transient:
        batch.wander(how, how.t0, 0, request.transient, request.transient)
    total = align + spans[-1]
    edges = sorted({total - align - tau for tau in spans} | {total - align, total})
    starts = []
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        starts.append((first, last, batch.checkpoint()))
        batch.wander(how, t0, first, last - first, last - first)
    numbers = noise.numbers(request.members, request.system)[part]
    w = np.stack([_direction(request, int(number), x.shape[1]) for number in numbers])
    found, total_growth = [], np.zeros(len(x))
    for first, last, start in reversed(starts):
        batch.set_covectors(w[:, None])
        batch.go_to(start)
        numbers = np.zeros((len(x), last - first, 1))
        batch.pull(how, t0, first, last - first, last=total, weight=0.0, numbers=numbers, keep=keep)
        w = batch.covectors()[0][:, 0]
        with np.errstate(all="ignore"):
            norm = np.linalg.norm(w, axis=1)
            w = w / np.where(norm > 0, norm, 1.0)[:, None]
            if last <= total - align:
                total_growth = total_growth + np.log(norm)
                found.append(total_growth)
        pace.done(0)
    return np.stack(found, axis=1)


def _direction(request: GradientRequest, number: int, n: int) -> np.ndarray:
    v = np.random.Generator(np.random.Philox(key=[request.seed, number], counter=[0, 0, 7, 0])).standard_normal(n)
    return v / np.linalg.norm(v)
