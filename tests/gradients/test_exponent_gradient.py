"""Gradients of exponents: against the forward page, closed forms, differences and PyTorch; cells of every kind."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks.activations import ACTIVATIONS
from fastlyap.networks.unit_functions import unit
from fastlyap.trace.evaluate import replay

HENON = dict(steps=12, transient=3, wrt=("a", "b", "x0"))


@fl.flow(state=2, parameters={"omega": np.array([1.0, 0.7]), "damping": 0.3}, x0=(0.4, -0.2), dt=0.05)
def oscillator(t, x, p):
    return p.omega[0] * x[1] + fl.math.cos(t), -p.omega[1] * fl.math.sin(x[0]) - p.damping * x[1]


CELLS = {
    "coupled": fl.networks.random_rnn(4, 1.2),
    "stack": fl.networks.rnn(1, 2, 2, activation="silu"),
    "lstm": fl.networks.lstm(1, 2, forget_bias=0.5),
    "gru": fl.networks.gru(0, 3, gain=2.0),
    "original": fl.networks.gru(1, 2, variant="original"),
    "closed": fl.networks.rnn(2, 3, outputs=2, activation="sin").closed_loop(),
}


def same(found, wanted):
    """Assert equal exponents, and gradients up to what fourth-order differences of the page leave."""
    np.testing.assert_array_equal(found.status, wanted.status)
    np.testing.assert_array_equal(found.failed_step, wanted.failed_step)
    np.testing.assert_allclose(found.exponents, wanted.exponents, rtol=0, atol=1e-12)
    for name, slope in wanted.gradient.items():
        assert found.gradient[name].shape == slope.shape
        largest = np.abs(slope[np.isfinite(slope)]).max(initial=0.0)
        np.testing.assert_allclose(found.gradient[name], slope, rtol=0, atol=1e-9 * (1.0 + largest))


def test_map_against_the_forward_page_with_a_member_that_fails():
    a = {"a": np.array([1.3, 1.4, 1.1, 5.0])}
    how = dict(HENON, parameters=a, every=2)
    found = fl.exponent_gradient(fl.systems.henon(), **how)
    same(found, fl.exponent_gradient(fl.systems.henon(), backend="reference", **how))
    assert found.status.tolist() == [0, 0, 0, fl.Status.ESCAPED]
    assert np.isnan(found.exponents[3]).all() and np.isnan(found.gradient["b"][3]).all()
    assert found.gradient["x0"].shape == (4, 2, 2)


@pytest.mark.parametrize(
    "system,how",
    [
        (oscillator, dict(k=1, steps=30, transient=11, every=4, wrt=("damping", "x0"))),
        pytest.param(fl.systems.lorenz63(), dict(k=2, steps=25, transient=13, dt=0.02), marks=pytest.mark.slow),
    ],
)
def test_flow_against_the_forward_page(system, how):
    same(fl.exponent_gradient(system, **how), fl.exponent_gradient(system, backend="reference", **how))


@pytest.mark.parametrize("kind", CELLS)
def test_cells_against_the_forward_page(kind):
    cell = CELLS[kind]
    drive = np.random.default_rng(1).standard_normal((9, 1)) if cell.architecture.driven else None
    how = dict(k=2, steps=7, transient=2, every=2, drive=drive, wrt=(*cell.parameters, "x0"))
    same(fl.exponent_gradient(cell, **how), fl.exponent_gradient(cell, backend="reference", **how))


def test_the_exponents_are_those_of_spectrum():
    cell = CELLS["coupled"]
    found = fl.exponent_gradient(cell, steps=20, transient=5)
    wanted = fl.spectrum(cell, steps=20, transient=5, every=1)
    np.testing.assert_allclose(np.sort(found.exponents)[::-1], wanted.exponents, rtol=0, atol=1e-13)


def test_henon_contracts_areas_by_b_alone():
    """The exponents' sum is log|b| at every length, whatever a and the start."""
    found = fl.exponent_gradient(fl.systems.henon(), parameters={"b": np.array([0.3, 0.2])}, **HENON)
    total = {name: slope.sum(axis=1) for name, slope in found.gradient.items()}
    size = max(np.abs(slope).max() for slope in found.gradient.values())
    np.testing.assert_allclose(found.exponents.sum(axis=1), np.log([0.3, 0.2]), rtol=1e-13)
    np.testing.assert_allclose(total["b"], 1.0 / np.array([0.3, 0.2]), rtol=0, atol=1e-13 * size)
    np.testing.assert_allclose(total["a"], 0.0, atol=1e-13 * size)
    np.testing.assert_allclose(total["x0"], 0.0, atol=1e-13 * size)


