"""Gradients of feedforward networks: the identities between methods, the reference, other people's, and the truth."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import net_gradients
from fastlyap.networks import Activation, Dense, Dropout, LayerNorm, Residual, Sequential, by_reference, mlp
from fastlyap.networks.samples import given
from fastlyap.reference.sensitivity import networks as reference
from tests.tolerances import eps

TINY = 5000 * eps("float64")
LABELS = fl.loss.cross_entropy(np.array([0, 2, 1]), temperature=0.7)
SQUARES = fl.loss.terminal(lambda y: fl.math.sum(y[i] ** 2 for i in range(3)))
MIXED = [Dense(4, 5, bias=0.1), LayerNorm(5), Activation("gelu"), Residual([Dense(5, 5), Activation("tanh")]),
         Dense(5, 3)]  # fmt: skip
NETS = {
    "plain": lambda: mlp((4, 5, 5, 3), gain=1.4, bias=0.2).with_noise(0.5),
    "wide": lambda: mlp((4, 9, 17, 3), gain=1.2, bias=0.2).with_noise(0.5),  # more than a row of lanes
    "narrowing": lambda: Sequential([Dense(4, 20), Dense(20, 3)], seed=2).with_noise(0.4),
    "quiet read-out": lambda: Sequential(MIXED, seed=3).with_noise(0.3, readout=False),
    "dropout": lambda: mlp((4, 6, 6, 3), "softplus", dropout=0.3).train().with_noise(0.4),
    "batch norm": lambda: mlp((4, 5, 5, 3), batch_norm=True).train().with_noise(0.4),
}


def samples(count=3, width=4):
    return np.random.default_rng(1).standard_normal((count, width))


def members_of(net, x, loss, method, **more):
    """Every member's gradient by everything."""
    wrt = [*net.parameters, "x0"]
    how = dict(members=5, seed=7, keep_members=True, threads=1) | more
    return fl.gradient(net, loss, wrt, x, method=method, **how).members


def by_rules(net, x, loss, seed=7, count=5):
    """The rules of each member, the derivative by its outputs, and its loss less the mean of the others'."""
    repeated = np.broadcast_to(x, (count, *x.shape)).copy()
    found = [rules for rules, _, _ in by_reference.members(net, given(net, net.arena, repeated, seed))]
    outputs = np.array([reference.values(rules, x)[-1] for rules in found])
    value, w = loss.value_and_cotangent(outputs)
    return found, w, value - (value.sum() - value) / (count - 1)


@pytest.mark.parametrize("loss", [LABELS, fl.loss.mse(np.ones((3, 3))), SQUARES])
def test_backprop_without_noise_is_the_gradient_of_the_loss(loss):
    net, x = mlp((4, 5, 3), bias=0.1), samples()
    found, plain = fl.gradient(net, loss, x0=x), net.loss_gradient(x, loss, input=True)
    np.testing.assert_allclose(found.value, plain.value, rtol=TINY)
    for name in net.parameters:
        np.testing.assert_allclose(found.gradient[name], plain.parameters[name], rtol=TINY, atol=TINY)
    moved = fl.gradient(net, loss, "x0", x)
    np.testing.assert_allclose(moved.gradient["x0"], plain.input, rtol=TINY, atol=TINY)
    assert found.stats["method"] == "Backprop" and np.isnan(found.stderr["0.bias"]).all() and found.status == 0


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0, "schedule"])
def test_members_are_those_of_the_adjoint_form(name, beta):
    net, x = NETS[name](), samples()
    noises = len(net.structure.disturbed)
    beta = np.linspace(0.9, 0.0, noises) if beta == "schedule" else beta
    found = members_of(net, x, LABELS, fl.PathKernel(beta))
    rules, w, gain = by_rules(net, x, LABELS)
    for e in range(5):
        expected = reference.adjoint_form(rules[e], x, w[e], gain[e], np.broadcast_to(beta, noises))
        for key, value in found.items():
            np.testing.assert_allclose(value[e], expected[key], rtol=TINY, atol=TINY, err_msg=key)


