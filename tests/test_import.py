"""Importing the package is light: nothing optional, nothing compiled, nothing said; its names are there."""

import json
import subprocess
import sys

import pytest

import fastlyap

HEAVY = (
    "numba", "numba.cuda", "scipy", "xarray", "pandas", "zarr", "dask", "distributed", "matplotlib", "sympy",
    "torch", "jax", "tqdm",
)  # fmt: skip

MEASURE = """
import json, sys, time
import numba
numba_alone = set(sys.modules)
start = time.perf_counter()
import fastlyap
fastlyap.spectrum, fastlyap.flow, fastlyap.grid
print(json.dumps([time.perf_counter() - start, sorted(set(sys.modules) - numba_alone)]))
"""


def run(code, *options):
    """The standard output of a fresh Python."""
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_the_door_opens_nothing():
    loaded = run("import sys, fastlyap; print(*sys.modules)", "-W", "error").split()
    assert not set(HEAVY) & set(loaded)


def test_the_verbs_import_nothing_optional_in_half_a_second():
    seconds, loaded = json.loads(run(MEASURE, "-W", "error"))
    assert not (set(HEAVY) - {"scipy"}) & set(loaded)
    assert seconds < 0.5


@pytest.mark.compiled
def test_importing_compiles_nothing():
    code = (
        "from numba.core import event\n"
        "with event.install_recorder('numba:compile') as seen:\n"
        "    import fastlyap; fastlyap.spectrum, fastlyap.systems, fastlyap.math\n"
        "print(len(seen.buffer))"
    )
    assert run(code).strip() == "0"


@pytest.mark.parametrize("name", fastlyap.__all__)
def test_public_names_are_there_and_stay_what_they_are(name):
    first = getattr(fastlyap, name)
    assert getattr(fastlyap, name) is first
    assert name in dir(fastlyap)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'spektrum'"):
        _ = fastlyap.spektrum
