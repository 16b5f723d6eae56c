"""
The edge of chaos of wide random networks
=========================================

Mean-field theory says where a wide random network begins to explode: gradients change by the factor ``chi_1`` per
layer. Between vanishing and exploding lies a line along which signals pass through any depth.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

sigma_w = np.linspace(0.5, 3.0, 33)
sigma_b = np.linspace(0.0, 0.8, 21)
theory = fl.mean_field("tanh", sigma_w[:, None], sigma_b)

fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
rate = 0.5 * np.log(theory.chi_1)
mesh = ax.pcolormesh(sigma_w, sigma_b, rate.T, cmap="RdBu_r", vmin=-0.6, vmax=0.6, shading="gouraud")
ax.plot(fl.critical_sigma_w("tanh", sigma_b), sigma_b, color="black")
fig.colorbar(mesh, label="largest exponent (1/layer)")
ax.set(xlabel="standard deviation of weights, $\\sigma_w$", ylabel="of biases, $\\sigma_b$", xlim=(0.5, 3.0))
ax.text(0.7, 0.1, "gradients vanish")
ax.text(2.1, 0.1, "gradients explode")

# %%
# The variance of the weights that sits on the line depends on the activation: 2 for ReLU, as in He's initialisation.
# A sigmoid network vanishes unless its weights are very large.

for name in ("tanh", "relu", "gelu", "sigmoid"):
    print(f"{name:8} critical sigma_w^2 without biases: {fl.critical_sigma_w(name) ** 2:.4f}")

# %%
# Away from the line, what happens at one end of a network is forgotten over a number of layers.

fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for b in (0.05, 0.2, 0.5):
    ax.semilogy(sigma_w, fl.mean_field("tanh", sigma_w, b).xi_c, label=f"$\\sigma_b = {b}$")
ax.set(xlabel="standard deviation of weights, $\\sigma_w$", ylabel="depth of memory $\\xi_c$ (layers)")
ax.legend()
