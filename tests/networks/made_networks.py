"""Small networks with every kind of layer, for several test files."""

import numpy as np

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
    mlp,
)

PICTURE = [Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0)), BatchNorm(3), Activation("silu"), Dropout(0.2),
           Conv2d(3, 2, 2, bias=None, padding=(0, 1), dilation=(1, 2)), Flatten(), LayerNorm(16),
           Dense(16, 3)]  # fmt: skip
SEQUENCE = [Conv1d(2, 4, 3, padding=2, dilation=2, bias=0.2), Activation("softplus"),
            Residual([Conv1d(4, 4, 3, padding=1), BatchNorm(4), Activation("elu")], beta=0.5), Flatten(),
            Dense(24, 2, init="orthogonal")]  # fmt: skip
BLOCKS = [Activation("erf"), Residual([Activation("tanh"), Dense(6, 6)], alpha=0.5, beta=2.0), Activation("gelu"),
          Residual([Residual([Dense(6, 4), Dropout(0.5), Dense(4, 6)]), Activation("cos")]), Residual([]),
          Dense(6, 6, bias=None), LayerNorm(6), Dropout(0.0), Activation("identity")]  # fmt: skip

MAKE = {
    "dense": lambda: mlp((6, 5, 4), "tanh", "sigmoid", bias=0.3),
    "normalised": lambda: mlp((6, 7, 7, 3), "leaky_relu", init="he", batch_norm=True, residual=True, dropout=0.3),
    "blocks": lambda: Sequential(BLOCKS, input_shape=6, seed=1),
    "sequence": lambda: Sequential(SEQUENCE, input_shape=(2, 6), seed=2),
    "picture": lambda: Sequential(PICTURE, input_shape=(2, 5, 5), seed=3),
    "nothing": lambda: Sequential([Flatten(), Dropout(0.5)], input_shape=(2, 3)),
}


def network(name, *, train=False, batch=()):
    """A network of `MAKE` with parameters of its own for each member of a batch, all of them random."""
    net = MAKE[name]()
    rng = np.random.default_rng(5)
    values = {key: rng.uniform(0.2, 1.0, batch + net.shapes[key]) for key in net.shapes if key.endswith("running_var")}
    values |= {key: 0.5 * rng.standard_normal(batch + net.shapes[key]) for key in net.shapes if key not in values}
    net = net.with_parameters(**values)
    return net.train() if train else net


def numbers(net, front=(), samples=4, seed=0):
    """Samples for a network, and a tangent and a covector to go with them."""
    rng = np.random.default_rng(seed)
    shapes = net.input_shape, net.input_shape, net.output_shape
    return tuple(rng.standard_normal((*front, samples, *shape)) for shape in shapes)
