"""How fast covectors of a noisy network grow from layer to layer, in second moment: what the path-kernel must damp.

As `growth_pilot` for systems: random covectors of unit length at the last noise, pulled back from noise to noise along
pilot members of a seed of their own. The growth of the root mean square is the largest over all spans from there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastlyap.kernel import network as table
from fastlyap.machines.growth_pilot import STATES, STREAM, Growth
from fastlyap.networks.repetitions import Asked, Group, Repetitions
from fastlyap.request import NetGradientRequest


def measure(request: NetGradientRequest) -> Growth:
    """Growth per layer of covectors, for every point."""
    net, samples = request.network, request.inputs.samples
    inputs = replace(request.inputs, seed=(request.seed + STREAM) % 2**64)
    noises = [i for i, op in enumerate(net.program.operations) if op.kind == table.NOISE]
    asked = Asked(np.ones((1, len(noises))), (), True, True)
    reps = Repetitions(net, inputs, -(-STATES // samples), asked)
    slots = [net.program.operations[i].out for i in noises]
    space = reps.space()
    logs = []
    with np.errstate(all="ignore"):
        for part in reps.groups(1, range(request.points)):
            found = [_norms(reps, group, slots, space) for group in part]
            logs.append(np.concatenate(found, axis=1))
    return _growth(np.array(logs))


def _norms(reps: Repetitions, group: Group, slots: list[int], space: object) -> np.ndarray:
    """log of the length of covectors at the noises, from the first, (noises, samples of a group)."""
    rows, m = group.count * reps.inputs.samples, reps.n_out
    key = [reps.inputs.seed, group.point]
    w = np.random.Generator(np.random.Philox(key=key, counter=[group.first, 0, 7, 0])).standard_normal((rows, m))
    reps.forward(space.tapes, np.empty(rows * m), group.lo, group.hi, space, True)  # type: ignore[attr-defined]
    reps.gradients(group, w, np.zeros(group.count), True, space)  # type: ignore[arg-type]
    found = []
    for slot in slots:
        place, n = reps.tables.places[slot], reps.program.sizes[slot]
        here = space.vectors[place : place + rows * n].reshape(rows, n)  # type: ignore[attr-defined]
        largest = np.abs(here).max(axis=1)
        found.append(np.log(largest) + np.log(np.linalg.norm(here / largest[:, None], axis=1)))
    return np.array(found)


def _growth(logs: np.ndarray) -> Growth:
    """From logs of lengths (points, noises, samples); nothing grows where there is one noise only."""
    points, noises = logs.shape[:2]
    if noises < 2:
        return Growth(np.zeros(points), np.full(points, -np.inf))
    s = (logs[:, -1:] - logs[:, :-1])[:, ::-1] * -1.0  # (points, spans, samples)
    tau = np.arange(1, noises)
    with np.errstate(all="ignore"):
        good = np.isfinite(s)
        top = np.max(np.where(good, s, -np.inf), axis=2, keepdims=True)
        moment = np.log(np.sum(np.where(good, np.exp(2.0 * (s - top)), 0.0), axis=2) / good.sum(axis=2))
        rate = np.max((moment / 2.0 + top[..., 0]) / tau, axis=1)
        exponent = np.where(good, s, 0.0).sum(axis=2)[:, -1] / good.sum(axis=2)[:, -1] / tau[-1]
    return Growth(exponent, np.where(np.isnan(rate), np.inf, rate))
