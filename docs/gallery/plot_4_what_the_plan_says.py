"""
What the plan says
==================

A plan tells what a call would run, without running it.
"""

import numpy as np

import fastlyap as fl

lorenz = fl.systems.lorenz63()
print(fl.plan("spectrum", lorenz))

# %%
# A large batch is cut into chunks that fit in memory, and every chunk into slices of a fraction of a second,
# between which Ctrl-C and the progress bar act. Neither changes a bit of the result.

points = fl.grid(rho=np.linspace(0, 250, 1000), sigma=np.linspace(5, 15, 1000))
print(fl.plan("spectrum", lorenz, parameters=points, k=1, steps=100_000))

# %%
# Single precision doubles the lanes.

print(fl.plan("spectrum", lorenz, parameters=points, k=1, steps=100_000, dtype="float32"))

# %%
# The program named there is also part of every result.

found = fl.spectrum(lorenz, steps=2_000)
print(found.settings["program"])