def test_logistic_by_hand():
    """d/dr of the mean of log|r (1 - 2 x)|, with x moved by s' = r (1 - 2 x) s + x (1 - x)."""
    x, r, s, total, slope = 0.3, 3.7, 0.0, 0.0, 0.0
    for n in range(25):
        if n >= 5:
            total += np.log(abs(r * (1 - 2 * x)))
            slope += 1 / r - 2 * s / (1 - 2 * x)
        x, s = r * x * (1 - x), r * (1 - 2 * x) * s + x * (1 - x)
    found = fl.exponent_gradient(fl.systems.logistic(), None, "r", [0.3], {"r": r}, steps=20, transient=5)
    assert found.exponents == pytest.approx(total / 20, rel=1e-12)
    assert found.gradient["r"] == pytest.approx(slope / 20, rel=1e-11)


def test_weights_choose_a_sum():
    how = dict(HENON, parameters={"a": np.array([1.3, 1.4])})
    each, fixed = (fl.exponent_gradient(fl.systems.henon(), weights=w, **how) for w in (None, [0.5, -2.0]))
    square = fl.exponent_gradient(fl.systems.henon(), weights=lambda e: 2 * e / e.shape[-1], **how)
    np.testing.assert_allclose(square.weights, each.exponents, rtol=1e-15)
    for name, slope in each.gradient.items():
        rows = np.moveaxis(slope, 1, -1)
        np.testing.assert_allclose(fixed.gradient[name], rows @ [0.5, -2.0], rtol=1e-11)
        wanted = (rows * each.exponents.reshape(2, *(1,) * (rows.ndim - 2), 2)).sum(axis=-1)
        np.testing.assert_allclose(square.gradient[name], wanted, rtol=1e-11)


def test_cells_in_a_batch_are_cells_by_themselves():
    gains = np.array([0.8, 1.5])
    both = fl.exponent_gradient(fl.networks.random_rnn(4, gains), 3, steps=10, transient=2)
    for i, g in enumerate(gains):
        one = fl.exponent_gradient(fl.networks.random_rnn(4, g), 3, steps=10, transient=2)
        np.testing.assert_allclose(both.exponents[i], one.exponents, rtol=0, atol=1e-14)
        np.testing.assert_allclose(both.gradient["0.hidden"][i], one.gradient["0.hidden"], rtol=0, atol=1e-12)


def test_what_is_not_kept_is_found_again(monkeypatch):
    found = []
    for kept in (2**27, 0):
        monkeypatch.setattr("fastlyap.machines.cell_frame_gradient.KEPT", kept)
        found.append(fl.exponent_gradient(CELLS["gru"], 2, steps=9, transient=2, every=3).gradient)
    for name, slope in found[0].items():
        np.testing.assert_array_equal(found[1][name], slope)


