"""The rules of the catalogue, run by the reference on dual numbers, against their recordings."""

from dataclasses import replace

import numpy as np
import pytest

from fastlyap import systems
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.step import step_jacobian

NAMES = [name for name in systems.__all__ if name not in ("Catalogue", "Entry", "catalogue")]
NAMES = [name for name in NAMES if name != "random_matrix_product"]  # its rule is nothing but noise
NAMES = [name for name in NAMES if not getattr(systems, name)().delays]  # see test_reference_delayed


def dynamics_of(system, members):
    values = system.parameters.values()
    return Dynamics(
        system.function,
        np.tile(system.flat_parameters, (members, 1)),
        tuple(system.parameters),
        tuple(np.shape(value) for value in values),
        system.state_names,
        "map" if system.kind == "map" else "rk4",
        1.0 if system.kind == "map" else system.dt,
    )


@pytest.mark.parametrize("name", NAMES)
def test_rule_and_jacobian_are_those_recorded(name):
    system = getattr(systems, name)()
    x = system.x0 + 0.1 * np.random.default_rng(0).uniform(-1, 1, size=(6, system.dim))
    dynamics = dynamics_of(system, len(x))
    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(dynamics.field(0.4, x[:, None])[:, 0], system.rule(x, 0.4), **close)
    np.testing.assert_allclose(dynamics.jacobian(0.4, x), system.jacobian(x, 0.4), **close)
    single = replace(dynamics, p=dynamics.p.astype(np.float32))
    J = step_jacobian(single, 0.4, x.astype(np.float32), np.zeros(len(x), dtype=np.float32))
    assert J.dtype == np.float32
    np.testing.assert_allclose(J, step_jacobian(dynamics, 0.4, x, np.zeros(len(x))), rtol=2e-3, atol=2e-3)
