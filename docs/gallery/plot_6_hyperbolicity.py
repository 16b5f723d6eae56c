"""
Where an attractor is hyperbolic
================================

The smallest angle between expanding and contracting covariant vectors, over a plane of parameters. A sweep keeps angle
statistics alone, so that memory does not grow with the length of the orbits.
"""

import numpy as np

import fastlyap as fl

# %%
# Hénon's map is never hyperbolic: tangencies of stable and unstable directions lie dense in its attractor. The Lozi
# map, the same with an absolute value, is hyperbolic over a whole region of its parameters.


@fl.iterated_map(state="x y", parameters=dict(a=1.7, b=0.5), x0=(0.05, 0.05))
def lozi(t, x, p):
    return 1 - p.a * abs(x.x) + x.y, p.b * x.x


plane = fl.grid(a=np.linspace(1.3, 1.8, 150), b=np.linspace(0.05, 0.55, 150))
angles = fl.vectors(lozi, parameters=plane, steps=2_000, warmup=200, store=False)
print(angles)
ax = fl.plot.angles(angles)

# %%
# The same for Hénon's map over its own plane, in the same colours: wherever there is chaos, the smallest angle met is
# close to zero. Members that escape are hatched; in grey regions nothing expands.

plane = fl.grid(a=np.linspace(0.9, 1.45, 150), b=np.linspace(0.05, 0.35, 150))
henon = fl.vectors(fl.systems.henon(), parameters=plane, steps=2_000, warmup=500, store=False)
second = fl.plot.angles(henon)
second.collections[0].set_clim(0, 60)

# %%
# The share of members whose smallest angle stayed above a threshold, and the distribution behind one of the numbers.

test = angles.hyperbolicity()
print(test.hyperbolic.mean(), henon.hyperbolicity().hyperbolic.mean())
third = fl.plot.angles(angles, index=(120, 90))
