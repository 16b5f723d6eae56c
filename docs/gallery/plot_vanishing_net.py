"""
A network that does not learn, diagnosed and repaired
=====================================================

Ten hidden layers of sigmoid units learn nothing: gradients shrink by a constant factor per layer on their way back.
``fl.diagnose`` says so, with the exponent behind it, and tries out what would help.
"""

import numpy as np

import fastlyap as fl

rng = np.random.default_rng(0)
x = rng.standard_normal((2_000, 16))
labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)

net = fl.networks.mlp((16, *(32,) * 10, 3), "sigmoid")
found = fl.diagnose(net, x[:256], labels[:256])
print(found)

# %%
# The gradients of the layers, on a logarithmic scale, lie on a straight line whose slope is the exponent of the layers.

ax = fl.plot.gradient_norms(found)

# %%
# Two of the remedies: the same layers as blocks that the signal can bypass, and tanh instead of the sigmoid.

blocks = fl.networks.Sequential([
    fl.networks.Dense(16, 32),
    fl.networks.Activation("sigmoid"),
    *[
        fl.networks.Residual([fl.networks.Dense(32, 32), fl.networks.Activation("sigmoid")], beta=1 / 3)
        for _ in range(9)
    ],
    fl.networks.Dense(32, 3),
])
tanh = fl.networks.mlp((16, *(32,) * 10, 3), "tanh")
for repaired in (blocks, tanh):
    told = fl.diagnose(repaired, x[:256], labels[:256])
    print(f"{told.verdict}: {told.reason}")
ax = fl.plot.gradient_norms(fl.diagnose(tanh, x[:256], labels[:256]))

# %%
# What it is worth: the same plain training of all three. Gradients that arrive are needed, but not all that is needed:
# the blocks begin to learn, tanh, whose values have both signs, is done.


def trained(net, epochs=15, rate=0.1):
    for _ in range(epochs):
        for batch in np.random.default_rng(1).permutation(len(x)).reshape(-1, 50):
            step = net.loss_gradient(x[batch], fl.loss.cross_entropy(labels[batch]))
            net = net.with_parameters(**{name: net.parameters[name] - rate * g for name, g in step.parameters.items()})
    return net


for name, start in {"sigmoid": net, "blocks": blocks, "tanh": tanh}.items():
    right = trained(start).forward(x).argmax(axis=1) == labels
    print(f"{name:8} {right.mean():.1%} right")
