"""
Covariant vectors of the Lorenz system
======================================

The directions that the dynamics carries into each other: one grows, one goes with the flow, one shrinks. Unlike the
frame that a spectrum is computed from they are not orthogonal, and the angles between them tell how hyperbolic the
attractor is.
"""

import numpy as np

import fastlyap as fl

lorenz = fl.systems.lorenz63()
found = fl.vectors(lorenz, steps=2_000, dt=0.005, warmup=8_000)
print(found)

# %%
# Each vector in the plane of x and z. The second is the direction of the flow itself, to the error of the integrator,
# which the result reports.

ax = fl.plot.vectors(found, count=40)

# %%
# How far the vectors at one time, carried on by the tangent dynamics, are from those at the next: a check by the plain
# reference path, which shares no code with the kernels.

print(found.covariance_residual(lorenz))

# %%
# Angles over a longer run. The expanding direction and the flow come arbitrarily close; the contracting direction stays
# apart from both, which is what makes the attractor singular-hyperbolic. With ``store=False`` only the statistics are
# kept.

longer = fl.vectors(lorenz, steps=200_000, warmup=5_000, store=False)
histogram = fl.plot.angles(longer)

# %%
# The adjoint covariant vectors are computed independently, from the adjoint dynamics. They are the dual basis: each is
# orthogonal to all covariant vectors but its own.

adjoint = fl.vectors(lorenz, kind="adjoint_covariant", steps=2_000, dt=0.005, warmup=8_000)
products = np.einsum("tin,tjn->tij", adjoint.vectors, found.vectors)
print(np.abs(np.where(np.eye(3, dtype=bool), 0, products)).max())
