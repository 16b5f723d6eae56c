"""
Chaos in a random recurrent network
===================================

The network ``x' = g J tanh(x)`` with random weights ``J`` rests at zero for small gains ``g`` and is chaotic for large
ones; in between, near ``g = 1``, lies the onset. A gain sweep is a batch of networks, and one call.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

n = 64
gains = np.linspace(0.4, 3.0, 27)
networks = fl.networks.random_rnn(n, g=gains, seed=0)
result = fl.spectrum(networks, steps=500, transient=200)

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.plot(gains, result.exponents[:, 1:20], color="0.75", linewidth=0.8)
ax.plot(gains, result.exponents[:, 0], color="C3", linewidth=2, label="largest exponent")
ax.plot(gains, np.log(gains), color="black", linestyle=":", label="$\\log g$: at rest, many units")
ax.axhline(0.0, color="black", linewidth=0.8)
ax.set(xlabel="gain $g$", ylabel="exponents (nats per step)", ylim=(-1.2, 0.5), xlim=(0.4, 3.0))
ax.legend(loc="lower right")

# %%
# Below the onset the exponents are the logarithms of the moduli of the eigenvalues of ``g J``. With 64 units a network
# may fall into a cycle or a torus just above it, which is why the largest exponent stays near zero for a while.
#
# How many directions of perturbation grow, how fast information is made, and how large a space the attractor fills:
# these grow with the number of units, so they are shown per unit.

fig, axes = plt.subplots(1, 3, figsize=(8.4, 2.9), layout="constrained")
curves = {
    "directions that grow": result.n_positive / n,
    "entropy (nats per step)": result.entropy / n,
    "Kaplan-Yorke dimension": result.kaplan_yorke / n,
}
for ax, (name, values) in zip(axes, curves.items(), strict=True):
    ax.plot(gains, values, color="C0")
    ax.set(xlabel="gain $g$", title=f"{name}\nper unit")

# %%
# Every result checks itself: the sum of all exponents must be the mean logarithm of the determinant of the steps,
# which is known from the weights and from the slopes of the units.

print(f"largest violation of the sum rule, per exponent: {np.abs(result.sum_rule).max() / n:.1e}")