def test_against_autograd_of_pytorch():
    torch = pytest.importorskip("torch")
    cell = fl.networks.rnn(0, 8, gain=1.4, seed=3)
    how = dict(steps=15, transient=4, weights=lambda e: 2 * e / e.shape[-1], wrt=("0.hidden", "0.bias", "x0"))
    found = fl.exponent_gradient(cell, 5, **how)
    W, b, x = (torch.tensor(np.array(v), requires_grad=True)
               for v in (cell.parameters["0.hidden"], cell.parameters["0.bias"], cell.x0))  # fmt: skip
    from fastlyap.machines.average import initial_frame

    state, Q, total = x, torch.tensor(np.array(initial_frame(8, 5, 0))).T, 0.0
    for n in range(19):
        state = torch.tanh(state @ W + b)
        Q, R = torch.linalg.qr((1 - state**2)[:, None] * (W.T @ Q))
        total = total + (torch.log(torch.abs(torch.diagonal(R))) if n >= 4 else 0.0)
    loss = ((total / 15) ** 2).mean()
    wanted = torch.autograd.grad(loss, (W, b, x))
    for name, slope in zip(("0.hidden", "0.bias", "x0"), wanted, strict=True):
        np.testing.assert_allclose(found.gradient[name], slope, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_flossing_a_critical_network():
    """150 steps of Adam on the mean square of 16 exponents (Engelken 2023): the published fall, .3 to a few hundredths,
    and that of the ratio of the singular values of 30 steps, from 1e6 to some tens, vary from net to net."""
    cell, moments, start = fl.networks.rnn(0, 32, gain=1.0, seed=0), {}, np.random.default_rng(7).standard_normal(32)

    def measured(cell):
        ends = fl.finite_time(cell, start, steps=30, transient=50, k=16).log_singular_values
        exponents = fl.spectrum(cell, start, k=16, steps=200, transient=10).exponents
        return np.sqrt(np.mean(exponents**2)), ends[0] - ends[-1]

    before = measured(cell)
    for n in range(150):
        x0 = np.random.default_rng(n).standard_normal(32)
        found = fl.exponent_gradient(cell, 16, None, x0, steps=40, transient=10, seed=n, weights=lambda e: e / 8)
        moved = {}
        for name, slope in found.gradient.items():
            m, v = moments.get(name, (0.0, 0.0))
            m, v = moments[name] = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
            far = m / (1 - 0.9 ** (n + 1)) / (np.sqrt(v / (1 - 0.999 ** (n + 1))) + 1e-8)
            moved[name] = cell.parameters[name] - 0.01 * far
        cell = cell.with_parameters(**moved)
    after = measured(cell)
    assert 0.2 < before[0] < 0.4 and after[0] < 0.1
    assert before[1] > np.log(1e5) and after[1] < np.log(1e3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_units_are_the_activations(name):
    z, h = np.linspace(-3, 3, 12), 1e-5
    made, rule = unit(name), ACTIVATIONS[name]
    found = replay(made.nodes, [z])
    np.testing.assert_allclose(found[0], rule.value(z), rtol=0, atol=1e-15)
    np.testing.assert_allclose(found[made.first[0, 0]], rule.slope(z), rtol=0, atol=1e-15)
    bend = found[made.second[0, 0, 0]] if made.second else 0.0
    np.testing.assert_allclose(bend, (rule.slope(z + h) - rule.slope(z - h)) / (2 * h), rtol=0, atol=1e-9)


def test_long_chaotic_runs_are_doubted_and_lost_directions_told():
    chaos = fl.exponent_gradient(fl.systems.logistic(), 1, parameters={"r": 4.0}, steps=100, transient=0)
    assert chaos.status == fl.Status.UNTRUSTED and 0.3 < chaos.growth < 1.0
    assert np.isfinite(chaos.gradient["r"]).all()
    cell = fl.networks.random_rnn(3, 1.2)
    weights = np.array(cell.parameters["0.hidden"])
    weights[:, 2] = weights[:, 1]  # rank 2
    flat = fl.exponent_gradient(cell.with_parameters(**{"0.hidden": weights}), steps=8, transient=1)
    assert flat.status == fl.Status.DEGENERATE
    assert np.isfinite(flat.exponents[:2]).all() and np.isneginf(flat.exponents[2])
    assert "rank was lost" in flat.message()


def test_results_are_kept_and_shown(tmp_path):
    found = fl.exponent_gradient(fl.networks.random_rnn(4, np.array([0.8, 1.5])), 2, steps=5)
    assert "2 exponents" in repr(found) and "gradient of each by g, 0.hidden" in repr(found)
    fl.save(found, tmp_path / "found.npz")
    again = fl.load(tmp_path / "found.npz")
    np.testing.assert_array_equal(again.gradient["g"], found.gradient["g"])
    data = found.to_xarray()
    assert data["gradient_0.hidden"].dims[:2] == ("g", "exponent")


@pytest.mark.parametrize(
    "given,words",
    [
        (dict(k=3), "`k` must be at most the dimension of the state, 2, got 3"),
        (dict(wrt="c"), "`wrt` has no `c` in henon"),
        (dict(weights=[[1.0]]), "`weights` must be k numbers, or a function of the exponents"),
        (dict(weights=lambda e: [1.0, 2.0, 3.0]), r"`weights` must give numbers of shape \(..., 2\), got \(3,\)"),
        (dict(every=0), "`every` must be a whole number >= 1"),
        (dict(backend="cuda"), "`backend` must be one of 'auto', 'cpu', 'reference', got 'cuda'"),
        (dict(drive=np.ones((3, 1))), "`drive` must be left out for henon"),
        (dict(system=fl.systems.lorenz63(), integrator="dopri5"), '`integrator` must be "rk4" or "euler"'),
        (dict(system=fl.systems.henon().with_noise(0.1)), "henon draws noise; gradients of exponents need a rule"),
        (dict(system=fl.systems.mackey_glass()), "mackey_glass has a delay"),
    ],
)
def test_what_is_refused(given, words):
    how = dict(steps=4, transient=0) | given
    with pytest.raises(fl.InputError, match=words):
        fl.exponent_gradient(how.pop("system", fl.systems.henon()), **how)
