"""Gradients of recurrent cells: every member and every weight against dual numbers, torch, differences and BPTT.

Modules of all kinds of cells take long to compile, so most kinds run interpreted alone.
"""

import numpy as np
import pytest
from gradients.cell_orbits import flat, mean_square, odd, plain_orbit
from networks import recurrent_cells
from scipy import stats

import fastlyap as fl
from fastlyap import hardware
from fastlyap.machines import cell_weights, growth_pilot
from fastlyap.reference.sensitivity import backprop, kernel, path_kernel

STEPS, MEMBERS = 12, 3
LONG = pytest.mark.skipif(not hardware.interpreted(), reason="a module of its own for each kind: compiles long")
V = np.random.default_rng(0).standard_normal((16, 2))


@pytest.fixture(autouse=True)
def _small_pilots(monkeypatch):
    """A pilot only tells how long a sweep takes to forget its end, and here that is all it can."""
    monkeypatch.setattr(growth_pilot, "STATES", 4)


def cell_of(name):
    """(cell, drive)."""
    if name == "random_rnn":
        return fl.networks.random_rnn(4, 1.5, 0), None
    closed = name.endswith("_closed")
    made = recurrent_cells.cell(name.removesuffix("_closed"), closed)
    return made, None if closed else recurrent_cells.drive(STEPS)


KINDS = [*recurrent_cells.MAKE, *(f"{name}_closed" for name in recurrent_cells.MAKE)]
EVERY = ["random_rnn", *(pytest.param(name, marks=LONG) for name in KINDS)]
NOISE = {
    "iso": lambda cell: cell.with_noise(0.3),
    "diagonal": lambda cell: cell.with_noise(0.1 + 0.1 * np.arange(cell.dim)),
    "directed": lambda cell: cell.with_noise(0.3, V[: cell.dim]),
}


