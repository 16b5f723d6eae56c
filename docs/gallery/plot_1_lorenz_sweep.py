"""
The Lorenz system over rho
==========================

The three exponents of the Lorenz system while rho grows: fixed points, chaos, windows of cycles.
"""

import numpy as np

import fastlyap as fl

# %%
# One call computes all members. Larger rho means faster orbits, so the step is half the usual one.

rho = np.linspace(0, 250, 400)
found = fl.spectrum(fl.systems.lorenz63(), parameters=fl.grid(rho=rho), steps=20_000, transient=5_000, dt=0.005)
print(found)

# %%
# The band around each curve is two standard errors.

ax = fl.plot.sweep(found)

# %%
# The largest exponent alone, on its own scale:

largest = fl.plot.sweep(fl.maximal(fl.systems.lorenz63(), parameters=fl.grid(rho=rho), steps=20_000, dt=0.005))

# %%
# How the exponents of one member settled: means over the run so far, minus the final ones.

member = int(np.argmin(np.abs(rho - 28)))
print(found.message(member))
settling = fl.plot.convergence(found, member)
