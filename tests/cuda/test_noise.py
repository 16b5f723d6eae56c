"""Noise on the card: in the simulator the CPU's numbers, and PTX that multiplies 64-bit words in hardware."""

import importlib.util

import numpy as np
import pytest
from numba import config

import fastlyap as fl
from tests import noisy

CASES = ["map, additive", "map, diagonal, mixed", "matrices", "flow, additive, rk4", "flow, diagonal, euler",
         "flow, diagonal, heun"]  # fmt: skip

simulated = pytest.mark.skipif(not config.ENABLE_CUDASIM, reason="needs NUMBA_ENABLE_CUDASIM=1")
compiled = pytest.mark.skipif(
    config.ENABLE_CUDASIM or config.DISABLE_JIT or importlib.util.find_spec("numba_cuda") is None,
    reason="needs numba-cuda and the compiler, not the simulator",
)


@simulated
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("name", CASES)
def test_spectrum(name, direction):
    system, integrator = noisy.CASES[name]
    how = dict(steps=12, transient=4, every=3, seed=3, integrator=integrator, direction=direction)
    host, card = (fl.spectrum(system, noisy.starts(system, 3), backend=name, **how) for name in ("cpu", "cuda"))
    for field in ("exponents", "sum_rule", "divergence_error"):
        np.testing.assert_allclose(getattr(card, field), getattr(host, field), rtol=1e-12, atol=1e-12)


@simulated
def test_trajectory_in_float32():
    how = dict(steps=6, dtype="float32", seed=2)
    host, card = (fl.trajectory(fl.systems.noisy_logistic(), [[0.4], [0.5]], backend=b, **how) for b in ("cpu", "cuda"))
    np.testing.assert_allclose(card.state, host.state, rtol=1e-5)


@compiled
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["grow", "follow", "pull_back"])
def test_ptx(name, dtype, monkeypatch):
    from numba.cuda import dispatcher

    from tests.cuda import test_ptx

    monkeypatch.setattr(dispatcher, "get_current_device", test_ptx.Card)
    ptx = test_ptx.compiled(fl.systems.lorenz63().with_noise(0.1), "heun_sde", dtype, name)
    assert ".entry" in ptx and "mul.hi.u64" in ptx
