"""A sweep of some seconds, started by `python henon_plane.py STORE [workers]` to be killed."""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import fastlyap as fl

POINTS = fl.grid(a=np.linspace(1.0, 1.4, 64), b=np.linspace(0.1, 0.3, 32))
HOW = dict(steps=40_000, transient=100)
CHUNK = 64


def pool():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def run(store, words=()):
    """The sweep, in this process or on two workers."""
    executor = pool if "workers" in words else None
    return fl.sweep(
        "spectrum", fl.systems.henon(), POINTS, store=store, chunk=CHUNK, executor=executor, progress=False, **HOW
    )


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
    print("done")
