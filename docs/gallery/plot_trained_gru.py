"""
A trained GRU: driven, left alone, and listening to itself
==========================================================

A gated recurrent unit with 32 units was trained in PyTorch to predict the next state of the Lorenz system from all
states before (``docs/make_trained_gru.py``). Its weights, a safetensors file, become a cell; torch is not needed.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

cell = fl.networks.from_safetensors("trained_gru.safetensors", readout="fc")
print(cell)

# %%
# One network is three dynamical systems, depending on where its inputs come from. *Driven* by data, its state follows
# the input: every exponent is negative, two copies that start differently soon agree, and gradients vanish backward in
# time. That is what networks that have learnt a task usually look like (Vakilipourtakalou and Mou 2020). These
# exponents belong to the network and its data together.

lorenz = fl.systems.lorenz63()
orbit = fl.trajectory(lorenz, [-5.0, -6.0, 22.0], steps=26_000, dt=0.01, every=5).state
data = (orbit - [0.0, 0.0, 25.0]) / [8.0, 9.0, 8.5]  # what it was trained on
driven = fl.spectrum(cell, drive=data, transient=200)
print(driven)

# %%
# *Left alone*, with zero input, this one falls asleep at a fixed point. *Listening to itself*, with its forecast as the
# next input, it is autonomous, and chaotic: the same weights have exponents of either sign. Always say how a network
# was driven.

alone = fl.spectrum(cell, drive=0, steps=2_000, transient=500)
itself = cell.closed_loop()
closed = fl.spectrum(itself, steps=20_000)

fig, (whole, leading) = plt.subplots(1, 2, figsize=(8, 3.8), width_ratios=(3, 2), layout="constrained")
for name, found in (("driven by data", driven), ("zero input", alone), ("closed loop", closed)):
    for ax in (whole, leading):
        ax.errorbar(np.arange(1, 33), found.exponents, found.stderr, marker=".", capsize=3, label=name)
whole.set(xlabel="number", ylabel="exponent (nats per step)")
leading.set(xlabel="number", xlim=(0.5, 2.5), ylim=(-0.02, 0.06), xticks=(1, 2), title="near 0; lines: Lorenz")
whole.axhline(0.0, color="black", linewidth=0.7)
whole.legend()
for value in lorenz.known.exponents[:2]:
    leading.axhline(0.05 * value, color="black", linewidth=0.7)

# %%
# In the closed loop the network has become a model of what it saw. To some hundredths it has the two leading exponents
# of the Lorenz system, those of its attractor (one step is 0.05 units of time). The third, -14.57, it never had to
# learn: data on the attractor hardly show it, and from there on the exponents are the network's own fading memory.

per_time = closed.exponents[:3] / 0.05, closed.stderr[:3] / 0.05
for i, (value, error) in enumerate(zip(*per_time, strict=True)):
    print(f"closed loop {value:8.3f} +- {error:.3f}    Lorenz {lorenz.known.exponents[i]:8.3f}")

# %%
# Its orbit, the read-out of its states, beside the one that it never sees again.

states = fl.trajectory(itself, steps=4_500, backend="reference").state[500:]  # too short to be worth compiling
spoken = states @ cell.parameters["readout.weight"] + cell.parameters["readout.bias"]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), sharex=True, sharey=True, layout="constrained")
axes[0].set(ylabel="z, scaled")
for ax, name, points in zip(axes, ("data", "closed loop"), (data[:4_000], spoken), strict=True):
    ax.plot(points[:, 0], points[:, 2], ".", markersize=2)
    ax.set(title=name, xlabel="x, scaled")
