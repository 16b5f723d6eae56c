"""
Gradient flossing: a network is trained on its own exponents
============================================================

Gradients of a recurrent network vanish or explode with its Lyapunov exponents, so one can move the exponents to zero
before the task begins. ``fl.exponent_gradient`` differentiates them through the factorisations of the frame (Engelken,
arXiv 2312.17306). The network: 32 units at the critical gain; the loss: the mean square of its 16 leading exponents.
"""

import numpy as np
from matplotlib.figure import Figure

import fastlyap as fl
from fastlyap.plot import style

K = 16
before = fl.networks.rnn(0, 32, gain=1.0, seed=0)


def step(cell, moments, number, rate=1e-2):
    """One step of Adam from a start and a frame of its own."""
    x0 = np.random.default_rng(number).standard_normal(32)
    found = fl.exponent_gradient(
        cell, K, x0=x0, steps=40, transient=10, seed=number, weights=lambda e: 2 * e / e.shape[-1]
    )
    changed = {}
    for name, slope in found.gradient.items():
        m, v = moments.get(name, (0.0, 0.0))
        m, v = moments[name] = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope**2
        far = m / (1 - 0.9 ** (number + 1)) / (np.sqrt(v / (1 - 0.999 ** (number + 1))) + 1e-8)
        changed[name] = cell.parameters[name] - rate * far
    return cell.with_parameters(**changed), np.sqrt(np.mean(found.exponents**2))


after, moments, sizes = before, {}, []
for number in range(150):
    after, size = step(after, moments, number)
    sizes.append(size)


def exponents(cell):
    """Of a longer run from another start."""
    return fl.spectrum(cell, np.random.default_rng(999).standard_normal(32), k=K, steps=200, transient=10).exponents


for name, cell in (("before", before), ("after", after)):
    print(f"{name}: root mean square of {K} exponents {np.sqrt(np.mean(exponents(cell) ** 2)):.4f}")

# %%
# The exponents gather at zero. So do the logarithms of the singular values of 30 steps: a gradient that comes back
# through them keeps 16 directions alive, which differ in size by a factor of some tens instead of some millions.

left, right = Figure(figsize=(9, 3.8), layout="constrained").subplots(1, 2)
for name, cell, colour in (("before", before, "#D55E00"), ("after", after, "#0072B2")):
    left.plot(np.arange(1, K + 1), exponents(cell), "o-", color=colour, label=name)
    ends = fl.finite_time(cell, np.random.default_rng(7).standard_normal(32), steps=30, transient=50, k=K)
    sigma = np.exp(ends.log_singular_values)
    right.semilogy(np.arange(1, K + 1), sigma, "o-", color=colour, label=f"{name}: ratio {sigma[0] / sigma[-1]:.3g}")
left.axhline(0.0, color="0.7", linewidth=0.8)
style.dress(left, "number of the exponent", "exponent (nats per step)")
style.dress(right, "number of the singular value", "singular values of 30 steps")
left.legend(frameon=False)
right.legend(frameon=False)
