"""From flat numbers of members to results with a batch shape, and from a result back to a request."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import layout
from fastlyap.machines import delays, drives, noise, rest, subspace
from fastlyap.machines.average import Chunk, Numbers
from fastlyap.machines.planning import KEEP_BYTES, Plan
from fastlyap.request import Integration, Members, SpectrumRequest, TrajectoryRequest
from fastlyap.result import Spectrum, SystemInfo, Trajectory
from fastlyap.status import Status


def info(system: Any) -> SystemInfo:
    """The system's label on a result."""
    free = not rest.driven(system)
    return SystemInfo(system.name, system.kind, system.dim, tuple(system.state_names), system.digest, free)


def settings(request: Any, plan: Plan) -> dict[str, Any]:
    """The plain values a call was made with."""
    how = request.integration
    names = ("integrator", "t0", "rtol", "atol", "escape_radius", "dtype")
    found = {name: getattr(how, name) for name in names}
    if how.integrator != "dopri5":
        del found["rtol"], found["atol"]
    return {
        "steps": request.steps, "transient": request.transient, "dt": how.dt if request.system.kind == "flow" else None,
        **found, "backend": plan.backend, "program": plan.program,
    }  # fmt: skip


def keeps_state(request: SpectrumRequest) -> bool:
    """Whether a result is to hold what `history` and `resume` need."""
    if request.keep is not None:
        return request.keep
    k, past = request.k, request.members.extent
    rows = delays.state_rows(request.system.dim, k, past and past.rows)
    return 8 * len(request.members) * (rows + layout.accumulator_rows(k)) <= KEEP_BYTES


def state_of(chunk: Chunk, k: int) -> dict[str, np.ndarray]:
    """The rows of a chunk under the names of `Spectrum.state`; all in the order of the frame, unsorted."""
    from fastlyap.machines.rows import read_growth

    members = chunk.members
    head = layout.GROWTH + 2 * k
    growth = read_growth(members.A, k, members.step, members.every)
    return {
        "rows": members.S,
        "accumulators": members.A[:, :head],
        "cells": members.A[:, head:].reshape(len(members), layout.N_CELLS, k),
        "cell_steps": growth.cell_steps,
        "n_cells": growth.n_cells,
        "step": members.step,
        "every": members.every,
    }


def spectrum(request: SpectrumRequest, plan: Plan, parts: list[Numbers], states: list[dict]) -> Spectrum:
    """Put the chunks together."""
    members, k = request.members, request.k
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts]) if parts else _nothing(name, k)
        for name in Numbers._fields
    }
    shaped = {name: value.reshape(members.shape + value.shape[1:]) for name, value in joined.items()}
    if not rest.asked(request.system):
        shaped["moved"] = None
    state = None
    if keeps_state(request) and states:
        state = {name: np.concatenate([s[name] for s in states]) for name in states[0]}
        state = {name: value.reshape(members.shape + value.shape[1:]) for name, value in state.items()}
    chosen = {
        "k": k, "every": request.every if request.every is not None else "auto", "direction": request.direction,
        "stderr_below": request.stderr_below, "seed": request.seed, **subspace.told(request.system),
        **drives.told(request),
    }  # fmt: skip
    return Spectrum(
        **shaped, parameters=members.parameters, x0=members.x.reshape(*members.shape, request.system.dim),
        dims=members.dims, system=info(request.system), settings={**settings(request, plan), **chosen}, state=state,
    )  # fmt: skip


def trajectory(
    request: TrajectoryRequest, plan: Plan, orbit: np.ndarray, codes: np.ndarray, failed: np.ndarray
) -> Trajectory:
    """Orbits (B, T, n) of all members as a result."""
    members, how, every = request.members, request.integration, request.every
    steps = np.arange(1, orbit.shape[1] + 1) * every
    return Trajectory(
        state=orbit.reshape(members.shape + orbit.shape[1:]), times=how.t0 + (request.transient + steps) * how.dt,
        status=codes.reshape(members.shape), failed_step=failed.reshape(members.shape),
        parameters=members.parameters, x0=members.x.reshape(*members.shape, request.system.dim), dims=members.dims,
        system=info(request.system), settings={**settings(request, plan), "every": every, "seed": request.seed},
    )  # fmt: skip


def _nothing(name: str, k: int) -> np.ndarray:
    """The numbers of no member."""
    kinds = {"status": np.int8, "failed_step": np.int64, "n_steps": np.int64}
    shape = (0, k) if name in ("exponents", "stderr") else (0,)
    return np.empty(shape, dtype=kinds.get(name, np.float64))


