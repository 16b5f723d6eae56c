"""The operator of PyTorch: against Backprop and differences, under opcheck, compile and vmap, and what it refuses."""

import gc
import warnings

import numpy as np
import pytest
from bridges.observables import CHAOTIC, FIXED, OBJECTIVE, logistic, rates, twisted

import fastlyap as fl
from fastlyap.bridges.observable import POLICIES, Observable

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def observable():
    return fl.bridges.torch.mean_observable(logistic, OBJECTIVE, **FIXED)


def tensors():
    """Rates of a batch and one start."""
    r = torch.tensor(rates, dtype=torch.float64, requires_grad=True)
    return r, torch.tensor([0.3], dtype=torch.float64, requires_grad=True)


def test_values_and_gradients_are_those_of_backprop(observable):
    r, x0 = tensors()
    value = observable(r=r, x0=x0)
    expected = fl.gradient(logistic, OBJECTIVE, ("r", "x0"), [0.3], {"r": rates}, **FIXED)
    np.testing.assert_array_equal(value.detach(), expected.value)
    weight = np.array([1.0, -2.0, 0.5])
    (torch.tensor(weight) * value).sum().backward()
    np.testing.assert_allclose(r.grad, weight * expected.gradient["r"], rtol=1e-15)
    np.testing.assert_allclose(x0.grad, (weight[:, None] * expected.gradient["x0"]).sum(0), rtol=1e-14)
    assert isinstance(observable.last, fl.Gradient)


def test_gradcheck_and_opcheck(observable):
    r, x0 = tensors()
    assert torch.autograd.gradcheck(lambda r, x0: observable(r=r, x0=x0), (r, x0))
    starts = x0.detach().repeat(3, 1).requires_grad_()
    told = torch.library.opcheck(observable._op, ([r, starts], "r,x0", observable.key, -1))
    assert set(told.values()) == {"SUCCESS"}


def test_vectors_of_parameters_with_axes_of_a_batch():
    turn = fl.bridges.torch.mean_observable(twisted, fl.average(lambda x, p: x[0] * x[1]), **FIXED)
    w = torch.tensor([[[0.3, 0.2]], [[0.4, -0.1]]], dtype=torch.float64, requires_grad=True)
    a = torch.tensor([0.5, 0.6, 0.7], dtype=torch.float64, requires_grad=True)
    assert turn(w=w, a=a).shape == (2, 3)
    assert torch.autograd.gradcheck(lambda w, a: turn(w=w, a=a), (w, a))


@pytest.mark.compiled
def test_compiled_without_a_break(observable):
    def loss(r, x0, seed):
        return (observable(r=r, x0=x0, seed=seed) ** 2).sum()

    found = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        r, x0 = tensors()
        function(r, x0, 3).backward()
        found.append((r.grad, x0.grad))
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_vmap_is_one_run_with_more_members(observable):
    r, x0 = tensors()
    mapped = torch.func.vmap(lambda r, x0: observable(r=r, x0=x0), in_dims=(0, None))(r, x0)
    assert observable.last.status.shape == (3,)
    torch.testing.assert_close(mapped, observable(r=r, x0=x0), rtol=0, atol=0)
    mapped.sum().backward()
    again, _ = tensors()
    observable(r=again, x0=x0.detach()).sum().backward()
    torch.testing.assert_close(r.grad, again.grad, rtol=0, atol=0)


def test_several_objectives_and_single_precision():
    both = fl.bridges.torch.mean_observable(logistic, (OBJECTIVE, fl.average(lambda x, p: p.r * x[0])), **FIXED)
    r = torch.tensor(2.8, dtype=torch.float32, requires_grad=True)
    first, second = both(r=r)
    assert first.dtype == torch.float32 and len(both.last) == 2
    (first + 2 * second).backward()
    expected = both.last[0].gradient["r"] + 2 * both.last[1].gradient["r"]
    assert r.grad.item() == pytest.approx(expected, rel=1e-6)


def test_shadowing_inside_a_loss():
    climate = fl.bridges.torch.mean_observable(fl.systems.lorenz63(), fl.average(lambda x, p: x.z), **CHAOTIC)
    rho = torch.tensor(28.0, dtype=torch.float64, requires_grad=True)
    value = climate(rho=rho, seed=5)
    (0.5 * value**2).backward()
    found = climate.last
    assert rho.grad.item() == pytest.approx(found.value * found.gradient["rho"], rel=1e-14)
    assert found.settings["seed"] == 5 and found.settings["method"].startswith("Shadowing")
    assert abs(found.gradient["rho"] - 1.017) < 5 * found.stderr["rho"]
    assert climate(rho=rho).item() != value.item()


def test_weights_of_cells_and_networks():
    """Cells along a drive, and a noisy network by kernel differentiation: the numbers of `fl.gradient`."""
    cell = fl.networks.gru(2, 3)
    drive = np.random.default_rng(0).standard_normal((8, 2))
    how = {"method": fl.Backprop(), "steps": 8, "transient": 0, "drive": drive}
    end = fl.bridges.torch.mean_observable(cell, fl.terminal(lambda x, p: x[0] * x[1]), **how)
    bias = torch.tensor(np.array(cell.parameters["0.bias"]), requires_grad=True)
    assert torch.autograd.gradcheck(lambda bias: end(**{"0.bias": bias}), (bias,))
    net, x = fl.networks.mlp((3, 4, 2), "tanh").with_noise(0.3), np.ones((5, 3))
    how = {"method": fl.KernelDifferentiation(), "members": 4, "x0": x}
    loss = fl.bridges.torch.mean_observable(net, fl.loss.mse(np.zeros((5, 2))), **how)
    weight = torch.tensor(np.array(net.parameters["0.weight"]), requires_grad=True)
    loss(**{"0.weight": weight}).backward()
    wanted = fl.gradient(net, fl.loss.mse(np.zeros((5, 2))), "0.weight", **how)
    np.testing.assert_allclose(weight.grad, wanted.gradient["0.weight"], rtol=1e-14)


def test_what_happens_to_members_that_cannot_be_trusted():
    """At r = 3.9 backpropagation explodes, at r = 5 members escape."""
    how = dict(CHAOTIC, transient=50, steps=200, method=fl.Backprop())
    warned, stopped, masked = (
        fl.bridges.torch.mean_observable(logistic, OBJECTIVE, untrusted=policy, **how) for policy in POLICIES
    )
    r = torch.tensor([3.9, 5.0], dtype=torch.float64, requires_grad=True)
    with pytest.warns(UserWarning, match="2 of 2 gradients cannot be trusted: member .* ESCAPED"):
        warned(r=r)
    with pytest.raises(fl.MemberError, match="2 of 2 gradients cannot be trusted"):
        stopped(r=r)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = masked(r=r)
    value.nansum().backward()
    assert torch.isnan(r.grad).all() and torch.isfinite(value[0]) and torch.isnan(value[1])


def test_second_derivatives_are_refused(observable):
    r, x0 = tensors()
    (slope,) = torch.autograd.grad((observable(r=r, x0=x0) ** 2).sum(), r, create_graph=True)
    with pytest.raises(RuntimeError, match="mean_observable_backward"):
        slope.sum().backward()


def test_an_observable_that_is_no_longer_held_is_forgotten():
    key = fl.bridges.torch.mean_observable(logistic, OBJECTIVE, **FIXED).key
    gc.collect()
    with pytest.raises(KeyError):
        Observable.of(key)
