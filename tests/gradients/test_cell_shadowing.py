"""Shadowing of recurrent cells: as of the same network written as a map, as the reference, and doubted where due.

The parameters' second sweep, which cells always take, serves recorded systems with many parameters as well.
"""

import numpy as np
import pytest
from gradients.cell_orbits import flat, mean_square, odd
from networks import recurrent_cells

import fastlyap as fl
from fastlyap import hardware
from fastlyap.machines import shadowing_again

LONG = pytest.mark.skipif(not hardware.interpreted(), reason="a module of its own for each kind: compiles long")
METHODS = [
    fl.Shadowing(5, 2),
    pytest.param(fl.Shadowing(5, 1, "march"), marks=pytest.mark.slow),
    fl.Shadowing(5, 0),
]
SHORT = dict(steps=33, transient=0, members=2, keep_members=True)


def network(n, gain, seed):
    """`fl.networks.random_rnn` written as a map, its weights an array of parameters."""
    random = np.random.default_rng(seed)
    J = random.standard_normal((n, n)) / np.sqrt(n)

    @fl.iterated_map(state=n, parameters={"g": float(gain), "J": J.T.copy()}, x0=random.standard_normal(n))
    def network(t, x, p):
        h = [fl.math.tanh(x[i]) for i in range(n)]
        return [p.g * fl.math.sum([p.J[i, j] * h[i] for i in range(n)]) for j in range(n)]

    return network


@LONG
@pytest.mark.parametrize("method", METHODS)
def test_a_cell_is_the_network_as_a_map(method, monkeypatch):
    """To rounding, which grows with the orbit; and the map's parameters in one sweep, in two, and by the reference."""
    one, net = fl.average(odd), network(4, 2.0, 1)
    found = fl.gradient(net, one, method=method, **SHORT)
    cell = fl.gradient(fl.networks.random_rnn(4, 2.0, 1), one, method=method, **SHORT)
    assert set(cell.members) == {"g", "0.hidden"} and cell.gradient["0.hidden"].shape == (4, 4)
    monkeypatch.setattr(shadowing_again, "MANY", 0)
    again = fl.gradient(net, one, method=method, **SHORT)
    plain = fl.gradient(fl.networks.random_rnn(4, 2.0, 1), one, method=method, backend="reference", **SHORT)
    scale = np.abs(flat(found.members)).max()
    np.testing.assert_allclose(flat(again.members), flat(found.members), rtol=1e-11, atol=1e-13 * scale)
    for other in (cell, plain):
        np.testing.assert_allclose(flat(other.members), flat(found.members), rtol=1e-7, atol=1e-9 * scale)
        np.testing.assert_allclose(other.stats["exponents"], found.stats["exponents"], rtol=1e-8)


@pytest.mark.parametrize("modes", [pytest.param(0, marks=LONG), 2])
def test_two_sweeps_of_a_flow_and_of_two_objectives(modes, monkeypatch):
    how = dict(steps=200, transient=0, dt=0.01, members=2, keep_members=True, method=fl.Shadowing(20, modes))
    two = (fl.average(lambda x, p: x.z * p.rho), fl.average(lambda x, p: x.x * x.y))
    lorenz = fl.systems.lorenz63()
    once = fl.gradient(lorenz, two, **how)
    monkeypatch.setattr(shadowing_again, "MANY", 0)
    for a, b in zip(fl.gradient(lorenz, two, **how), once, strict=True):
        np.testing.assert_allclose(flat(a.members), flat(b.members), rtol=1e-9)


@LONG
@pytest.mark.parametrize("name", recurrent_cells.MAKE)
def test_cells_of_every_kind_are_those_of_the_reference(name):
    cell, drive = recurrent_cells.cell(name), recurrent_cells.drive(SHORT["steps"])
    names = [key for key in cell.parameters if "readout" not in key]
    how = dict(wrt=names, drive=drive, method=fl.Shadowing(5, 2), **SHORT)
    a, b = (fl.gradient(cell, fl.average(odd), backend=backend, **how) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(flat(a.members), flat(b.members), rtol=1e-9, atol=1e-12)
    plain = fl.gradient(cell, fl.average(odd), **{**how, "method": fl.Backprop(), "spread": 0.1})
    none = fl.gradient(cell, fl.average(odd), **{**how, "method": fl.Shadowing(1, 0), "spread": 0.1})
    np.testing.assert_allclose(flat(none.members)[0], flat(plain.members)[0], rtol=1e-11, atol=1e-13)


@pytest.mark.compiled
@pytest.mark.parametrize("sizes", [(16, 3.0, 0), pytest.param((32, 3.0, 7), marks=pytest.mark.slow)])
def test_heavy_tails_of_random_networks_are_doubted(sizes):
    cell = fl.networks.random_rnn(*sizes)
    for method in (fl.Shadowing(), fl.Shadowing(modes=6), fl.Shadowing(solver="march", modes=5)):
        g = fl.gradient(cell, fl.average(mean_square), steps=2000, members=16, method=method)
        assert g.status == fl.Status.UNTRUSTED and g.stats["reasons"], method


def test_wrong_arguments():
    cell, drive = recurrent_cells.cell("gru"), recurrent_cells.drive(12)
    for message, more in {
        "`objective` must be fl.average": dict(objective=fl.terminal(odd)),
        '`wrt` "x0" has no meaning': dict(wrt="x0"),
        "`modes` must be at most the 6 states of gru, got 7": dict(method=fl.Shadowing(1, 7)),
        "`segment` must be at most the 12 `steps`, got 13": dict(method=fl.Shadowing(13, 1)),
    }.items():
        with pytest.raises(fl.InputError) as caught:
            fl.gradient(cell, **{"objective": fl.average(odd), "drive": drive, "method": fl.Shadowing(3, 1), **more})
        assert message in str(caught.value)
