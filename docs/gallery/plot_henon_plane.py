"""
The Henon plane, killed and resumed
===================================

The largest exponent of the Henon map over its two parameters, computed by a process that is killed on the way. What it
had finished is on disk, and a second run goes on from there to the same bits. With N = 1000 this is the million points
of the picture's title in a few minutes; the page is built with a smaller plane.
"""

import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import fastlyap as fl

N = 120

# %%
# A sweep writes each chunk of points into a store, a folder of Zarr arrays. This is the script that will be killed:

folder = Path(tempfile.mkdtemp())
script = folder / "plane.py"
script.write_text(f"""
import sys
import numpy as np
import fastlyap as fl

def plane(store):
    points = fl.grid(a=np.linspace(0.8, 1.6, {N}), b=np.linspace(-0.3, 0.4, {N}))
    return fl.sweep("maximal", fl.systems.henon(), points, store=store, chunk=1000, steps=2000, transient=500)

if __name__ == "__main__":
    plane(sys.argv[1])
""")

# %%
# Start it, wait until some chunks are written, and kill it in the hardest way there is.

store = folder / "plane.zarr"
process = subprocess.Popen([sys.executable, script, store])
while process.poll() is None and len(list(store.glob("status/c/*/*"))) < 3:
    time.sleep(0.01)
process.send_signal(signal.SIGKILL)
process.wait()
print(fl.open_sweep(store))

# %%
# The same call again goes on where it was, here in this process; `fastlyap resume plane.zarr` on the command line would
# do it, too, and so would the script.

found = runpy.run_path(str(script))["plane"](store)
print(found)

# %%
# The picture is drawn chunk by chunk, so that a store may be larger than memory. Orbits escape in the hatched part.

ax = fl.plot.sweep(found)

# %%
# Arrays are read when they are asked for. This is the line b = 0.3, without the rest of the plane:

line = found.result((slice(None), int(np.argmin(np.abs(found.parameters["b"].ravel() - 0.3)))))
print(line)

# %%
# And nothing was changed by the kill: the plain call in memory gives the same bits.

again = fl.maximal(fl.systems.henon(), None, fl.grid(a=line.parameters["a"].ravel(), b=line.parameters["b"].ravel()[0]),
                   steps=2000, transient=500)  # fmt: skip
print(np.array_equal(again.exponents, line.exponents, equal_nan=True))
print(f"{sum(1 for path in store.rglob('*') if path.is_file())} files, "
      f"{sum(os.path.getsize(path) for path in store.rglob('*')) / 1e6:.1f} MB")  # fmt: skip
