"""
Sensitivity of a climate
========================

By how much does a long-time average change with a parameter? For Lorenz' model of convection the average of z hardly
depends on where an orbit starts, and grows by about one for each unit of rho. Yet the derivative of any one long orbit
grows like exp(0.9 t). *Adjoint shadowing* (Ni 2019, 2024) asks for the derivative of another orbit: of the one that
stays close when the parameter moves. It exists, stays bounded, and one walk back along each orbit finds it, for all
parameters at once.
"""

import time

import numpy as np

import fastlyap as fl
from fastlyap.plot import style

# %%
# One call gives the average and its derivative at 26 values of rho, each from 16 orbits of 200 time units, whose spread
# gives the errors. How many directions are unstable, and how often covectors must be orthonormalised, is found out by a
# short run of each value.

lorenz63 = fl.systems.lorenz63()
mean_z = fl.average(lambda x, p: x.z)
rho = np.linspace(25, 50, 26)
begin = time.perf_counter()
found = fl.gradient(
    lorenz63, mean_z, "rho", parameters=dict(rho=rho), dt=0.01, steps=20_000, transient=2_000, method=fl.Shadowing()
)
seconds = time.perf_counter() - begin
print(f"{seconds:.1f} s; {found.stats['modes'].max()} modes, segments of {found.stats['segment'].max()} steps")

# %%
# The referee is brute force: averages at rho + 1/2 and rho - 1/2 over 256 orbits each. Their statistical error shrinks
# with the number of orbits alone, and has to be divided by the distance.

brute = fl.gradient(
    lorenz63, mean_z, "rho", parameters=dict(rho=rho[::3]), dt=0.01, steps=20_000, transient=2_000, members=256,
    method=fl.FiniteDifference(0.5),
)  # fmt: skip
ax = style.new_axes(None)
slope, error = found.median["rho"], 3 * found.median_stderr["rho"]
line = ax.plot(rho, slope, label="shadowing, median of 16 orbits")[0]
ax.fill_between(rho, slope - error, slope + error, alpha=0.3, color=line.get_color(), linewidth=0)
ax.errorbar(
    rho[::3], brute.gradient["rho"], 3 * brute.stderr["rho"], fmt=".", color="black", capsize=2, linewidth=1,
    label="finite differences of 256 orbits",
)  # fmt: skip
ax.set_ylim(0.9, 1.05)
style.dress(ax, "rho", "d<z> / d rho", "Lorenz 1963, with 3 standard errors").legend(loc="lower center")

# %%
# They agree to a few per cent, best away from rho = 25, where the attractor has only just become stable. That is not
# chance: what shadowing leaves out, how the density changes along the unstable direction, is small here. Above rho = 31
# the attractor has folds, where covectors are large, and a few orbits among many are far off. Their median is not, and
# points where the mean cannot be trusted are marked as such:

doubted = found.status == fl.Status.UNTRUSTED
print("UNTRUSTED at rho =", rho[doubted])

# %%
# When it fails
# -------------
#
# Behind Arnold's cat map comes a shear that keeps the uniform density, so no average can change with its size, kappa.
# Shadowing, which moves orbits alone, gives 0.22. For maps ``FastResponse`` computes the missing part as well, from
# second derivatives of the recorded rule along the unstable directions, and reports both parts.


@fl.iterated_map(state="x y", parameters=dict(kappa=0.0), x0=(0.3, 0.4))
def cat(t, x, p):
    turn = 2 * fl.math.pi
    first = 2 * x.x + x.y
    second = x.x + x.y + p.kappa * fl.math.sin(turn * first) / turn
    return first % 1, second % 1


wave = fl.average(lambda x, p: fl.math.cos(2 * fl.math.pi * (x.x - x.y)))
response = fl.gradient(cat, wave, "kappa", steps=20_000, members=32, method=fl.FastResponse(window=6))
for name in ("shadowing_part", "unstable_part"):
    print(f"{name}  {response.stats[name]['kappa']:.4f} +- {response.stats[name + '_stderr']['kappa']:.4f}")
print(response)

# %%
# Nor does a shadow exist for every system. In random networks with strong coupling stable and unstable directions come
# so close that covectors are huge there, and no average over orbits converges: then the result is ``UNTRUSTED``, and
# ``stats`` and ``message`` tell why.
