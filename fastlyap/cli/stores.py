"""Sweeps into stores on the command line: begun, resumed, described."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap import plot
from fastlyap.cli import arguments, objectives
from fastlyap.cli.systems import find
from fastlyap.errors import InputError
from fastlyap.labels import import_extra
from fastlyap.sweeps.grid import Grid
from fastlyap.sweeps.opened import Sweep, open_sweep
from fastlyap.sweeps.verb import run

FAILED_MEMBERS = 3
SHOWN = {"gradient": "value"}  # what a picture shows, where that is not exponents


def sweep(given: argparse.Namespace, system: Any, points: Any) -> int:
    """Begin a sweep, or go on with it."""
    command = {"system": given.system, **{name: getattr(given, name) for name in objectives.WORDS}}
    words = {**_words(given), "keep_state": given.keep_state, "command": command}
    options = {**arguments.options(given), **objectives.resolved(command, system)}
    found = _with_executor(given, lambda how: run(given.verb, system, points, given.out, options, **words, **how))
    print(f"{found!r}\n  written: {given.out}")
    if given.plot and len(found.dims) in (1, 2):
        plot.sweep(found, SHOWN.get(given.verb, "exponents")).figure.savefig(given.plot, dpi=150)
        print(f"  written: {given.plot}")
    return FAILED_MEMBERS if found.failed else 0


def resume(given: argparse.Namespace) -> int:
    """Go on with a sweep from what its store says of it."""
    old = opened(given.path)
    told = old.manifest
    system = _system(old)
    if told["options"] is None:
        raise InputError(f"`{given.path}` was begun with arguments no command line can write; {AGAIN}")
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in told["options"].items()}
    options |= objectives.resolved(_command(old), system)
    if given.threads is not None:
        options["threads"] = given.threads
    words = {**_words(given), "keep_state": told["keep_state"], "only": "failed" if given.failed else None}
    words["command"] = told["command"]
    found = _with_executor(
        given, lambda how: run(told["verb"], system, _points(old), given.path, options, **words, **how)
    )
    print(found)
    return FAILED_MEMBERS if found.failed else 0


def opened(path: str) -> Sweep:
    """The store at `path`."""
    import_extra("zarr", "sweep")
    return open_sweep(path)


AGAIN = "run the same Python call again, which goes on by itself."


def _system(old: Sweep) -> Any:
    """The system of a store: by the name it was begun with, or that of the catalogue."""
    word = _command(old).get("system", old.system.name)
    try:
        system = find(word)
    except InputError as problem:
        raise InputError(f"`{word}` cannot be found from here ({problem}); {AGAIN}") from None
    if system.digest != old.system.digest:
        raise InputError(f"`{word}` is not the system that the store was begun with; {AGAIN}")
    return system


def _command(old: Sweep) -> dict[str, str]:
    """The words that a store was begun with on a command line, or none."""
    return old.manifest.get("command") or {}


def _points(old: Sweep) -> Grid:
    """The points of a store, as they were given."""
    return Grid(old.parameters, np.array(old.x0), dict(zip(old.dims, map(np.arange, old.shape), strict=True)))


def _words(given: argparse.Namespace) -> dict[str, Any]:
    chunk = "auto" if given.chunk is None else given.chunk
    progress = False if given.quiet else None
    return {"chunk": chunk, "max_memory": given.max_memory, "timeout": given.timeout, "progress": progress}


def _with_executor(given: argparse.Namespace, work: Callable[[dict[str, Any]], Sweep]) -> Sweep:
    """Do `work` with the executor that was named."""
    if given.executor is None:
        return work({})
    kind, colon, address = given.executor.partition(":")
    if kind != "dask" or not address:
        raise InputError(f"`--executor` must be dask:ADDRESS, got {given.executor!r}.")
    distributed = import_extra("distributed", "dask")
    with distributed.Client(address) as client:
        return work({"executor": client.get_executor()})
