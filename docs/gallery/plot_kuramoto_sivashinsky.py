"""
A partial differential equation
===============================

Kuramoto and Sivashinsky's equation, u_t = -u u_x - u_xx - u_xxxx with period L, in 16 Fourier modes. The fourth
derivative makes it stiff: an explicit method would need steps of 0.005. A flow that says which part of it is linear,
``fl.flow(..., linear=rates)``, can be stepped by ``integrator="etdrk4"``, which solves that part exactly. Tangents and
covectors are those of the discrete step, as always.
"""

import numpy as np

import fastlyap as fl
from fastlyap.plot import style

np.set_printoptions(precision=4, suppress=True)

flames = fl.systems.kuramoto_sivashinsky(L=22.0, modes=16)
print(flames)

# %%
# The state holds the coefficients of cosines, then of sines. On a grid:

orbit = fl.trajectory(flames, steps=2_000, transient=1_000, every=5)
x = np.linspace(0, 22, 128, endpoint=False)
phase = 2 * np.pi / 22 * np.outer(np.arange(17), x)
u = orbit.state @ np.concatenate([np.cos(phase), np.sin(phase[1:])])

ax = style.new_axes(None, 8.0, 3.0)
extent = (orbit.times[0], orbit.times[-1], 0, 22)
image = ax.imshow(u.T, origin="lower", extent=extent, aspect="auto", cmap="RdBu", vmin=-3, vmax=3)
ax.figure.colorbar(image, ax=ax, label="u")
style.dress(ax, "time", "x").grid(False)

# %%
# The leading twelve exponents. Three are 0, by the symmetries of time, translation and the mean of u. Published values
# at L = 22 are 0.048, 0, 0, -0.003, -0.189, -0.256, -0.290, -0.310, -1.963, -1.967, -5.605 (without the mean).

starts = flames.x0 * (1 + 0.1 * np.random.default_rng(0).normal(size=(8, flames.dim)))
found = fl.spectrum(flames, starts, steps=10_000, transient=2_000, k=12)
print("mean ", found.exponents.mean(axis=0))
print("error", found.exponents.std(axis=0, ddof=1) / np.sqrt(8))
print(f"Kaplan-Yorke dimension {found.kaplan_yorke.mean():.3f}")

# %%
# The length is a parameter like any other: chaos and order over L, every member with its own rates.

L = np.linspace(16.0, 26.0, 48)
swept = fl.spectrum(flames, parameters=fl.grid(L=L), steps=3_000, transient=2_000, k=4)
ax = fl.plot.sweep(swept)
