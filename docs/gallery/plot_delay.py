"""
Delays
======

The rate of change may depend on the past. Name the parameters that are delays, and ``x.delayed`` is the state as it was
then. Mackey and Glass (1977) described the number of blood cells, which are made in answer to a deficit noticed a time
``tau`` ago.
"""

import numpy as np

import fastlyap as fl
from fastlyap.plot import style


@fl.flow(state="x", parameters=dict(beta=0.2, gamma=0.1, tau=17.0), delay="tau", x0=(0.5,), dt=0.25)
def mackey_glass(t, x, p):
    past = x.delayed.x
    return (p.beta * past / (1 + past**10) - p.gamma * x.x,)


orbit = fl.trajectory(mackey_glass, parameters=dict(tau=[8.0, 17.0, 30.0]), steps=1_600, transient=4_000)
ax = style.new_axes(None)
for tau, x in zip((8, 17, 30), orbit.state[..., 0], strict=True):
    ax.plot(orbit.times - orbit.times[0], x + (tau > 8) + (tau > 17), label=f"delay {tau}")
style.dress(ax, "time", "x, shifted", "a cycle, and two chaotic orbits").legend(loc="upper right")

# %%
# A state is now a function on an interval of length ``tau``, its tangent space has no end of dimensions, and ``k`` may
# exceed the number of components. Here 384 delays are one call: every member has a history of its own length.

tau = np.linspace(5.0, 32.0, 384)
found = fl.spectrum(mackey_glass, parameters=fl.grid(tau=tau), k=6, steps=12_000, transient=4_000)
print(found)
ax = fl.plot.sweep(found)
ax.set_ylim(-0.06, 0.02)

# %%
# After a cascade of cycles comes chaos, with windows of cycles in it, and the dimension of the attractor grows with the
# delay (Farmer 1982). Six exponents tell it as long as their sum is negative.

ax = style.new_axes(None)
known = (found.n_positive > 0) & (found.exponents.sum(axis=-1) < 0)
ax.plot(tau[known], found.kaplan_yorke[known], ".", markersize=3)
style.dress(ax, "delay", "Kaplan-Yorke dimension", "Mackey-Glass")

# %%
# Order of convergence
# --------------------
#
# Steps are those of Runge and Kutta, and between stored steps the past is a cubic, known from the states and slopes at
# its ends. Both err by the fourth power of the step, whether or not the delay is a whole number of steps. A low-order
# look at the past would cost that order without a word, so here it is measured, on x' = -x(t - 1), whose exponents are
# the real parts of Lambert's W.
#
# One thing no fixed step can mend: a constant history meets the solution with a kink, which comes back after each
# delay. Where it falls within a step it costs an error of second order, once, and then the orbit is smooth. On the grid
# it costs nothing. The transient takes care of it; exponents keep the fourth order.


@fl.flow(state="x", parameters=dict(tau=1.0), delay="tau", x0=(1.0,))
def linear(t, x, p):
    return (-x.delayed.x,)


ROOT = -0.31813150520476413 + 1.3372357014306895j  # W(-1)
CUTS = {"2 n": np.array([4, 8, 16, 32, 64]), "2 n + 0.37": np.array([4, 8, 16, 32, 64]) + 0.37}  # steps in a delay


def wave(t):
    """A solution, and a history that it continues smoothly."""
    return (np.exp(ROOT * t).real,)


def pieces(t):
    """The solution from the constant 1, a polynomial of one degree more after each delay."""
    powers = [np.maximum(t - j, 0.0) ** (j + 1) / np.prod(np.arange(1.0, j + 2)) for j in range(4)]
    return 1 - powers[0] + powers[1] - powers[2] + powers[3]


def error_of_state(cut, history, exact):
    orbit = fl.trajectory(linear, history, steps=round(4 * cut), dt=1 / cut)
    return np.abs(orbit.state[:, 0] - np.ravel(exact(orbit.times))).max()


def error_of_exponents(cut):
    """The plane of the two leading vectors is soon the same at all times, so that its growth is exact."""
    pair = fl.spectrum(linear, k=2, steps=round(20 * cut), transient=round(40 * cut), dt=1 / cut)
    return abs(pair.exponents.mean() - ROOT.real)


errors = {
    "state, smooth history": [lambda cut: error_of_state(cut, wave, wave), "2 n + 0.37"],
    "state, kinks between two steps": [lambda cut: error_of_state(cut, (1.0,), pieces), "2 n"],
    "state, kinks within a step": [lambda cut: error_of_state(cut, (1.0,), pieces), "2 n + 0.37"],
    "exponents": [error_of_exponents, "2 n + 0.37"],
}
ax = style.new_axes(None)
for name, (error, kind) in errors.items():
    values = np.array([error(cut) for cut in CUTS[kind]])
    order = np.log(values[-2] / values[-1]) / np.log(CUTS[kind][-1] / CUTS[kind][-2]) if values[-1] > 1e-13 else np.nan
    print(f"{name:32} order {order:5.2f}   errors", " ".join(f"{value:.1e}" for value in values))
    ax.loglog(1 / CUTS[kind], np.maximum(values, 1e-16), "o-", label=name)
style.dress(ax, "step, in units of the delay", "error", "x' = -x(t - 1)").legend()
