"""
Does synchrony last?
====================

Identical systems that run in step stay in step if everything across that state shrinks: if all *transversal* exponents
are negative. ``subspace=`` restricts the tangents to the rows it is given, here to differences between the systems. The
start must lie on the invariant set, and the state is kept there, which rounding would not do.
"""

import numpy as np

import fastlyap as fl
from fastlyap.plot import style

pair = fl.systems.coupled_logistic(2)
coupling = np.linspace(0.0, 0.5, 101)
found = fl.spectrum(pair, [0.3, 0.3], fl.grid(coupling=coupling), subspace=[[1.0, -1.0]], steps=20_000)

# %%
# Two logistic maps: ln 2 + ln|1 - 2 coupling|, negative from a coupling of 1/4 on.

ax = style.new_axes(None)
ax.plot(coupling, found.exponents[:, 0], ".", label="transversal exponent")
ax.plot(coupling[:-1], np.log(2) + np.log(1 - 2 * coupling[:-1]), linewidth=0.8, label="ln 2 + ln|1 - 2 coupling|")
style.zero_line(ax)
ax.set_ylim(-2.0, 1.0)
style.dress(ax, "coupling", "nats per step", "two logistic maps").legend()

# %%
# Two Rossler oscillators coupled through their first components, by a strength that is swept: synchrony is stable in a
# window only (Huang, Chen, Lai & Pecora 2009). The transversal exponent, and what two oscillators really do that start
# a little apart:


@fl.flow(state="x y z u v w", parameters={"strength": 0.1}, x0=(1.0, 1.0, 0.1, 1.0, 1.0, 0.1), dt=0.02)
def rosslers(t, x, p):
    def one(x, y, z, other):
        return -y - z + p.strength * (other - x), x + 0.2 * y, 0.2 + z * (x - 9.0)

    return *one(x.x, x.y, x.z, x.u), *one(x.u, x.v, x.w, x.x)


strength = np.linspace(0.0, 3.0, 61)
differences = np.hstack([np.eye(3), -np.eye(3)])
across = fl.spectrum(
    rosslers, parameters=fl.grid(strength=strength), subspace=differences, k=1, steps=40_000, transient=10_000
)
apart = rosslers.x0 + [1e-3, 0, 0, 0, 0, 0]
orbit = fl.trajectory(rosslers, apart, fl.grid(strength=strength), steps=10_000, transient=40_000, every=10).state
distance = np.abs(orbit[..., :3] - orbit[..., 3:]).max(axis=(-1, -2))

ax = style.new_axes(None)
ax.errorbar(strength, across.exponents[:, 0], 2 * across.stderr[:, 0], fmt=".-", linewidth=0.8)
in_step = distance < 1e-6
ax.plot(strength[in_step], np.full(in_step.sum(), -0.2), "s", markersize=4, label="seen in step")
style.zero_line(ax)
style.dress(ax, "strength", "largest transversal exponent, nats per time", "two Rossler oscillators").legend()

# %%
# A subspace that the dynamics does not keep is refused, and a member that leaves the set where it is kept ends
# ``UNTRUSTED``.

try:
    fl.spectrum(rosslers, apart, subspace=differences)
except fl.InputError as refusal:
    print(refusal)
