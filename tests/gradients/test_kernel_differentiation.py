"""Kernel differentiation and path-kernel of averages and nets, against transfer operators and each other."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import kernel_methods

KERNEL = fl.KernelDifferentiation()
TENT = {2.0: -0.145153, 4.2: -0.060755, 3.0: -0.003292}  # from the transfer operator, noise .1


@fl.iterated_map(state=1, parameters={"gamma": 2.0}, x0=(0.3,), noise=0.1)
def tent(t, x, p):
    u = fl.math.mod(x[0], 1.0)
    return fl.math.where(u < 0.5, p.gamma * u, p.gamma * (1 - u))


position = fl.average(lambda x, p: fl.math.mod(x[0], 1.0))
wave = fl.average(lambda x, p: fl.math.cos(2 * fl.math.pi * x[0]))


def tents(objective, method, *, gammas, members=256, **more):
    return fl.gradient(tent, objective, parameters={"gamma": np.array(gammas)}, steps=4000, transient=100,
                       members=members, method=method, **more)  # fmt: skip


@pytest.mark.compiled
def test_windows_of_the_tent_map():
    """Lags 0 and 1 alone give 0 and -.0964; from lag 5 on the bias is below the error."""
    found = {W: tents(position, fl.KernelDifferentiation(W), gammas=[2.0, 3.0, 4.2]) for W in (0, 1, 2, 6)}
    for W, truth in ((0, 0.0), (1, -0.0964), (2, -0.1433), (6, TENT[2.0])):
        assert abs(found[W].gradient["gamma"][0] - truth) < 4 * found[W].stderr["gamma"][0]
    g = found[6]
    for i, gamma in enumerate((2.0, 3.0, 4.2)):
        assert abs(g.gradient["gamma"][i] - TENT[gamma]) < 4 * g.stderr["gamma"][i] < 0.015
    assert np.all(g.status == fl.Status.OK) and np.all(g.stats["window"] == 6)
    assert abs(g.value[1] - 0.4432627) < 4 * g.value_stderr[1]


@pytest.mark.compiled
def test_the_window_is_found():
    g = tents(position, fl.KernelDifferentiation(), gammas=[2.0, 4.2], members=128)
    for i, gamma in enumerate((2.0, 4.2)):
        assert abs(g.gradient["gamma"][i] - TENT[gamma]) < 4 * g.stderr["gamma"][i]
    assert np.all(g.stats["window"] >= 16)
    assert g.stats["window_change"]["gamma"].shape == (2,)
    assert np.all(np.abs(g.stats["window_change"]["gamma"]) < 5 * g.stats["window_change_stderr"]["gamma"])


@pytest.mark.compiled
@pytest.mark.parametrize("kind", ["average", "terminal"])
def test_a_second_run_gives_what_kept_scores_give(kind, monkeypatch):
    """With many parameters scores of all steps are not kept: the orbit is gone over again."""
    one = position if kind == "average" else fl.terminal(position.fn)
    how = dict(steps=300, transient=10, members=8, method=fl.KernelDifferentiation(2))
    ahead = fl.gradient(tent, one, **how)
    monkeypatch.setattr(kernel_methods, "FORWARD", 0)
    np.testing.assert_allclose(fl.gradient(tent, one, **how).gradient["gamma"], ahead.gradient["gamma"], rtol=1e-11)


@pytest.mark.compiled
def test_path_kernel_of_a_periodic_objective():
    for beta in (0.7, 0.85, 1.0, "auto"):
        g = tents(wave, fl.PathKernel(beta, 12), gammas=[2.0])
        assert abs(g.gradient["gamma"][0] - 0.606) < 4 * g.stderr["gamma"][0] + 0.001
        assert g.status[0] == fl.Status.OK
    np.testing.assert_allclose(g.stats["beta"], 1 - 0.85 / 2.0)  # |slope| is 2 everywhere
    np.testing.assert_allclose(g.stats["growth_rate"], np.log(2.0))


@pytest.mark.compiled
def test_an_objective_that_jumps_at_the_wrap_is_not_trusted():
    g = tents(position, fl.PathKernel(0.85, 12), gammas=[2.0], members=16)
    assert g.status[0] == fl.Status.UNTRUSTED and g.stats["wrapped"] and "wrapped" in g.message((0,))
    whole = tents(position, fl.PathKernel(1.0, 12), gammas=[2.0], members=16)
    assert whole.status[0] == fl.Status.OK


@pytest.mark.compiled
def test_too_little_damping_and_too_short_runs_are_not_trusted():
    assert tents(wave, fl.PathKernel(0.2, 12), gammas=[2.0], members=16).status[0] == fl.Status.UNTRUSTED
    long = tents(position, fl.KernelDifferentiation(200), gammas=[2.0], members=16)
    assert long.status[0] == fl.Status.UNTRUSTED and "bias" in long.message((0,))


def linear(noise, directions=None, parameters=None):
    @fl.iterated_map(
        state=2, parameters=parameters or {"a": 0.5, "c": 0.3, "s": 0.6}, x0=(0.0, 0.0), noise=noise,
        noise_directions=directions,
    )  # fmt: skip
    def linear(t, x, p):
        return p.a * x[0] + p.c, 0.2 * x[1] + p.c

    return linear


def square(x, p):
    return x[0] ** 2 + x[1]


@pytest.mark.compiled
@pytest.mark.parametrize("noise, directions", [
    ("s", None),
    ("s", [[1.0], [1.0]]),
    pytest.param(lambda t, x, p: (p.s, p.s * (1 + 0 * x[0])), None, marks=pytest.mark.slow),
])  # fmt: skip
def test_the_size_of_the_noise(noise, directions):
    """x_2 of a linear map: Gaussian with mean c (1 + a) and variance s^2 (1 + a^2)."""
    system = linear(noise, directions)
    wrt = ("c", "s") if directions else None
    g = fl.gradient(system, fl.terminal(square), wrt=wrt, steps=2, transient=0, members=40_000, seed=8,
                    method=fl.KernelDifferentiation())  # fmt: skip
    a, c, s = 0.5, 0.3, 0.6
    truth = {"c": 2 * c * (1 + a) ** 2 + 1.2, "s": 2 * s * (1 + a**2), "a": 2 * c**2 * (1 + a) + 2 * a * s**2}
    for name in g.gradient:
        assert abs(g.gradient[name] - truth[name]) < 4 * g.stderr[name] < 0.5, name


def test_perturbations_outside_of_the_noise_are_refused():
    system = linear("s", [[1.0], [0.0]])
    with pytest.raises(fl.InputError, match="PathKernel"):
        fl.gradient(system, fl.terminal(square), wrt="c", steps=2, transient=0, method=fl.KernelDifferentiation())
    # x[1] alone moves outside; x[0] alone inside
    g = fl.gradient(system, fl.terminal(square), wrt="a", steps=2, transient=0, members=4,
                    method=fl.KernelDifferentiation())  # fmt: skip
    assert np.isfinite(g.gradient["a"])


@pytest.mark.compiled
def test_what_is_outside_of_the_noise_stays_on_the_path():
    """c also moves x[1], where there is no noise: d x_1 / dc there is exact, 1 + .2."""
    system = linear(lambda t, x, p: (p.s, 0.0))
    g = fl.gradient(system, fl.terminal(lambda x, p: x[1]), wrt="c", steps=2, transient=0, members=8,
                    method=fl.PathKernel(1.0))  # fmt: skip
    np.testing.assert_allclose(g.gradient["c"], 1.2, rtol=1e-13)


def net(size, seed=6, gain=3.0, width=9):
    J = np.random.default_rng(seed).standard_normal((width, width)) / np.sqrt(width) * gain

    @fl.iterated_map(state=width, parameters={"g": 0.5}, x0=np.zeros(width), noise=size)
    def net(t, x, p):
        return J @ fl.math.tanh(np.asarray(x) + p.g)

    return net


total = fl.terminal(lambda x, p: fl.math.sum(np.asarray(x)))


def of_layers(layers, method, *, members, seed, width=9):
    return fl.gradient(
        net(0.5, width=width), total, steps=layers, transient=0, members=members, seed=seed, method=method
    )


@pytest.mark.compiled
@pytest.mark.parametrize("method", [fl.PathKernel(), pytest.param(KERNEL, marks=pytest.mark.slow)])
def test_a_noisy_net(method):
    truth = of_layers(3, fl.Backprop(), members=2000, seed=1, width=5)
    g = of_layers(3, method, members=30_000, seed=2, width=5)
    z = (g.gradient["g"] - truth.gradient["g"]) / np.hypot(g.stderr["g"], truth.stderr["g"])
    assert abs(z) < 4 and g.status == fl.Status.OK


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("method", [fl.PathKernel(), fl.KernelDifferentiation()])
def test_errors_are_honest_over_fifty_seeds(layers, method):
    z = []
    for seed in range(50):
        a = of_layers(layers, fl.Backprop(), members=20_000, seed=1000 + seed)
        b = of_layers(layers, method, members=100_000, seed=seed)
        z.append((b.gradient["g"] - a.gradient["g"]) / np.hypot(a.stderr["g"], b.stderr["g"]))
    assert abs(np.mean(z)) < 0.47 and 23 < np.sum(np.square(z)) < 90


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_deep_nets_drown_backprop_alone():
    """Backpropagation grows by orders of magnitude with depth; kernel and path-kernel agree."""
    sizes = []
    for layers in (5, 20, 50, 100):
        back = fl.gradient(net(0.6), total, steps=layers, transient=0, members=2000, method=fl.Backprop(),
                           keep_members=True)  # fmt: skip
        sizes.append(np.median(np.abs(back.members["g"])))
        two = [
            fl.gradient(net(0.6), total, steps=layers, transient=0, members=100_000, seed=i, method=method)
            for i, method in enumerate((fl.PathKernel(), fl.KernelDifferentiation()))
        ]
        z = (two[0].gradient["g"] - two[1].gradient["g"]) / np.hypot(two[0].stderr["g"], two[1].stderr["g"])
        assert abs(z) < 4
        assert all(g.stats["kurtosis"] < 30 for g in two)
    assert sizes[-1] > 1e2 * sizes[0] and np.all(np.diff(sizes) > 0)


@pytest.mark.slow
def test_stochastic_lorenz_96():
    """Forty cells, noise of a size that depends on state and parameter; finite differences give 3.14 and 2.96 (.1)."""
    n = 40

    def noise(t, x, p):
        return fl.math.exp(-fl.math.sum(np.asarray(x) ** 2) / 2) + p.spread

    @fl.flow(
        state=n, parameters={"forcing": 8.0, "spread": 4.0}, x0=8.0 + np.sin(np.arange(n)), dt=0.002, noise=noise,
        integrator="euler",
    )  # fmt: skip
    def ring(t, x, p):
        return [
            x[i - 1] * (x[(i + 1) % n] - x[i - 2]) - x[i] + p.forcing - 0.01 * x[i] ** 2 for i in range(n)
        ]

    energy = fl.average(lambda x, p: fl.math.sum(np.asarray(x) ** 2) / n)
    how = dict(steps=120_000, transient=5_000)
    g = fl.gradient(ring, energy, members=32, method=fl.PathKernel(0.02, 1000), **how)
    assert abs(g.gradient["forcing"] - 3.14) < 4 * np.hypot(g.stderr["forcing"], 0.1)
    assert abs(g.gradient["spread"] - 2.96) < 4 * np.hypot(g.stderr["spread"], 0.1) < 1.5
    weak = fl.gradient(ring, energy, members=16, method=fl.PathKernel(0.001, 1000), **{**how, "steps": 110_000})
    assert weak.status == fl.Status.UNTRUSTED


def flow(n):
    """A ring with noise of one size; its forcing enters all states."""
    return fl.systems.lorenz96(n).with_noise(0.5)


@pytest.mark.compiled
@pytest.mark.parametrize("n, integrator", [(5, "rk4"), pytest.param(12, "rk4", marks=pytest.mark.slow)])
def test_scores_of_flows_are_those_of_whole_steps(n, integrator, monkeypatch):
    """At beta = 1 the path-kernel pulls every score back through the stages of its step: no line is shared."""
    final = fl.terminal(lambda x, p: x[0] * x[1] + p.F * x[2])
    how = dict(wrt="F", steps=30, transient=5, dt=0.03, integrator=integrator, members=6, keep_members=True, seed=3)
    ahead = fl.gradient(flow(n), final, method=fl.KernelDifferentiation(), **how)
    back = fl.gradient(flow(n), final, method=fl.PathKernel(1.0), **how)
    np.testing.assert_allclose(ahead.members["F"], back.members["F"], rtol=1e-11)
    long = fl.average(final.fn)
    stored = fl.gradient(flow(n), long, method=fl.KernelDifferentiation(3), **how)
    monkeypatch.setattr(kernel_methods, "FORWARD", 0)
    again = fl.gradient(flow(n), long, method=fl.KernelDifferentiation(3), **how)
    np.testing.assert_allclose(again.members["F"], stored.members["F"], rtol=1e-11)
