"""
Hamiltonian flows
=================

A flow of positions and momenta whose Hamiltonian is a sum T(p) + V(q) can be stepped by drifts and kicks in turn:
``integrator="leapfrog"`` (second order) or ``"yoshida4"`` (fourth). Nothing has to be declared. The recording tells
whether the derivatives of the first half of the states read the second half alone, and those of the second half the
first half and the time; a flow that is not of this kind is refused in words.
"""

import numpy as np

import fastlyap as fl
from fastlyap.plot import style

star = fl.systems.henon_heiles()
try:
    fl.spectrum(fl.systems.double_pendulum(), integrator="leapfrog")
except fl.InputError as refusal:
    print(refusal)

# %%
# Every such step is a symplectic map. So the energy swings about its value and does not drift, while Runge and Kutta's
# method loses it steadily.


def energy(x):
    q, p, v, w = np.moveaxis(x, -1, 0)
    return (v**2 + w**2 + q**2 + p**2) / 2 + q**2 * p - p**3 / 3


ax = style.new_axes(None)
for integrator in ("rk4", "leapfrog", "yoshida4"):
    orbit = fl.trajectory(star, steps=100_000, every=100, dt=0.2, integrator=integrator)
    ax.semilogy(orbit.times, np.abs(energy(orbit.state) - 0.125), label=integrator, linewidth=0.8)
style.dress(ax, "time", "error of the energy", "Henon and Heiles' star, dt = 0.2").legend()

# %%
# Exponents come in pairs of opposite sign. Over a finite time a frame's exponents do so up to a boundary term; the
# volume is preserved by every step, to rounding.

chain = fl.systems.fput(16)
found = fl.spectrum(chain, steps=20_000, transient=5_000)
print(found)
print("largest pair sum:", np.abs(found.exponents + found.exponents[::-1]).max(), "  sum rule:", found.sum_rule)
ax = fl.plot.spectrum(found)

# %%
# One call for the surface of section of Henon and Heiles: the largest exponent of orbits that start at x = 0 with the
# energy 1/8, over y and p_y. Islands of regular motion are dark.

y, v = np.meshgrid(np.linspace(-0.45, 0.68, 100), np.linspace(-0.5, 0.5, 100))
square = 0.25 - y**2 + 2 * y**3 / 3 - v**2
starts = np.stack([0 * y, y, np.sqrt(np.maximum(square, 0)), v], axis=-1)
section = fl.maximal(star, starts, steps=20_000, dt=0.1, integrator="leapfrog")
picture = np.where(square > 0, section.exponents[..., 0], np.nan)
ax = style.new_axes(None, 6.0, 4.6)
image = ax.imshow(picture, origin="lower", extent=(-0.45, 0.68, -0.5, 0.5), aspect="auto", cmap="inferno", vmin=0)
ax.figure.colorbar(image, ax=ax, label="largest exponent")
style.dress(ax, "y", "p_y", "energy 1/8").grid(False)
