"""Systems and calls that both bridges are tried on."""

import numpy as np

import fastlyap as fl

logistic = fl.systems.logistic()
rates = np.array([2.6, 2.8, 3.1])
OBJECTIVE = fl.average(lambda x, p: x[0] ** 2)
FIXED = {"method": fl.Backprop(), "steps": 20, "transient": 0}  # no chaos: its gradient is that of the run itself
CHAOTIC = {"method": fl.Shadowing(segment=40, modes=2), "steps": 2000, "members": 8, "transient": 500}


@fl.iterated_map(state=2, parameters={"w": np.array([0.3, 0.2]), "a": 0.5}, x0=(0.4, -0.2))
def twisted(t, x, p):
    return p.a * fl.math.sin(x[1]) + p.w[0], p.w[1] * x[0] + fl.math.cos(x[1])
