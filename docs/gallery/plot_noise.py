"""
Random systems
==============

``noise=`` adds Gaussian noise to a map or a flow; the tangent vectors feel the same noise as the state. Member *e* of a
batch draws its own numbers, the same ones whatever else runs beside it.
"""

import matplotlib.pyplot as plt
import numpy as np

import fastlyap as fl

# %%
# **Noise makes chaos.** In the window of period 3 the logistic map has a stable cycle. A little noise is enough to push
# the orbit off it again and again, and the exponent becomes positive (Crutchfield, Farmer & Huberman 1982). Twelve
# starts for each size give the error bars.


@fl.iterated_map(state="x", parameters=dict(r=3.83, sigma=0.0), x0=(0.4,), noise="sigma")
def noisy_logistic(t, x, p):
    return p.r * x.x * (1 - x.x)


sigma = np.geomspace(1e-5, 8e-3, 60)
found = fl.maximal(noisy_logistic, parameters=fl.grid(sigma=sigma), members=12, steps=20_000)
fig, ax = plt.subplots()
ax.errorbar(sigma, found.exponents[:, 0], found.stderr[:, 0], fmt=".-", capsize=2)
ax.axhline(0.0, color="black", linewidth=0.5)
ax.set(xscale="log", xlabel="noise size", ylabel="largest exponent (nats per step)")

# %%
# **Noise makes order.** ``with_noise`` gives any system additive noise, here along one direction. Oscillators that
# share their noise fall into step: the neutral exponent of the van der Pol oscillator becomes negative (Teramae &
# Tanaka 2004), in proportion to the variance of the noise while that is small.

oscillator = fl.systems.van_der_pol().with_noise(0.1, directions=[[0.0], [1.0]])
sizes = np.linspace(0.0, 1.0, 21)
shared = fl.spectrum(oscillator, parameters=fl.grid(noise_size=sizes), members=64, steps=20_000)
fig, ax = plt.subplots()
ax.errorbar(sizes**2, shared.exponents[:, 0], shared.stderr[:, 0], fmt=".", capsize=2)
ax.axhline(0.0, color="black", linewidth=0.5)
ax.set(xlabel="variance of the noise", ylabel="largest exponent (nats per unit time)")

# %%
# **Ito or Stratonovich.** Where the size of the noise depends on the state the integrator decides what is meant:
# ``"euler"`` is Ito, ``"heun_sde"``, the default, Stratonovich. For dx = mu x dt + sigma x dB the exponents are
# mu - sigma^2 / 2 and mu.


@fl.flow(state="x", parameters=dict(mu=0.1, sigma=0.6), x0=(0.0,), dt=0.01, noise=lambda t, x, p: p.sigma * x.x)
def geometric(t, x, p):
    return p.mu * x.x


for integrator, exact in (("euler", 0.1 - 0.6**2 / 2), ("heun_sde", 0.1)):
    one = fl.spectrum(geometric, members=64, spread=0, steps=100_000, integrator=integrator)
    print(f"{integrator:<9} {one.exponents[0]: .4f} +- {one.stderr[0]:.4f}, exactly {exact: .4f} as dt goes to 0")

# %%
# **Products of random matrices** are a system too; their exponents are known exactly (Newman 1986).

product = fl.systems.random_matrix_product(8)
gaussian = fl.spectrum(product, np.zeros((64, 8)), steps=4_000)
mean, error = gaussian.exponents.mean(axis=0), gaussian.exponents.std(axis=0, ddof=1) / 8
for value, spread, exact in zip(mean, error, product.known.exponents, strict=True):
    print(f"{value: .4f} +- {spread:.4f}, exactly {exact: .4f}")