@pytest.mark.parametrize("name", EVERY)
def test_backpropagation_is_exact_by_every_weight(name):
    cell, drive = cell_of(name)
    made = plain_orbit(cell, odd, steps=STEPS, drive=drive)
    how = dict(wrt=(*cell.parameters, "x0"), steps=STEPS, transient=0, drive=drive, method=fl.Backprop())
    g = fl.gradient(cell, fl.average(odd), **how)
    start = g.gradient.pop("x0")
    np.testing.assert_allclose(flat(g.gradient), backprop.average(made)[0][0], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(g.value, made.phi[:-1].mean(), rtol=1e-12)
    g = fl.gradient(cell, fl.terminal(odd), **how)
    by_weights, by_start = backprop.terminal(made)
    np.testing.assert_allclose(g.gradient.pop("x0"), by_start[0], rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(flat(g.gradient), by_weights[0], rtol=1e-11, atol=1e-14)
    assert start.shape == (cell.dim,) and g.status == fl.Status.OK and g.settings["members"] == 1


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("name", ["lstm_stack", "gru", "gru_original_closed", "random_rnn"])
def test_members_of_noisy_cells_are_those_of_the_reference(name, noise):
    """Backpropagation, path-kernel and kernel differentiation, of averages and final values."""
    if not hardware.interpreted() and (name, noise) != ("gru", "iso"):
        pytest.skip("a module of its own for each kind: compiles long")
    cell, drive = cell_of(name)
    cell = NOISE[noise](cell)
    made = plain_orbit(cell, odd, steps=STEPS, drive=drive, members=MEMBERS)
    value = made.phi[-1]
    gain = value - (value.sum() - value) / (MEMBERS - 1)
    left_out = (STEPS - 4) // 2  # steps that the sweep of an average takes to forget its end
    cases = [
        (fl.average, fl.Backprop(), backprop.average(made)[0]),
        (fl.terminal, fl.PathKernel(0.4), path_kernel.terminal(made, 0.4, gain)[0]),
        (fl.average, fl.PathKernel(0.4, 3), path_kernel.average(made, 0.4, 3, left_out)),
    ]
    if noise != "directed" and hardware.interpreted():  # compiled it is one module more
        cases += [
            (fl.terminal, fl.KernelDifferentiation(), kernel.terminal(made, gain)),
            (fl.average, fl.KernelDifferentiation(3), kernel.average(made, 3)),
        ]
    for kind, method, expected in cases:
        g = fl.gradient(
            cell, kind(odd), steps=STEPS, transient=0, drive=drive, members=MEMBERS, keep_members=True, method=method
        )
        scale = np.abs(expected).max()
        np.testing.assert_allclose(flat(g.members, MEMBERS), expected, rtol=1e-9, atol=1e-12 * scale)


@LONG
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_both_ends_of_the_path_kernel(name):
    """beta = 0 is backpropagation; beta = 1, weights and not the noise's size, kernel differentiation."""
    cell, drive = cell_of(name)
    cell = cell.with_noise(0.3)
    weights = tuple(key for key in cell.parameters if key != "noise_size")
    one, how = fl.terminal(odd), dict(steps=STEPS, transient=0, drive=drive, members=MEMBERS, keep_members=True)
    for beta, other, wrt in ((0.0, fl.Backprop(), None), (1.0, fl.KernelDifferentiation(), weights)):
        a = fl.gradient(cell, one, wrt, method=fl.PathKernel(beta), **how)
        b = fl.gradient(cell, one, wrt, method=other, **how)
        np.testing.assert_allclose(flat(a.members), flat(b.members), rtol=1e-12, atol=1e-14)


@LONG
@pytest.mark.parametrize("name", ["gru", "lstm_stack"])
def test_it_is_back_propagation_through_time(name):
    """The cell's own `backward`, given the derivatives of the mean square of its outputs."""
    cell, drive = cell_of(name)
    first = (cell.architecture.layers - 1) * cell.dim // cell.architecture.layers
    top = slice(first, first + cell.architecture.hidden)
    g = fl.gradient(
        cell, fl.average(lambda x, p: fl.math.mean(x[top] ** 2)), drive=drive, method=fl.Backprop()
    )
    bare = fl.networks.lstm(2, 3, 2) if name == "lstm_stack" else fl.networks.gru(2, 3, 2)
    bare = bare.with_parameters(**{key: cell.parameters[key] for key in bare.parameters})
    run = bare.forward(drive, cell.x0)
    cotangent = 2 * run.outputs / run.outputs.shape[1] / STEPS
    cotangent[-1] = 0.0  # phi(x_STEPS) is no part of the average
    exact = bare.backward(drive, cotangent, cell.x0).parameters
    assert g.settings["steps"] == STEPS and g.settings["transient"] == 0
    for key, value in exact.items():
        np.testing.assert_allclose(g.gradient[key], value, rtol=1e-11, atol=1e-15)
    assert not g.gradient["readout.weight"].any()  # the state does not depend on it


@LONG
@pytest.mark.parametrize("kind", ["GRU", pytest.param("LSTM", marks=pytest.mark.slow)])
def test_torch_gives_the_same(kind):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    module = getattr(torch.nn, kind)(2, 3, num_layers=2).double()
    cell = fl.networks.from_torch(module)
    u = torch.tensor(recurrent_cells.drive(STEPS))
    h = module(u)[0]  # (T, 3), h of the last layer after each step
    (h[-1] ** 2).mean().backward()
    first = (2 if kind == "LSTM" else 1) * 3
    g = fl.gradient(
        cell, fl.terminal(lambda x, p: fl.math.mean(x[first : first + 3] ** 2)), x0=np.zeros(cell.dim),
        drive=u.numpy(), method=fl.Backprop(),
    )  # fmt: skip
    for layer in range(2):
        for ours, theirs in (("input", "ih"), ("hidden", "hh")):
            expected = getattr(module, f"weight_{theirs}_l{layer}").grad.T
            np.testing.assert_allclose(g.gradient[f"{layer}.{ours}"], expected, rtol=1e-10, atol=1e-14)


def test_differences_of_cells():
    cell, drive = cell_of("gru")
    cell = cell.with_noise(0.1)
    names = ("0.hidden", "1.bias", "noise_size", "x0")
    how = dict(wrt=names, steps=STEPS, transient=0, drive=drive, members=2, keep_members=True)
    exact = fl.gradient(cell, fl.average(odd), method=fl.Backprop(), **how)
    found = fl.gradient(cell, fl.average(odd), method=fl.FiniteDifference(1e-5), **how)
    np.testing.assert_allclose(flat(found.members), flat(exact.members), rtol=1e-6, atol=1e-9)
    apart = fl.gradient(cell, fl.average(odd), method=fl.FiniteDifference(0.1, "independent"), **how)
    assert np.abs(apart.gradient["1.bias"] - exact.gradient["1.bias"]).max() > 0.1


@LONG
def test_batches_of_gains_drives_and_starts_are_their_points():
    cell, drive = cell_of("gru")
    names = [key for key in cell.parameters if "readout" not in key]
    W = cell.parameters["0.hidden"] * np.array([1.0, 1.3])[:, None, None]
    drives = recurrent_cells.drive(STEPS, lead=(3, 1))
    g = fl.gradient(cell, fl.average(odd), names, parameters={"0.hidden": W}, drive=drives, method=fl.Backprop())
    assert g.gradient["1.hidden"].shape == (3, 2, 3, 9) and g.gradient["1.bias"].shape == (3, 2, 9)
    for i, j in ((0, 0), (2, 1)):
        alone = fl.gradient(
            cell.with_parameters(**{"0.hidden": W[j]}), fl.average(odd), names, drive=drives[i, 0],
            method=fl.Backprop(),
        )  # fmt: skip
        for name in names:
            np.testing.assert_array_equal(g.gradient[name][i, j], alone.gradient[name])
    moved = fl.gradient(
        cell, fl.average(odd), "1.bias", parameters={"0.hidden": W}, drive=drives, method=fl.FiniteDifference(1e-5)
    )
    np.testing.assert_allclose(moved.gradient["1.bias"], g.gradient["1.bias"], rtol=1e-6, atol=1e-9)


@LONG
@pytest.mark.parametrize("method", [fl.Backprop(), fl.PathKernel(0.4), fl.FiniteDifference(1e-4)])
def test_the_plain_backend_gives_the_same(method):
    cell, drive = cell_of("gru")
    drives = np.stack([drive, 0.5 * drive])
    how = dict(wrt=("0.hidden", "1.bias", "noise_size"), drive=drives, members=2, keep_members=True, method=method)
    a, b = (fl.gradient(cell.with_noise(0.2), fl.terminal(odd), backend=name, **how) for name in ("cpu", "reference"))
    np.testing.assert_allclose(a.value, b.value, rtol=1e-12)
    for name, values in a.members.items():
        np.testing.assert_allclose(values, b.members[name], rtol=1e-8, atol=1e-9)


@LONG
def test_some_parameters_are_those_of_all():
    cell, drive = cell_of("gru")
    how = dict(steps=STEPS, drive=drive, method=fl.Backprop())
    all_of_them = fl.gradient(cell, fl.average(odd), **how).gradient
    some = fl.gradient(cell, fl.average(odd), ("1.hidden_bias", "0.input"), **how).gradient
    assert set(some) == {"1.hidden_bias", "0.input"}
    for name, value in some.items():
        np.testing.assert_array_equal(value, all_of_them[name])
    start = fl.gradient(cell, fl.terminal(odd), "x0", **how).gradient
    assert list(start) == ["x0"] and start["x0"].shape == (cell.dim,)


@LONG
def test_two_objectives_at_once_and_clipping():
    cell, drive = cell_of("gru")
    a, b = fl.gradient(cell, (fl.average(odd), fl.average(mean_square)), drive=drive, method=fl.Backprop())
    alone = fl.gradient(cell, fl.average(odd), drive=drive, method=fl.Backprop())
    np.testing.assert_allclose(flat(a.gradient), flat(alone.gradient), rtol=1e-12, atol=1e-15)
    assert np.abs(flat(a.gradient) - flat(b.gradient)).max() > 1e-3
    short = fl.gradient(cell, fl.average(odd), drive=drive, method=fl.Backprop(clip=1e-3))
    assert np.linalg.norm(flat(short.gradient)) == pytest.approx(1e-3)
    cut = fl.gradient(cell, fl.average(odd), drive=drive, method=fl.Backprop(window=1))
    assert np.abs(flat(cut.gradient) - flat(a.gradient)).max() > 1e-3


WRONG = {
    "`drive` is missing": dict(drive=None),
    "`drive` has 12 steps and 20": dict(steps=20),
    "`wrt` has no `2.input`": dict(wrt="2.input"),
    "`wrt` \"noise_size\" is a parameter of systems made by with_noise": dict(wrt="noise_size"),
    "`method` KernelDifferentiation cannot be used for gru: it has no noise; add some: system.with_noise": dict(
        method=fl.KernelDifferentiation(2)
    ),
    "`method` PathKernel cannot be used": dict(method=fl.PathKernel(0.5, 2)),
    "`method` fl.FastResponse needs second derivatives": dict(method=fl.FastResponse()),
    "`backend` must be": dict(backend="cuda"),
    "`backend` \"reference\" needs a `beta` in numbers": dict(backend="reference", noise=0.1),
    "reads its state x, not its parameters": dict(objective=fl.average(lambda x, p: x[0] * p.g)),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message):
    cell, drive = cell_of("gru")
    how = {"objective": fl.terminal(odd) if "noise" in WRONG[message] else fl.average(odd), "drive": drive}
    how |= WRONG[message]
    cell = cell.with_noise(how.pop("noise")) if "noise" in how else cell
    with pytest.raises(fl.InputError) as caught:
        fl.gradient(cell, **how)
    assert message in str(caught.value)


@LONG
def test_wrong_arguments_of_noisy_cells():
    cell, drive = cell_of("gru")
    noisy = cell.with_noise(0.1)
    with pytest.raises(fl.InputError, match="`window` must be below `steps` - 1 = 11, got 30"):
        fl.gradient(noisy, fl.average(odd), drive=drive, method=fl.PathKernel(0.5, 30))
    with pytest.raises(fl.InputError, match="got matrices, which are for systems with a recorded rule"):
        fl.gradient(noisy, fl.terminal(odd), drive=drive, method=fl.PathKernel(np.eye(6)))
    partly = cell.with_noise(0.1, np.eye(6)[:, :3])  # of the first layer alone, whose weights move both
    for system in (partly, cell.with_noise(np.array([0.1] * 3 + [0.0] * 3))):
        with pytest.raises(fl.InputError, match="needs perturbations that lie within the noise of gru"):
            fl.gradient(system, fl.average(odd), drive=drive, method=fl.KernelDifferentiation(3))
    upper = cell.with_noise(0.1, np.eye(6)[:, 3:])
    g = fl.gradient(upper, fl.terminal(odd), "1.bias", drive=drive, members=4, method=fl.KernelDifferentiation())
    assert g.status == fl.Status.OK
    with pytest.raises(fl.InputError, match="at most 4096 numbers for fl.FiniteDifference of a cell, got 6640"):
        large = fl.networks.rnn(2, 80)
        fl.gradient(large, fl.average(odd), drive=drive, method=fl.FiniteDifference(1e-3))
    assert cell_weights.MOST == 4096


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("method", [fl.PathKernel(), fl.KernelDifferentiation(64)])
def test_a_noisy_chaotic_network_agrees_with_differences(method, monkeypatch):
    """By the acceptance rule of two methods on seeds of their own: t-distributed, 15 degrees of freedom."""
    monkeypatch.undo()
    cell = fl.networks.random_rnn(9, 2.0, 3).with_noise(0.5)
    how = dict(wrt=("g", "noise_size"), transient=200, members=16)
    found = fl.gradient(cell, fl.average(mean_square), steps=20_000, seed=1, method=method, **how)
    other = fl.gradient(cell, fl.average(mean_square), steps=40_000, seed=2, method=fl.FiniteDifference(0.05), **how)
    plain = fl.gradient(cell, fl.average(mean_square), steps=2_000, seed=1, method=fl.Backprop(), **how)
    bound = stats.t.ppf(1 - 0.0027 / 4, 15)
    assert found.status == fl.Status.OK and plain.stderr["g"] > 100 * found.stderr["g"]
    for name in how["wrt"]:
        z = (found.gradient[name] - other.gradient[name]) / np.hypot(found.stderr[name], other.stderr[name])
        assert abs(z) < bound and found.stderr[name] < 0.15 * abs(found.gradient[name]), (name, z)


@LONG
def test_the_run_up_of_a_driven_cell_ends_with_its_inputs():
    """Members that a drive holds together are given a longer run-up, as far as the drive allows, and doubted."""
    cell, drive = fl.networks.rnn(1, 3, gain=0.1), recurrent_cells.drive(50, 1)
    g = fl.gradient(cell, fl.average(odd), drive=drive, transient=20, steps=10, members=3, method=fl.Backprop())
    assert g.stats["transient"] == 40 and not g.stats["parted"] and g.status == fl.Status.UNTRUSTED
    with pytest.raises(fl.InputError, match="`drive` has 50 steps and 60 are asked for"):
        fl.gradient(cell, fl.average(odd), drive=drive, transient=20, steps=40, method=fl.Backprop())
    still = fl.gradient(cell, fl.average(odd), drive=0, transient=2, steps=5, members=3, method=fl.Backprop())
    assert still.stats["transient"] == 128  # an input that is always the same has no end