@pytest.mark.parametrize("name", NETS)
def test_ends_of_the_hybrid_are_backprop_and_scores(name):
    """Row 6: a share of 0 is backpropagation and one of 1 kernel differentiation, member by member."""
    net, x = NETS[name](), samples()
    back, none = (members_of(net, x, LABELS, method) for method in (fl.Backprop(), fl.PathKernel(0.0)))
    kernel, whole = (members_of(net, x, LABELS, method) for method in (fl.KernelDifferentiation(), fl.PathKernel(1.0)))
    rules, w, gain = by_rules(net, x, LABELS)
    for e in range(5):
        expected = reference.scores(rules[e], x, w[e], gain[e])
        for key in expected:
            np.testing.assert_allclose(kernel[key][e], expected[key], rtol=TINY, atol=TINY, err_msg=key)
    for key in back:
        np.testing.assert_array_equal(back[key], none[key])
        np.testing.assert_array_equal(kernel[key], whole[key])


def test_tangent_and_adjoint_forms_agree():
    for name in ("plain", "quiet read-out"):
        net, x = NETS[name](), samples()
        rules, w, gain = by_rules(net, x, LABELS, count=2)
        beta = np.linspace(0.2, 0.9, len(net.structure.disturbed))
        adjoint = reference.adjoint_form(rules[1], x, w[1], gain[1], beta)
        for key, place in (("0.weight", (1, 2)), ("0.bias", (3,)), ("noise_size", ()), ("x0", (2, 1))):
            tangent = reference.tangent_form(rules[1], x, w[1], gain[1], beta, (key, place))
            np.testing.assert_allclose(tangent, np.asarray(adjoint[key])[place], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", NETS)
def test_backprop_is_the_derivative_at_fixed_noise(name):
    net, x = NETS[name](), samples()
    wrt, seed = ["0.bias", "noise_size", "x0"], 3
    how = dict(members=3, seed=seed, keep_members=True)
    back = fl.gradient(net, SQUARES, wrt, x, method=fl.Backprop(), **how).members
    quotient = fl.gradient(net, SQUARES, wrt, x, method=fl.FiniteDifference(1e-5), **how)
    for key in wrt:
        scale = max(1.0, np.abs(back[key]).max())  # biases in front of batch norm change nothing
        np.testing.assert_allclose(back[key], quotient.members[key], rtol=1e-6, atol=1e-6 * scale, err_msg=key)
    apart = fl.gradient(net, SQUARES, "0.bias", x, method=fl.FiniteDifference(0.1, noise="independent"), **how)
    assert np.abs(apart.members["0.bias"] - quotient.members["0.bias"]).max() > 0.1


def test_against_torch_at_fixed_noise():
    torch = pytest.importorskip("torch")
    net, x = NETS["plain"](), samples()
    found = members_of(net, x, LABELS, fl.Backprop())
    values = {k: torch.tensor(np.array(v), requires_grad=True) for k, v in net.parameters.items()}
    for e, (rules, _, _) in enumerate(by_reference.members(net, given(net, net.arena, np.array([x] * 5), 7))):
        y, noises = torch.tensor(x), [torch.tensor(rule.noise) for rule in rules if hasattr(rule, "noise")]
        for i, b in enumerate(noises):
            y = y @ values[f"{2 * i}.weight"] + values[f"{2 * i}.bias"]
            y = (torch.tanh(y) if i < 2 else y) + values["noise_size"] * b
        loss = torch.nn.functional.cross_entropy(y / 0.7, torch.tensor([0, 2, 1]))
        grads = torch.autograd.grad(loss, list(values.values()))
        for key, grad in zip(values, grads, strict=True):
            np.testing.assert_allclose(found[key][e], grad.numpy(), rtol=1e-10, atol=1e-12)


def test_every_point_of_a_batch_is_as_alone():
    """Batch axes of samples, weights, noise and labels broadcast; the first point draws the same noise alone."""
    net = mlp((4, 5, 3)).with_noise([0.2, 0.4])
    x = np.random.default_rng(2).standard_normal((3, 1, 3, 4))
    labels = np.array([[0, 1, 2], [2, 1, 0]])
    loss = fl.loss.cross_entropy(labels)
    found = fl.gradient(net, loss, ["0.weight", "x0"], x, members=6, method=fl.PathKernel(0.5), seed=4)
    assert found.value.shape == (3, 2) and found.gradient["0.weight"].shape == (3, 2, 4, 5)
    assert found.gradient["x0"].shape == (3, 2, 3, 4) and found.x0.shape == (3, 2, 3, 4)
    alone = fl.gradient(net.with_parameters(noise_size=0.2), fl.loss.cross_entropy(labels[0]), ["0.weight", "x0"],
                        x[0, 0], members=6, method=fl.PathKernel(0.5), seed=4)  # fmt: skip
    for key in alone.gradient:
        np.testing.assert_allclose(found.gradient[key][0, 0], alone.gradient[key], rtol=TINY, atol=TINY)
        np.testing.assert_allclose(found.stderr[key][0, 0], alone.stderr[key], rtol=TINY, atol=TINY)
    other = fl.gradient(net, loss, parameters={"0.bias": np.ones(5)}, x0=x, members=2)
    assert np.all(other.parameters["0.bias"] == 1.0) and other.stats["beta"].shape == (3, 2)


def test_objectives_of_a_tuple_and_their_order():
    net, x = NETS["plain"](), samples()
    both = fl.gradient(net, (LABELS, SQUARES), "0.bias", x, seed=1)
    for one, loss in zip(both, (LABELS, SQUARES), strict=True):
        alone = fl.gradient(net, loss, "0.bias", x, seed=1)
        if one.stats["beta"] == alone.stats["beta"]:
            np.testing.assert_array_equal(one.gradient["0.bias"], alone.gradient["0.bias"])
    two = fl.loss.terminal(lambda y, p: y[0] * y[2])
    assert np.isfinite(fl.gradient(net, two, "0.bias", x).value)


@pytest.mark.parametrize("method", [fl.Backprop(), fl.KernelDifferentiation(), fl.PathKernel(0.5)])
def test_parts_of_members_and_threads_change_rounding_only(method, monkeypatch):
    net, x = NETS["plain"](), samples()
    how = dict(wrt=["0.weight", "noise_size"], x0=x, members=256, method=method, seed=2)
    one = fl.gradient(net, LABELS, threads=1, **how)
    two = fl.gradient(net, LABELS, threads=2, **how)
    np.testing.assert_array_equal(one.gradient["0.weight"], two.gradient["0.weight"])
    monkeypatch.setattr(net_gradients, "KEPT", 0)
    parts = fl.gradient(net, LABELS, **how)
    assert parts.stats["groups"] == 16 and parts.settings["members"] == 256
    # parts of 16 take off the means of 15 others, which differ by 1 / sqrt(15) of the spread: 5 deviations
    slack = 5 / np.sqrt(15) * one.stderr["0.weight"] if not isinstance(method, fl.Backprop) else TINY
    assert np.all(np.abs(parts.gradient["0.weight"] - one.gradient["0.weight"]) <= slack)
    ratio = parts.stderr["0.weight"] / one.stderr["0.weight"]
    assert 0.7 < np.median(ratio) < 1.4


def test_window_of_backprop_cuts_between_layers():
    """Counted from the end: layers before the cut get no gradient, those behind it the whole of theirs."""
    x = samples(width=5)
    for net in (mlp((5, 5, 5, 5, 3)), mlp((5, 5, 5, 5, 3)).with_noise(0.3)):
        whole, cut = (fl.gradient(net, SQUARES, x0=x, method=fl.Backprop(window=w), seed=5) for w in (None, 2))
        for name in whole.gradient:
            if name in ("4.weight", "6.weight"):
                np.testing.assert_allclose(cut.gradient[name], whole.gradient[name], rtol=TINY, atol=TINY)
            elif name in ("0.weight", "2.bias"):
                assert not np.any(cut.gradient[name])
    clipped = fl.gradient(net, SQUARES, x0=x, method=fl.Backprop(clip=1e-3), keep_members=True)
    norms = sum((value.reshape(16, -1) ** 2).sum(axis=1) for value in clipped.members.values())
    np.testing.assert_allclose(np.sqrt(norms), 1e-3, rtol=1e-9)


def test_what_overflows_is_not_trusted():
    net, x = mlp((4, *[6] * 400, 1), "identity", gain=8.0, bias=None), samples()
    back = fl.gradient(net, fl.loss.terminal(lambda y: fl.math.tanh(y[0])), x0=x)
    assert back.status == fl.Status.NOT_FINITE or back.status == fl.Status.UNTRUSTED
    bad = fl.gradient(NETS["plain"](), SQUARES, "0.bias", np.full((3, 4), np.nan))
    assert bad.status == fl.Status.NOT_FINITE and np.isnan(bad.value) and np.isnan(bad.gradient["0.bias"]).all()


def test_masks_are_random_too():
    net, x = mlp((4, 8, 3), dropout=0.5).train(), samples()
    found = fl.gradient(net, LABELS, x0=x, members=8)
    assert found.stats["method"] == "Backprop" and np.all(found.stderr["3.bias"] > 0)
    assert fl.gradient(net.eval(), LABELS, x0=x).settings["members"] == 1


def test_repr_fits():
    text = repr(fl.gradient(NETS["plain"](), LABELS, x0=samples()))
    assert "0.weight  4 x 5 numbers of norm" in text and len(text.splitlines()) < 30


def test_dropout_layer_alone_is_not_noise():
    net = Sequential([Dense(4, 3), Dropout(0.2)]).train()
    with pytest.raises(fl.InputError, match="needs noise, which this network has not; use net.with_noise"):
        fl.gradient(net, LABELS, x0=samples(), method=fl.KernelDifferentiation())


NET = mlp((4, 5, 3))
NOISY = NET.with_noise(0.1)
BAD = [
    (NET, dict(steps=10), "`steps` has no meaning for a network"),
    (NET, dict(transient=10), "`transient` has no meaning"),
    (NET, dict(spread=0.1), "`spread` has no meaning"),
    (NET, dict(objective=fl.average(lambda x, p: x[0])), "`objective` of a network must be fl.loss"),
    (NET, dict(objective=lambda y: y[0]), "wrap it: fl.loss.terminal"),
    (NET, dict(objective=()), "at least one loss"),
    (NET, dict(objective=fl.loss.cross_entropy(np.array([0, 1]))), "`labels` of shape"),
    (NET, dict(objective=fl.loss.cross_entropy(np.array([0, 1, 5]))), "`labels` must be in 0 .. 2"),
    (NET, dict(objective=fl.loss.terminal(lambda y: y[7])), "7"),
    (NET, dict(objective=fl.loss.terminal(lambda y: fl.math.floor(y[0]))), "derivative zero almost everywhere"),
    (NET, dict(x0=None), "`x0` is missing"),
    (NET, dict(x0=np.ones((2, 3))), "`x0` must have shape|`x` must have shape"),
    (NET, dict(wrt="1.weight"), "`wrt` has no `1.weight`"),
    (NET, dict(wrt=()), "`wrt` is empty"),
    (NET, dict(wrt="noise_size"), "with_noise"),
    (NET, dict(method=fl.Shadowing()), "for averages along the orbit"),
    (NET, dict(method=fl.FastResponse()), "for averages along the orbit"),
    (NET, dict(method=fl.PathKernel()), "needs noise"),
    (NET.with_noise(0.0), dict(method=fl.PathKernel()), "`noise_size` must be above 0"),
    (NOISY, dict(method=fl.PathKernel([0.1, 0.2, 0.3])), "one number for each of 2 layers with noise"),
    (NOISY, dict(method=fl.PathKernel(window=3)), "`window` of PathKernel is for averages"),
    (NOISY, dict(members=1), "`members` must be at least 2"),
    (mlp((4, 5, 3), batch_norm=True).train().with_noise(0.1), {}, '`beta` "auto" is not available'),
    (NOISY, dict(backend="cuda"), "`backend` must be"),
]  # fmt: skip


@pytest.mark.parametrize("net, changes, words", BAD)
def test_bad_input(net, changes, words):
    given = dict(objective=LABELS, x0=samples()) | changes
    with pytest.raises(fl.InputError, match=words):
        fl.gradient(net, **given)
