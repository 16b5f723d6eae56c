"""Fast response: the shadowing part of a map's linear response and, beside it, the part of its unstable directions.

The derivative of an average is shadowing - unstable part. Both come from one walk back over the orbit; the ends of the
orbit, where tangents and covectors still turn into place, are walked over but not counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend.response import ResponseBatch, TangentBatch
from fastlyap.backend.segments import Shape
from fastlyap.errors import InputError
from fastlyap.machines import shadowing_pilot
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_assembly import spread_of
from fastlyap.machines.gradient_program import Program, make_plan, make_program
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_starts import Starts, run_up
from fastlyap.machines.kernel_windows import chosen_windows, windows_of
from fastlyap.machines.orbit import Members, fate, forward, origin
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.machines.shadowing import Found, count_in, empty
from fastlyap.machines.shadowing_orbit import edges, last_frame
from fastlyap.machines.shadowing_trust import judged
from fastlyap.request import GradientRequest
from fastlyap.trace.response import assemble_response

TURNING = 5.0  # e-foldings of the gap between unstable and stable after which frames have turned into place
CHUNK_NUMBERS = 2**23


def check(request: GradientRequest) -> None:
    """Refuse what has no linear response by these formulas."""
    system, method = request.system, request.method
    if system.architecture is not None:
        raise InputError(f"`method` fl.FastResponse needs second derivatives of a recorded rule; {system.name} is a "
                         "recurrent cell: use fl.Shadowing, or with noise fl.PathKernel.")  # fmt: skip
    if system.kind == "flow":
        raise InputError(f"`method` fl.FastResponse is for maps, {system.name} is a flow: its unstable part is not "
                         "available yet; fl.Shadowing gives the other one.")  # fmt: skip
    if system.noise_count:
        raise InputError(f"`method` fl.FastResponse is for maps without noise; {system.name} has noise: use "
                         "fl.PathKernel or fl.KernelDifferentiation.")  # fmt: skip
    if request.kind != "average" or request.by_start:
        raise InputError("`objective` must be fl.average(fn), and `wrt` parameters alone, for fl.FastResponse.")
    if not isinstance(method.modes, str) and method.modes > system.dim:
        raise InputError(f"`modes` must be at most the {system.dim} states of {system.name}, got {method.modes}.")
    widest = windows_of(method.window, request.steps, request.repetitions)[-1]
    length = 1 if isinstance(method.segment, str) else method.segment
    if request.steps < 2 * widest + 1 + shadowing_pilot.FEWEST_SEGMENTS * length:
        raise InputError(f"`steps` must hold at least {shadowing_pilot.FEWEST_SEGMENTS} segments of {length} and twice "
                         f"the window of {widest}, got {request.steps}.")  # fmt: skip


def response_program(request: GradientRequest) -> tuple[Program, int]:
    """The program, and the row of P where pairs of vectors are put."""
    pairs = request.members.p.shape[1]
    P = np.concatenate([request.members.p, np.zeros((len(request.members), 2 * request.system.dim))], axis=1)
    program = make_program(
        request,
        lambda wide, phi, width: assemble_response(request.system, wide, phi, request.columns, pairs, width),
        P,
    )
    return program, pairs


def planned(request: GradientRequest, name: Any, threads: Any) -> Plan:
    """What `run` runs."""
    n, J = request.system.dim, len(request.objectives)
    windows = windows_of(request.method.window, request.steps, request.repetitions)
    numbers = request.steps * J * (len(windows) + 1) + 10 * n * (J + n)
    return make_plan(request, name, threads, per_member=numbers)


def run(
    request: GradientRequest, checks: Any, name: Any, threads: Any, progress: Any
) -> tuple[Members, Starts, dict[str, Any]]:
    """Every member's objectives and responses, both parts of them, and what was met on the way."""
    J, p = len(request.objectives), len(request.columns)
    windows = windows_of(request.method.window, request.steps, request.repetitions)
    plan = planned(request, name, threads)
    program, pairs = response_program(request)
    starts = run_up(request, program, plan, progress)
    choice = shadowing_pilot.choose(request, program, starts, plan, False)
    found = empty(request, int(choice.modes.max(initial=0)))
    B = len(request.members)
    parts = np.zeros((B, J, p)), np.zeros((B, len(windows), J, p))
    settings = np.stack([choice.modes, choice.segment, turning(choice)], axis=1)
    for modes, length, ends in np.unique(settings, axis=0):
        points = np.flatnonzero((settings == (modes, length, ends)).all(axis=1))
        index = (points[:, None] * request.repetitions + np.arange(request.repetitions)).ravel()
        shape = Shape((request.steps - 2 * windows[-1] - 1) // length, int(modes), J + 1, False, p)
        ends = min(int(ends), (shape.segments - 1) // 4)
        group = replace(plan, members=len(index), chunk=_chunk_size(program, plan, shape, len(windows) * J))

        def work(part: slice, pace: Pace, index=index, shape=shape, length=int(length), ends=ends) -> None:
            one = _Run(request, program, starts, pairs, windows, shape, length, ends)
            one.chunk(index[part], pace, found, parts)

        run_chunks(work, group, progress)
    stats = judged(request, choice, found, checks, False)
    checks.doubt(choice.modes != choice.unstable, Reason.OTHER_MODES)
    members = found.members._replace(gradient=parts[0][:, None] - parts[1])
    members = chosen_windows(request, members, windows, checks, stats)
    tell_parts(request, members, parts[0], stats)
    return members, starts, stats


def turning(choice: shadowing_pilot.Choice) -> np.ndarray:
    """Segments at either end of the run in which frames turn into place, of every point."""
    return np.ceil(TURNING / np.maximum(choice.gap * choice.segment, 1e-3)).astype(np.int64) + 1


def _chunk_size(program: Program, plan: Plan, shape: Shape, columns: int) -> int:
    width, M, p = program.kernels.width, shape.modes, shape.p
    rows = shape.rows + shape.segments * p * (shape.count + columns * (1 + M))
    return max(width, min(plan.chunk, CHUNK_NUMBERS // rows // width * width))


def tell_parts(request: GradientRequest, members: Members, shadowing: np.ndarray, stats: dict[str, Any]) -> None:
    """Both parts among the stats of each objective, as means over members (points, p)."""
    points, E = request.points, request.repetitions
    good = (members.status < status.NOT_FINITE).reshape(points, E)
    sides = {"shadowing_part": shadowing, "unstable_part": shadowing - members.gradient}
    stats["each"] = [dict(each) for each in stats["each"]]
    for j, each in enumerate(stats["each"]):
        for name, part in sides.items():
            met = spread_of(part[:, j].reshape(points, E, -1), good)
            each[name], each[f"{name}_stderr"] = met.mean, met.stderr


class _Run:
    """One group of members with the same sizes."""

    def __init__(
        self, request: GradientRequest, program: Program, starts: Starts, pairs: int, windows: tuple[int, ...],
        shape: Shape, length: int, skip: int,
    ) -> None:  # fmt: skip
        self.request, self.program, self.starts, self.pairs = request, program, starts, pairs
        self.windows, self.shape, self.length, self.skip = windows, shape, length, skip
        self.last = request.steps - windows[-1] - 1
        self.first = self.last - shape.segments * length

    def chunk(self, who: np.ndarray, pace: Pace, found: Found, parts: tuple[np.ndarray, np.ndarray]) -> None:
        """Walk there and back with the members `who`."""
        request, shape, program = self.request, self.shape, self.program
        how, t0, M, steps = request.integration, origin(request), shape.modes, request.steps
        start = self.starts.rows[who]
        theta, P = program.theta[who], program.P[who]
        batch = ResponseBatch(program.kernels, start, theta, P, shape.count + M)
        stretches, values = [], []
        cuts = sorted({*edges(self.first, self.last, self.length, request.system.dim), self.last, steps})
        for stretch, seen in forward(batch, request, cuts, pace):
            stretches.append(stretch)
            values.append(seen)
            count_in(found.members, who, seen, stretch.first, steps)
        before = self.starts.status[who], self.starts.failed[who]
        found.members.status[who], found.members.failed[who] = fate(batch, request, before)
        begin = next(s for s in stretches if s.first == self.first)
        forth = TangentBatch(program.kernels, start, theta, P, M)
        forth.go_to(begin.start)
        forth.begin(last_frame(request, forth, 0.0, M, False, who))
        E = forth.push(how, t0, self.first, self.length, shape.segments)
        batch.begin(shape, last_frame(request, batch, 0.0, M, False, who))
        batch.respond(E, self._weights(np.concatenate(values, axis=1)), self.length, self.first)
        for stretch in reversed(stretches):
            if stretch.first >= self.first and stretch.last <= self.last:
                batch.go_to(stretch.start)
                batch.respond_back(how, t0, stretch.first, stretch.last - stretch.first, self.pairs)
                pace.done(batch.members * 2 * (stretch.last - stretch.first))
        with np.errstate(all="ignore"):
            self._read(batch, who, found, parts)

    def _weights(self, values: np.ndarray) -> np.ndarray:
        """psi of the state after each step, (B, steps, windows J): phi - <phi> summed over -W .. W about it.

        <phi> is the mean of the same orbit and moves with it: see `kernel_chunks.gains_of`.
        """
        off = values - values.mean(axis=1, keepdims=True)
        sums = np.concatenate([np.zeros_like(off[:, :1]), np.cumsum(off, axis=1)], axis=1)
        at = np.arange(self.first + 1, self.last + 1)
        N = values.shape[1]
        psi = [(sums[:, at + W + 1] - sums[:, at - W]) / (1.0 - (2 * W + 1) / N) for W in self.windows]
        return np.concatenate(psi, axis=2)

    def _read(self, batch: ResponseBatch, who: np.ndarray, found: Found, parts: tuple) -> None:
        shape, length, M = self.shape, self.length, self.shape.modes
        batch.solve(True)
        found.exponents[who, :M] = batch.judgement()[0] / (shape.segments * length)
        steps = (shape.segments - 2 * self.skip) * length
        shadowing, unstable = batch.parts(self.skip)
        parts[0][who] = shadowing / steps
        parts[1][who] = unstable.reshape(len(who), len(self.windows), shape.count - 1, -1) / steps
        if M:
            size = np.linalg.norm(batch.part("a"), axis=2)[..., : shape.count - 1]
            found.coefficients[who] = np.stack([size.max(axis=1), np.median(size, axis=1)], axis=1)
