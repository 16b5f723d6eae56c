"""
The gradient of a chaotic recurrent network
===========================================

How does the activity of a random recurrent network change with its gain? Above a gain of about one the network is
chaotic. Backpropagation through time then gives the derivative of single orbits, which grows exponentially with their
length, while the mean activity is a smooth curve. A little noise in the units lets the path-kernel find its slope.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

# %%
# Sixteen units, x' = g J tanh(x) + 0.3 b, for nine gains in one call. ``wrt`` could name the weights as well, all 256
# of them: pulling covectors back costs the same.

gains = np.linspace(0.6, 3.0, 9)
network = fl.networks.random_rnn(16, gains, seed=1).with_noise(0.3)
activity = fl.average(lambda x, p: fl.math.mean(x[:] ** 2))

hybrid = fl.gradient(network, activity, wrt="g", steps=4_000, transient=200, members=16, method=fl.PathKernel())
referee = fl.gradient(
    network, activity, wrt="g", steps=4_000, transient=200, members=16, seed=1, method=fl.FiniteDifference(0.05)
)
print("share handed to the noise:", np.round(hybrid.stats["beta"], 2))

# %%
# Backpropagation of the same average over runs of different lengths, sixteen orbits each.

lengths = [20, 50, 100, 200]
plain = [
    fl.gradient(network, activity, wrt="g", steps=N, transient=200, members=16, method=fl.Backprop()) for N in lengths
]

# %%
# Left: the slope with two standard errors, beside differences of long runs. Right: what backpropagation says, and its
# own standard error, which explodes where the network is chaotic: longer runs make it worse.

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for found, label, colour, marker in (
    (hybrid, "path-kernel", "#009E73", "o"),
    (referee, "finite differences", "black", "x"),
):
    left.errorbar(gains, found.gradient["g"], 2 * found.stderr["g"], fmt=marker, color=colour, label=label, capsize=2)
left.set(xlabel="gain g", ylabel="d <x²> / d g", ylim=(0, None))
left.legend(frameon=False)
for N, found, colour in zip(lengths, plain, ("#FDB863", "#E69F00", "#D55E00", "#8C2D04"), strict=True):
    right.plot(gains, found.stderr["g"], color=colour, label=f"backpropagation, {N} steps")
right.plot(gains, hybrid.stderr["g"], color="#009E73", label="path-kernel, 4000 steps")
right.set(xlabel="gain g", ylabel="standard error of d <x²> / d g", yscale="log")
right.legend(frameon=False)
