"""
Your own map
============

A map is a function from one state to the next, written once. Its derivatives are never written.
"""

import numpy as np

import fastlyap as fl


@fl.iterated_map(state="x y", parameters=dict(a=1.4, b=0.3), x0=(0.1, 0.1))
def henon(t, x, p):
    return 1 - p.a * x.x**2 + x.y, p.b * x.x


orbit = fl.trajectory(henon, steps=20_000, transient=100)
ax = fl.plot.trajectory(orbit)

# %%
# The two exponents add up to ln b, whatever the orbit; ``sum_rule`` measures it.

found = fl.spectrum(henon, steps=100_000)
print(found)
print("sum - ln b:", found.exponents.sum() - np.log(0.3))

# %%
# The plane of both parameters, in one call. Hatched members escape to infinity: their numbers are NaN, and
# the others do not notice.

points = fl.grid(a=np.linspace(0.9, 1.5, 240), b=np.linspace(0.0, 0.35, 160))
plane = fl.spectrum(henon, parameters=points, steps=4_000, transient=1_000)
print(plane)
ax = fl.plot.sweep(plane)
