"""
Order or chaos, quickly
=======================

The generalised alignment index GALI_k is the volume spanned by k deviation vectors, each kept at unit length. Along a
chaotic orbit all of them turn into the fastest direction and the volume falls exponentially; along a regular one it
stays, or falls by a power of time. That tells order from chaos long before an exponent settles.
"""

import numpy as np

import fastlyap as fl
from fastlyap.plot import style

star = fl.systems.henon_heiles()
regular, chaotic = [[0.0, y, np.sqrt(0.25 - y**2 + 2 * y**3 / 3), 0.0] for y in (0.558, -0.25)]

# %%
# Two orbits of Henon and Heiles' star. The index is computed from the triangular factors of the frames, not from the
# vectors themselves, and so is exact far below 1e-16. On a regular orbit, a torus of two dimensions in four, GALI_2
# stays, GALI_3 falls like t^-2 and GALI_4 like t^-4 (Skokos, Bountis and Antonopoulos 2007).

ax = style.new_axes(None)
for k, colour in zip((2, 3, 4), style.colours(3), strict=True):
    found = fl.gali(star, [regular, chaotic], k=k, steps=40_000, dt=0.05, every=100, integrator="yoshida4")
    ax.loglog(found.times, found.values[0], color=colour, label=f"GALI_{k}, regular")
    ax.loglog(found.times, found.values[1], "--", color=colour, label=f"GALI_{k}, chaotic")
ax.set_ylim(1e-24, 3)
style.dress(ax, "time", "volume of the deviation vectors", "two orbits at the energy 1/8").legend(ncols=2)
print(found)

# %%
# The time at which GALI_2 has fallen below 1e-8, over starts on the surface of section x = 0. White orbits have not
# got there after 1000 units of time: they are regular, or cling to regular ones.

y, v = np.meshgrid(np.linspace(-0.45, 0.68, 120), np.linspace(-0.5, 0.5, 120))
square = 0.25 - y**2 + 2 * y**3 / 3 - v**2
starts = np.stack([0 * y, y, np.sqrt(np.maximum(square, 0)), v], axis=-1)
found = fl.gali(star, starts, steps=10_000, dt=0.1, every=50, threshold=1e-8, integrator="leapfrog")
times = np.where((square > 0) & np.isfinite(found.threshold_time), found.threshold_time, np.nan)

ax = style.new_axes(None, 6.0, 4.6)
image = ax.imshow(times, origin="lower", extent=(-0.45, 0.68, -0.5, 0.5), aspect="auto", cmap="viridis")
ax.figure.colorbar(image, ax=ax, label="time until GALI_2 < 1e-8")
ax.contour(y, v, square, [0.0], colors="0.5", linewidths=0.8)
style.dress(ax, "y", "p_y", "energy 1/8").grid(False)
