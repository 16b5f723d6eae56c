"""
Where a network is sensitive
============================

A network that has learnt to tell two classes apart is most sensitive to its input on the border between them: the
largest finite-time exponent of its layers, drawn over the inputs, has a ridge there (Storm et al., Phys. Rev. Lett.
132, 057301).
"""

import numpy as np

import fastlyap as fl

# %%
# Two classes in a square: inside and outside a circle of half its area. The network has four hidden layers of ten
# units; its training is a plain loop.

rng = np.random.default_rng(0)
x = np.sqrt(3) * rng.uniform(-1, 1, (20_000, 2))
radius = np.sqrt(3) * np.sqrt(2 / np.pi)
targets = np.where(np.hypot(*x.T) < radius, -1.0, 1.0)[:, None]

net = fl.networks.mlp((2, 10, 10, 10, 10, 1), output_activation="tanh", init="lecun", seed=0)
untrained = net
for _ in range(12):
    for batch in rng.permutation(len(x)).reshape(-1, 50):
        step = net.loss_gradient(x[batch], fl.loss.mse(targets[batch]))
        net = net.with_parameters(**{name: net.parameters[name] - 0.1 * g for name, g in step.parameters.items()})
print(f"right: {np.mean(np.sign(net.forward(x)) == targets):.1%}")

# %%
# Exponents of the hidden layers at 200 x 200 inputs, before and after. The grey line is where the network changes its
# mind.

axis = np.linspace(-1.7, 1.7, 200)
inputs = np.stack(np.meshgrid(axis, axis), axis=-1)
before = fl.plot.ftle_map(fl.finite_time(untrained, inputs))

found = fl.finite_time(net, inputs)
print(found)
ax = fl.plot.ftle_map(found)
ax.contour(axis, axis, net.forward(inputs)[..., 0], levels=[0.0], colors="0.8", linewidths=1.0)

# %%
# ``right`` holds the direction in which an input must be moved to change the last layer most. On the ridge it points
# across the border: the shortest way to an adversarial example.

few = slice(5, None, 14)
arrows = found.right[few, few, 0] * np.where(found.exponents[few, few, :1] > 0, 1.0, np.nan)
ax = fl.plot.ftle_map(found)
ax.quiver(axis[few], axis[few], *np.moveaxis(arrows, -1, 0), color="white", pivot="mid", headwidth=0, headlength=0,
          headaxislength=0, scale=30)  # fmt: skip

angle = np.linspace(0, 2 * np.pi, 400)
outward = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
border = fl.finite_time(net, radius * outward)
cosine = np.abs(np.sum(border.right[:, 0] * outward, axis=-1))
print(f"growth over all layers on the border {border.log_singular_values[:, 0].mean():.2f} nats, ", end="")
print(f"in the middle {fl.finite_time(net, 0.3 * outward).log_singular_values[:, 0].mean():.2f}; ", end="")
print(f"cosine of direction and radius {cosine.mean():.3f}")
