"""
Gradients through chaos
=======================

How does the mean of x after N steps change with a parameter? Backpropagation gives the exact derivative of every single
orbit, and in chaos those derivatives grow exponentially: their mean is right, but no number of orbits can find it.
Noise helps. It smooths the mean, and the methods of A. Ni use it to carry the derivative instead of the orbit.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

# %%
# A chaotic map with a little noise, x' = a cos(x) + 0.3 b, b normal. In one dimension the density can be propagated on
# a grid, so that the true derivative of the mean is known.


@fl.iterated_map(state="x", parameters=dict(a=2.5), x0=(0.5,), noise=0.3)
def cosine(t, x, p):
    return p.a * fl.math.cos(x.x)


def true_means(a, lengths, grid):
    """E x_N by the transfer operator on a grid."""
    kernel = np.exp(-0.5 * ((grid[:, None] - a * np.cos(grid)) / 0.3) ** 2)
    kernel /= kernel.sum(axis=0)
    density = np.exp(-0.5 * ((grid - a * np.cos(0.5)) / 0.3) ** 2)
    density /= density.sum()
    means = []
    for _ in range(max(lengths)):
        means.append(grid @ density)
        density = kernel @ density
    return np.array(means)[np.array(lengths) - 1]


lengths = [1, 2, 3, 5, 8, 12, 18, 26, 36, 50, 70, 100]
grid = np.linspace(-4.0, 4.0, 400)
h = 1e-4
truth = (true_means(2.5 + h, lengths, grid) - true_means(2.5 - h, lengths, grid)) / (2 * h)

# %%
# Four methods, each with 4 000 orbits for every length. Clipping keeps backpropagation finite and makes it wrong.
# Kernel differentiation is right at every length, with an error that grows like the root of the length; so is the
# path-kernel, which propagates what can be propagated and hands the rest to the noise.

methods = {
    "backprop": fl.Backprop(),
    "backprop, clipped at 3": fl.Backprop(clip=3.0),
    "kernel differentiation": fl.KernelDifferentiation(),
    "path-kernel": fl.PathKernel(),
}
last = fl.terminal(lambda x, p: x.x)
found = {
    name: [fl.gradient(cosine, last, steps=N, transient=0, members=4_000, seed=N, method=method) for N in lengths]
    for name, method in methods.items()
}

# %%
# Shadowing stays bounded as well. It belongs to averages over a run, whose derivative is the one that final values tend
# to. It moves orbits and leaves out how their density changes, which for a map of one unstable direction and no other
# is nearly all there is: its error is as large as the derivative, and most of its results are ``UNTRUSTED``. Where few
# of many directions are unstable it is the best there is: see the page on the sensitivity of a climate.

long = fl.average(lambda x, p: x.x)
shadow = {
    N: fl.gradient(cosine, long, steps=N, transient=100, members=4_000, seed=N, method=fl.Shadowing(1, 1))
    for N in lengths[1:]
}

# %%
# Lines are the standard errors that each method itself reports (bands: half and twice as much), points the true errors.
# What clipping reports says nothing of its bias, which is as large as the derivative.

fig, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for colour, (name, results) in zip(("#D55E00", "#E69F00", "#0072B2", "#009E73"), found.items(), strict=True):
    errors = np.array([g.stderr["a"] for g in results])
    off = np.abs([g.gradient["a"] - exact for g, exact in zip(results, truth, strict=True)])
    ax.fill_between(lengths, errors / 2, errors * 2, color=colour, alpha=0.15, linewidth=0)
    ax.plot(lengths, errors, color=colour, label=name)
    ax.plot(lengths, off, "o", color=colour, markersize=4)
errors = [g.median_stderr["a"] for g in shadow.values()]
ax.plot(list(shadow), errors, color="#CC79A7", label="shadowing, median")
ax.plot(list(shadow), [abs(g.median["a"] - truth[-1]) for g in shadow.values()], "o", color="#CC79A7", markersize=4)
ax.axhline(np.abs(truth[-1]), color="black", linewidth=0.8, linestyle=":")
ax.text(lengths[0], np.abs(truth[-1]) * 1.3, "the derivative itself", fontsize="small")
ax.set(xscale="log", yscale="log", xlabel="length of the orbit (steps)", ylabel="error of d E[x] / d a")
ax.set_ylim(1e-4, 1e9)
ax.legend(loc="upper left", frameon=False)

# %%
# Long-time averages work the same way. There every noise is paired with what the next steps bring, up to a window that
# is found from the data; ``stats`` tells how much the last doubling changed.

hybrid = fl.gradient(cosine, fl.average(lambda x, p: x.x), steps=20_000, method=fl.PathKernel())
print(hybrid)
print(f"window {hybrid.stats['window']}, beta {hybrid.stats['beta']:.2f}")

# %%
# What cannot be trusted says so.

print(found["backprop"][-1].message())
print(shadow[100].message())
