"""Hand-made results, for tests of what stands above the engine."""

import numpy as np

from fastlyap.result import Spectrum, SystemInfo, Trajectory

FLOW = SystemInfo("lorenz63", "flow", 3, ("x", "y", "z"), "ab12")
MAP = SystemInfo("henon", "map", 2, ("x", "y"), "cd34")


def spectrum(shape=(), *, system=FLOW, failed=(), **fields):
    """A Spectrum of batch shape `shape` whose largest exponent grows along the first axis from -0.5 to 1."""
    k = system.dim
    ramp = np.linspace(-0.5, 1.0, shape[0]) if shape else np.array(0.9)
    base = np.broadcast_to(ramp.reshape(ramp.shape + (1,) * (len(shape) - 1)), shape)
    exponents = base[..., None] - np.arange(k) * 2.0
    status = np.zeros(shape, dtype=np.int8)
    for index in failed:
        status[index] = 5
        exponents[index] = np.nan
    dims = ("rho", "sigma", "beta")[: len(shape)]
    parameters = {
        name: np.linspace(1.0, 2.0, m).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        for axis, (name, m) in enumerate(zip(dims, shape, strict=True))
    }
    settings = {"steps": 6400, "transient": 100, "integrator": "rk4", "dtype": "float64", "every": 10, "k": k}
    settings["dt"] = 0.01 if system.kind == "flow" else None
    made = dict(
        exponents=exponents,
        stderr=np.full(shape + (k,), 0.01),
        status=status,
        failed_step=np.where(status > 0, 17, -1).astype(np.int64),
        n_steps=np.full(shape, 6400, dtype=np.int64),
        sum_rule=np.full(shape, 1e-14),
        divergence_error=np.full(shape, 1e-5),
        conditioning=np.full(shape, 40.0),
        parameters=parameters,
        dims=dims,
        system=system,
        settings=settings,
        state=state(shape, k, exponents),
    )
    return Spectrum(**{**made, **fields})


def state(shape, k, exponents, n_cells=64, cell_steps=100, dt=0.01, seed=0):
    """Cells of log2 growth that average to `exponents`, as a run would keep them."""
    noise = np.random.default_rng(seed).standard_normal((*shape, 64, k)) * 0.2
    noise -= noise.mean(axis=-2, keepdims=True)
    return {
        "cells": (np.asarray(exponents)[..., None, :] + noise) * cell_steps * dt / np.log(2.0),
        "cell_steps": np.full(shape, cell_steps, dtype=np.int64),
        "n_cells": np.full(shape, n_cells, dtype=np.int64),
    }


def trajectory(shape=(), *, system=FLOW, length=400):
    """A Trajectory that goes round an ellipse."""
    times = 0.05 * np.arange(1, length + 1)
    phase = times[:, None] * np.arange(1, system.dim + 1)
    orbit = np.broadcast_to(np.sin(phase), (*shape, length, system.dim)).copy()
    status = np.zeros(shape, dtype=np.int8)
    dims = ("rho",)[: len(shape)]
    parameters = {name: np.linspace(1.0, 2.0, m) for name, m in zip(dims, shape, strict=True)}
    return Trajectory(
        state=orbit, times=times, status=status, failed_step=np.full(shape, -1), parameters=parameters,
        dims=dims, system=system, settings={"steps": length, "dt": 0.05},
    )  # fmt: skip
