"""
Barriers of transport in a double gyre
======================================

Finite-time exponents over a grid of starts: ridges part regions that hardly mix. One call computes the whole field;
integrating backward in time shows the attracting structures.
"""

import numpy as np

import fastlyap as fl

gyre = fl.systems.double_gyre()
start = fl.grid(x0=dict(x=np.linspace(0.01, 1.99, 240), y=np.linspace(0.01, 0.99, 120)))
found = fl.finite_time(gyre, parameters=start, steps=150, dt=0.1)
print(found)
ax = fl.plot.ftle_map(found)

# %%
# A negative step goes backward: these ridges attract.

back = fl.finite_time(gyre, parameters=start, steps=150, dt=-0.1)
attracting = fl.plot.ftle_map(back)

# %%
# The exponents are logarithms of singular values of the product of all steps, over the time. They come with directions:
# ``right`` at the start, along which neighbours part fastest, and ``left`` at the end, where they part to. The product
# itself is never formed, so nothing overflows however long the stretch is.

long = fl.finite_time(fl.systems.henon(), steps=10_000)
print(long.log_singular_values, long.n_sweeps)
