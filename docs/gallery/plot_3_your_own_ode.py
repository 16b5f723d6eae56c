"""
Your own differential equation
==============================

A flow is the right-hand side of an ordinary differential equation. The body may use loops, helper functions
and ``fl.math``.
"""

import fastlyap as fl


def coupling(x, y, strength):
    """An ordinary helper function."""
    return strength * (y - x)


@fl.flow(
    state="x y z u v w",
    parameters=dict(a=0.2, b=0.2, c=5.7, strength=0.05),
    x0=(1.0, 1.0, 0.0, -1.0, 0.5, 0.0),
    dt=0.02,
)
def two_rosslers(t, x, p):
    return (
        -x.y - x.z + coupling(x.x, x.u, p.strength),
        x.x + p.a * x.y,
        p.b + x.z * (x.x - p.c),
        -x.v - x.w + coupling(x.u, x.x, p.strength),
        x.u + p.a * x.v,
        p.b + x.w * (x.u - p.c),
    )


found = fl.spectrum(two_rosslers, steps=100_000)
print(found)
ax = fl.plot.spectrum(found)

# %%
# Coupled strongly enough the two halves run in step: the second positive exponent goes.

import numpy as np

strength = np.linspace(0.0, 0.25, 64)
swept = fl.spectrum(two_rosslers, parameters=fl.grid(strength=strength), k=4, steps=20_000, transient=5_000)
ax = fl.plot.sweep(swept)

# %%
# The orbit itself, and a result as a labelled array.

orbit = fl.trajectory(two_rosslers, steps=5_000, transient=5_000)
plane = fl.plot.trajectory(orbit, [0, 3])
