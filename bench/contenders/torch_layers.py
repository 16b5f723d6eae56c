"""Forward and backward passes of dense tanh networks in PyTorch, one thread, float64."""

import numpy as np
import torch
from torch.func import grad, vmap

torch.set_num_threads(1)
F = torch.nn.functional


def _loss(y, labels):
    return 0.5 * y.square().sum() if labels is None else F.cross_entropy(y, labels)


def gradients(parameters, x, labels=None):
    """A function that gives the adjoints of [W, b, W, b, ...], by `torch.nn.Sequential` and `autograd.grad`."""
    layers = []
    for i, (W, b) in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
        linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b.copy())
        layers += [linear] if labels is not None and 2 * i + 2 == len(parameters) else [linear, torch.nn.Tanh()]
    net, x = torch.nn.Sequential(*layers), torch.from_numpy(x)
    labels = None if labels is None else torch.from_numpy(labels)
    leaves = list(net.parameters())

    def run():
        return torch.autograd.grad(_loss(net(x), labels), leaves)

    return run


def as_numpy(found):
    """Gradients with weights as (inputs, outputs)."""
    return [g.numpy().T if g.ndim == 2 else g.numpy() for g in found]


def side_by_side(parameters, x, labels, rate):
    """A function that takes one step of descent of many networks by `vmap`, and gives their new parameters."""
    stacked = {str(i): torch.from_numpy(p) for i, p in enumerate(parameters)}
    x, labels = torch.from_numpy(x), torch.from_numpy(labels)

    def loss(p):
        return F.cross_entropy(torch.tanh(x @ p["0"] + p["1"]) @ p["2"] + p["3"], labels)

    def step(p):
        found = grad(loss)(p)
        return {name: p[name] - rate * found[name] for name in p}

    steps = vmap(step)
    return lambda: list(steps(stacked).values())


def in_a_loop(parameters, x, labels, rate):
    """The same by a loop over networks, with `torch.optim.SGD`."""
    x, labels = torch.from_numpy(x), torch.from_numpy(labels)
    nets = []
    for member in zip(*parameters, strict=True):
        leaves = [torch.from_numpy(p.copy()).requires_grad_() for p in member]
        nets.append((leaves, torch.optim.SGD(leaves, lr=rate)))

    def run():
        for (W, b, V, c), optimiser in nets:
            optimiser.zero_grad()
            F.cross_entropy(torch.tanh(x @ W + b) @ V + c, labels).backward()
            optimiser.step()

    return run


def stacked(found):
    """Tensors as arrays."""
    return [np.asarray(each) for each in found]