def with_starts(members: Members, count: int, spread: Any, seed: int) -> Members:
    """Every member `count` times, from Gaussian perturbations of its start; the new axis is the last of the batch."""
    x = np.repeat(members.x[:, None], count, axis=1)
    if isinstance(spread, str):
        if spread != "auto":
            raise InputError(f'`spread` must be "auto" or a number >= 0, got {spread!r}.')
        scale = np.sqrt(np.mean(members.x**2, axis=1))[:, None, None]
        size = 0.1 * (np.abs(members.x)[:, None] + np.where(scale == 0.0, 1.0, scale))  # from 0 they must part too
    else:
        size = np.full((1, 1, 1), cast.real("spread", spread))
    bits = np.random.Philox(key=[seed, 0])
    generator, fresh = np.random.Generator(bits), bits.state  # setting the state is quicker than a new generator
    for e in range(len(x)):
        for m in range(1, count):  # the first start is the one given
            fresh["state"]["key"][1] = e * count + m
            bits.state = fresh
            x[e, m] += (size[e] if len(size) > 1 else size[0])[0] * generator.standard_normal(x.shape[2])
    p = np.repeat(members.p, count, axis=0)
    past = None if members.past is None else np.repeat(members.past, count, axis=0)
    axes = len(members.shape)
    values = {
        name: value.reshape(value.shape[:axes] + (1,) + value.shape[axes:])
        for name, value in members.parameters.items()
    }
    shape, dims = (*members.shape, count), (*members.dims, "start")
    return replace(members, x=x.reshape(-1, x.shape[2]), p=p, shape=shape, dims=dims, parameters=values, past=past)


def over_starts(result: Spectrum) -> Spectrum:
    """Mean, error and spread over the last batch axis of a result; failed starts are left out."""
    count = result.exponents.shape[-2]
    failed = Status.failed(result.status)
    good = (~failed).sum(axis=-1)[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.where(failed[..., None], 0.0, result.exponents)
        mean = rates.sum(axis=-2) / good
        same = failed[..., None] | np.isneginf(mean)[..., None, :]  # no spread between starts that all lose rank
        off = np.where(same, 0.0, result.exponents - mean[..., None, :])
        spread = np.sqrt((off**2).sum(axis=-2) / (good - 1))
        inside = np.sqrt(np.where(failed[..., None], 0.0, result.stderr**2).sum(axis=-2)) / good
        stderr = np.fmax(spread / np.sqrt(good), inside)
        sums = {
            name: np.where(failed, 0.0, getattr(result, name)).sum(axis=-1) / good[..., 0]
            for name in ("sum_rule", "divergence_error")
        }
    worst = np.where(failed.all(axis=-1), result.status.max(axis=-1), np.where(failed, 0, result.status).max(axis=-1))
    order = np.argsort(-mean, axis=-1, kind="stable")
    pick = {"exponents": mean, "stderr": stderr, "spread": spread}
    return replace(
        result, **{name: np.take_along_axis(value, order, -1) for name, value in pick.items()}, **sums,
        status=worst.astype(np.int8), failed_step=result.failed_step.max(axis=-1), n_steps=result.n_steps.sum(axis=-1),
        conditioning=result.conditioning.max(axis=-1), x0=result.x0[..., 0, :] if result.x0 is not None else None,
        moved=None if result.moved is None else np.where(failed, 0.0, result.moved).max(axis=-1),
        parameters={name: value.squeeze(len(result.dims) - 1) for name, value in result.parameters.items()},
        dims=result.dims[:-1], state=None, settings={**result.settings, "members": count},
    )  # fmt: skip


def continued(system: Any, old: Any, options: dict[str, Any], drive: Any) -> SpectrumRequest:
    """The request that goes on where the spectrum `old` ended."""
    if not isinstance(old, Spectrum):
        raise InputError(f"`resume` must be a Spectrum, got {type(old).__name__}.")
    if old.state is None:
        raise InputError("`resume` needs a result that kept its state; run the first part with history=True.")
    system = subspace.retold(system, old.settings)
    if old.system != info(system):
        raise InputError(f"`resume` is a spectrum of {old.system.name}, not of this {system.name}; pass its system.")
    s = old.settings
    how = Integration(
        s["integrator"], s["dt"] or 1.0, s["t0"], s.get("rtol", 1e-9), s.get("atol", 1e-12), s["escape_radius"],
        s["dtype"],
    )  # fmt: skip
    size = math.prod(old.status.shape)
    done = s["transient"] + int(old.state["step"].max(initial=0))
    steps = drives.counts(drive, options["steps"], done, (10_000, 0)).steps
    columns = [
        np.broadcast_to(value, old.status.shape + system.shapes[name]).reshape(size, -1)
        for name, value in old.parameters.items()
        if system.architecture is None
    ]
    p = np.concatenate(columns, axis=1) if columns else np.zeros((size, 0))
    x = np.asarray(old.x0).reshape(size, system.dim)
    members = Members(x, p, old.status.shape, old.dims, dict(old.parameters))
    if system.architecture is not None:
        members = drives.went_on(system, how, members, drive, done, steps, s.get("drive", ""))
    members = delays.placed(noise.keyed(members, system, s["seed"]), system, how)
    state = {name: value.reshape((size, *value.shape[old.status.ndim :])) for name, value in old.state.items()}
    noise.check_steps(system, how, done + steps)
    return SpectrumRequest(
        system, how, members, s["k"], steps, s["transient"], None if s["every"] == "auto" else s["every"],
        s["direction"], options["stderr_below"], s["seed"], True, state,
    )  # fmt: skip
