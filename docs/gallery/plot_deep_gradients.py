"""
Gradients of deep networks
==========================

In a deep network whose exponents are positive, gradients grow from layer to layer on their way back. Their mean exists,
but no number of samples finds it, and clipping them gives another number. With noise behind every layer the gradient
can be carried by the noise, or half and half.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl
from fastlyap.networks import Activation, Dense, Residual, Sequential

# %%
# A tanh network, 9 units wide, with noise: x' = J tanh(x) + c + 0.5 b. A ``Residual`` block without its input is one
# layer, so that the noise comes after the weights. The objective is the sum of the outputs, and it is differentiated by
# one c that all units of all layers share: every repetition gives the sum of its derivatives by all of them.

rng = np.random.default_rng(6)
J, x = rng.standard_normal((9, 9)), rng.standard_normal((1, 9))
total = fl.loss.terminal(lambda y: fl.math.sum(y[i] for i in range(9)))


def network(depth):
    block = Residual([Activation("tanh"), Dense(9, 9, bias=0.3)], alpha=0.0)
    net = Sequential([block] * depth, input_shape=9)
    return net.with_parameters(**{name: J for name in net.parameters if "weight" in name}).with_noise(0.5)


# %%
# Five methods, each with 3 000 repetitions at every depth. Any schedule of shares is right: the last one keeps
# backpropagation in the five layers before the output, where its variance is small, and leaves the others to the noise.


def late(depth):
    return fl.PathKernel(lambda layer: 0.0 if layer >= depth - 5 else 1.0)


methods = {
    "backprop": lambda depth: fl.Backprop(),
    "backprop, clipped at 1": lambda depth: fl.Backprop(clip=1.0),
    "kernel differentiation": lambda depth: fl.KernelDifferentiation(),
    "path-kernel": lambda depth: fl.PathKernel(),
    "backprop in the last 5 layers, kernel before": late,
}
depths = [2, 3, 5, 8, 12, 20, 30, 50, 80]


def by_the_shift(depth, method, **how):
    """The result by all c, and the derivatives by their common value, of every repetition where they are kept."""
    net = network(depth)
    result = fl.gradient(net, total, [name for name in net.parameters if "bias" in name], x, method=method, **how)
    return result, sum(c.sum(axis=-1) for c in (result.members or result.gradient).values())


found = {
    name: [by_the_shift(N, make(N), members=3_000, seed=N, keep_members=True) for N in depths]
    for name, make in methods.items()
}

# %%
# The truth, for comparison, is the path-kernel's mean over 100 000 repetitions with another seed. Lines are standard
# errors over the repetitions (bands: half and twice as much), points the distances from the truth. Backpropagation is
# best in shallow networks and hopeless in deep ones. What clipping reports is small and says nothing: the distance is
# as large as the derivative itself.

truth = [by_the_shift(N, fl.PathKernel(), members=100_000, seed=99)[1] for N in depths]

fig, ax = plt.subplots(figsize=(7, 4.8), layout="constrained")
for colour, (name, results) in zip(("#D55E00", "#E69F00", "#0072B2", "#009E73", "#CC79A7"), found.items(), strict=True):
    errors = np.array([members.std() / np.sqrt(len(members)) for _, members in results])
    off = [abs(members.mean() - exact) for (_, members), exact in zip(results, truth, strict=True)]
    ax.fill_between(depths, errors / 2, errors * 2, color=colour, alpha=0.15, linewidth=0)
    ax.plot(depths, errors, color=colour, label=name)
    ax.plot(depths, off, "o", color=colour, markersize=4)
ax.plot(depths, np.abs(truth), color="black", linestyle=":", label="the derivative itself")
ax.set(xscale="log", yscale="log", xlabel="layers", ylabel="error of the derivative", ylim=(1e-2, 1e9))
ax.set_xticks(depths, map(str, depths))
ax.minorticks_off()
ax.legend(loc="upper left", frameon=False, fontsize="small")

# %%
# What cannot be trusted says so; the path-kernel tells the share it has chosen, and how fast covectors grow.

print(found["backprop"][-1][0].message())
hybrid = found["path-kernel"][-1][0]
print(hybrid)
print(f"share {hybrid.stats['beta']:.2f}, growth of covectors {hybrid.stats['growth_rate']:.2f} per layer")
