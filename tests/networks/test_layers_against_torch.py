"""The same networks and losses in PyTorch, where it is installed: values, tangents, adjoints, running statistics."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import (
    Activation,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    Residual,
    Sequential,
)
from fastlyap.networks.activations import LEAK
from fastlyap.networks.layers import sequence
from tests.networks.made_networks import network, numbers

torch = pytest.importorskip("torch")
nn, forward_ad = torch.nn, torch.autograd.forward_ad
# forward mode loads rules that torch itself compiles in a deprecated way
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
CLOSE = dict(rtol=1e-11, atol=1e-12)

THEIRS = {
    "identity": nn.Identity(), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "relu": nn.ReLU(),
    "leaky_relu": nn.LeakyReLU(LEAK), "elu": nn.ELU(), "softplus": nn.Softplus(),
    "silu": nn.SiLU(), "gelu": nn.GELU(),
}  # fmt: skip


def tensor(a):
    return torch.tensor(a, dtype=torch.float64)


class Block(nn.Module):
    def __init__(self, inner, alpha, beta):
        super().__init__()
        self.inner, self.alpha, self.beta = inner, alpha, beta

    def forward(self, x):
        return self.alpha * x + self.beta * self.inner(x)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def theirs(layer, shape):
    """The same layer in PyTorch, without its parameters."""
    if isinstance(layer, Dense):
        return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias is not None)
    if isinstance(layer, BatchNorm):
        return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(layer.width, eps=layer.eps)
    if isinstance(layer, LayerNorm):
        return nn.LayerNorm(layer.width, eps=layer.eps)
    if isinstance(layer, (Conv1d, Conv2d)):
        kind = nn.Conv1d if isinstance(layer, Conv1d) else nn.Conv2d
        how = dict(stride=layer.stride, padding=layer.padding, dilation=layer.dilation, bias=layer.bias is not None)
        return kind(layer.inputs, layer.outputs, layer.kernel, **how)
    if isinstance(layer, Residual):
        return Block(in_torch(layer.layers, shape), layer.alpha, layer.beta)
    if isinstance(layer, Activation):
        waves = {"sin": torch.sin, "cos": torch.cos, "erf": lambda z: torch.erf(np.sqrt(np.pi) / 2 * z)}
        return Apply(waves[layer.name]) if layer.name in waves else THEIRS[layer.name]
    return nn.Flatten() if isinstance(layer, Flatten) else nn.Identity()


def in_torch(layers, shape):
    return nn.Sequential(*(theirs(layer, before) for layer, before, _ in sequence(layers, shape)))


def their_name(key):
    """Blocks hold their layers as `inner`."""
    *numbers_, name = key.split(".")
    return ".inner.".join(numbers_) + "." + name


def turned(value):
    """Matrices of weights are transposed."""
    return value.T if value.ndim == 2 else value


def same(net):
    """The network in PyTorch, with its parameters and its mode."""
    made = in_torch(net.layers, net.input_shape).double()
    values = net.parameters | net.statistics
    made.load_state_dict(made.state_dict() | {their_name(k): tensor(turned(v)) for k, v in values.items()})
    return made.train(net.mode == "train")


def without_dropout(net):
    """The network with identities in the place of dropout, whose masks are another package's secret."""

    def kept(layers):
        for layer in layers:
            if isinstance(layer, Residual):
                yield Residual(list(kept(layer.layers)), alpha=layer.alpha, beta=layer.beta)
            else:
                yield Activation("identity") if isinstance(layer, Dropout) else layer

    made = Sequential(list(kept(net.layers)), input_shape=net.input_shape)
    return made.with_parameters(**(net.parameters | net.statistics))


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", ["dense", "normalised", "blocks", "sequence", "picture"])
def test_networks(name, train):
    net = without_dropout(network(name))
    net = net.train() if train else net
    x, v, w = numbers(net)
    other, given = same(net), tensor(x).requires_grad_()
    with forward_ad.dual_level():
        y, image = forward_ad.unpack_dual(other(forward_ad.make_dual(tensor(x), tensor(v))))
    np.testing.assert_allclose(net.forward(x), y.detach().numpy(), **CLOSE)
    np.testing.assert_allclose(net.tangent(x, v), image.detach().numpy(), **CLOSE)
    parameters = dict(other.named_parameters())
    first, *gradients = torch.autograd.grad(other(given), [given, *parameters.values()], tensor(w))
    found = net.backward(x, w)
    np.testing.assert_allclose(found.input, first.numpy(), **CLOSE)
    expected = dict(zip(parameters, gradients, strict=True))
    for key, value in found.parameters.items():
        np.testing.assert_allclose(turned(value), expected[their_name(key)].numpy(), **CLOSE, err_msg=key)


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_activations(name):
    net = Sequential([Activation(name)], input_shape=1)
    z = np.linspace(-9, 9, 400)[:, None]
    t = tensor(z).requires_grad_()
    y = THEIRS[name](t)
    np.testing.assert_allclose(net.forward(z), y.detach().numpy(), rtol=1e-8 if name == "gelu" else 1e-12, atol=1e-14)
    (slope,) = torch.autograd.grad(y.sum(), t)
    np.testing.assert_allclose(net.tangent(z, np.ones_like(z)), slope.numpy(), rtol=1e-8, atol=1e-14)


def test_running_statistics():
    net = without_dropout(network("normalised"))
    x, _, _ = numbers(net)
    other = same(net.train())
    other(tensor(x))
    state = other.state_dict()
    for key, value in net.with_statistics_of(x, momentum=0.1).statistics.items():
        np.testing.assert_allclose(value, state[their_name(key)].numpy(), **CLOSE)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_losses(temperature):
    rng = np.random.default_rng(0)
    y, labels, targets = 3 * rng.standard_normal((8, 5)), rng.integers(0, 5, 8), rng.standard_normal((8, 5))
    t = tensor(y).requires_grad_()
    entropy = nn.functional.cross_entropy(t / temperature, torch.tensor(labels))
    squares = ((t - tensor(targets)) ** 2).sum(1).mean() / 2
    for loss, value in ((fl.loss.cross_entropy(labels, temperature), entropy), (fl.loss.mse(targets), squares)):
        np.testing.assert_allclose(loss.value(y), value.item(), rtol=1e-13)
        np.testing.assert_allclose(loss.cotangent(y), torch.autograd.grad(value, t)[0].numpy(), rtol=1e-11, atol=1e-15)
