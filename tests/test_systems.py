"""The catalogue: every system is sound, its orbit stays, its known exponents hold in a short plain run."""

import numpy as np
import pytest

from fastlyap import systems
from fastlyap.checking import check
from fastlyap.errors import InputError
from fastlyap.trace.derivatives import divergence, jacobian_rows
from fastlyap.trace.evaluate import evaluate

NAMES = [entry.name for entry in systems.catalogue()]
DELAYED = ["mackey_glass", "delayed_rosslers"]  # their orbits need a history: see test_delay
MOVING = [n for n in NAMES if n not in ("random_matrix_product", *DELAYED)]  # the former's rule without noise is 0


@pytest.mark.parametrize("name", NAMES)
def test_every_system_is_sound(name):
    system = getattr(systems, name)()
    assert system.name == name and system.x0 is not None and (system.dt is None) == (system.kind == "map")
    report = check(system)
    assert report.ok, str(report)
    known = system.known
    if known is not None:
        assert known.source and (system.delays or len(known.exponents) <= system.dim)
        assert list(known.exponents) == sorted(known.exponents, reverse=True)
        assert len(known.stderr) == len(known.exponents)
        if known.sum is not None and len(known.exponents) == system.dim:
            assert abs(sum(known.exponents) - known.sum) <= 3 * sum(known.stderr) + 1e-5


def advance(outputs, system, t, x, step):
    def f(t, x):
        return evaluate(outputs, x, system.flat_parameters[:, None], t)

    if system.kind == "map":
        return f(t, x)
    a = f(t, x)
    b = f(t + step / 2, x + step / 2 * a)
    c = f(t + step / 2, x + step / 2 * b)
    return x + step / 6 * (a + 2 * b + 2 * c + f(t + step, x + step * c))


@pytest.mark.parametrize("name", MOVING)
def test_default_orbits_stay(name):
    system = getattr(systems, name)()
    rng = np.random.default_rng(3)
    x = system.x0[:, None] * (1.0 + 1e-6 * rng.standard_normal((system.dim, 8)))
    outputs, step, last = system.recording.outputs, system.dt or 1.0, None
    if system.parts is not None:  # rk4 needs small steps for fast rates
        step = 0.002
    for t in range(400):
        last, x = x, advance(outputs, system, t * step, x, step)
    assert np.all(np.abs(x) < 200.0)
    assert np.all(np.abs(x - last).max(axis=0) > 1e-9)  # nothing has collapsed to a point


EXACT_SUMS = [name for name in NAMES if (k := getattr(systems, name)().known) and k.sum is not None]


@pytest.mark.parametrize("name", EXACT_SUMS)
def test_exact_sums_are_mean_divergences(name):
    system = getattr(systems, name)()
    rng = np.random.default_rng(0)
    x = np.clip(np.abs(system.x0[:, None] * (1 + 0.1 * rng.standard_normal((system.dim, 64)))), 0.01, 0.99)
    if system.kind == "flow":
        found = evaluate([divergence(system.recording.outputs)], x, system.flat_parameters[:, None])[0]
    else:
        found = np.log(np.abs(np.linalg.det(system.jacobian(x.T))))
    if name in ("skew_tent", "coupled_logistic", "double_pendulum"):
        return  # not constant along an orbit
    assert np.allclose(found, system.known.sum, rtol=1e-12, atol=1e-12)


def exponents(system, members, steps, transient):
    """QR of the discrete tangent at every step, mean and standard error over members."""
    n, rng = system.dim, np.random.default_rng(1)
    x = system.x0[:, None] + 1e-6 * rng.standard_normal((n, members))
    Q = np.linalg.qr(rng.standard_normal((members, n, n)))[0]
    rows = jacobian_rows(system.recording.outputs)
    entries = [(i, j, node) for i, row in enumerate(rows) for j, node in row.items()]
    outputs = [*system.recording.outputs, *[node for _, _, node in entries]]
    rows, columns = (np.array([entry[a] for entry in entries]) for a in (0, 1))
    growth = np.zeros((members, n))
    for t in range(transient + steps):
        values = evaluate(outputs, x, system.flat_parameters[:, None], t)
        A = np.zeros((members, n, n))
        A[:, rows, columns] = values[n:].T
        x = values[:n]
        Q, R = np.linalg.qr(A @ Q)
        if t >= transient:
            growth += np.log(np.abs(np.diagonal(R, axis1=1, axis2=2)))
    growth /= steps
    return growth.mean(0), growth.std(0, ddof=1) / np.sqrt(members)


MAPS = [e.name for e in systems.catalogue() if e.kind == "map" and e.exponents and e.name in MOVING]


@pytest.mark.parametrize("name", MAPS)
def test_known_exponents_of_maps(name):
    system = getattr(systems, name)()
    found, stderr = exponents(system, members=64, steps=1_000, transient=200)
    known = np.array(system.known.exponents)
    error = 4 * np.hypot(stderr, system.known.stderr) + 2.0 / 1_000
    assert np.all(np.abs(found - known) < error), (found, known, error)


def test_catalogue_prints_as_a_table():
    table = systems.catalogue()
    assert len(table) == len(set(NAMES)) >= 26
    text = repr(table)
    assert "lorenz63" in text and "0.90558" in text and len(text.splitlines()) == len(table) + 1
    entry = next(e for e in table if e.name == "henon")
    assert (entry.dimension, entry.kind) == (2, "map") and entry.source


def test_sizes():
    assert systems.lorenz96(36).known.exponents == (1.671,) and systems.lorenz96(n=5).known.sum == -5
    assert systems.kuramoto(5).dim == 5 and systems.coupled_logistic(4).known is None
    with pytest.raises(InputError, match="`n` must be a whole number >= 4"):
        systems.lorenz96(3)


def test_solenoid_angles_do_not_collapse():
    system = systems.solenoid()
    x = system.x0[:, None].copy()
    for t in range(300):
        x = advance(system.recording.outputs, system, t, x, 1.0)
    assert abs(x[0, 0]) > 1e-6
