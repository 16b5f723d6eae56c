"""One function per command of the command line; each returns the exit code."""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from fastlyap import lyapunov, plot, storage, systems
from fastlyap.cli import arguments, stores
from fastlyap.cli.systems import find
from fastlyap.errors import InputError, Interrupted
from fastlyap.labels import import_extra
from fastlyap.status import Status
from fastlyap.sweeps import grid

FAILED_MEMBERS = 3
INTERRUPTED = 130


def run(given: argparse.Namespace) -> int:
    """The spectrum of one system."""
    parameters = arguments.assignments(given.param)
    x0 = None if given.x0 is None else np.atleast_1d(arguments.numbers(given.x0, "--x0"))
    try:
        result = lyapunov.spectrum(find(given.system), x0, parameters, **arguments.options(given))
        code = _exit_code(result)
    except Interrupted as stop:
        result, code = stop.partial, INTERRUPTED
        print("fastlyap: interrupted; this is the result so far", file=sys.stderr)
    print(json.dumps(_plain(result)) if given.json else result)
    return code


def sweep(given: argparse.Namespace) -> int:
    """Spectra over a grid."""
    system = find(given.system)
    points = _grid(system, given)
    _check_files(given)
    if given.out.endswith(".zarr"):
        return stores.sweep(given, system, points)
    start = time.perf_counter()
    try:
        options = {"history": given.keep_state, **arguments.options(given)}
        result = getattr(lyapunov, given.verb)(system, None, points, **options)
        code = _exit_code(result)
    except Interrupted as stop:
        result, code = stop.partial, INTERRUPTED
    seconds = time.perf_counter() - start
    files = [given.out]
    storage.save(result, given.out)
    if given.plot and len(result.dims) in (1, 2):
        plot.sweep(result).figure.savefig(given.plot, dpi=150)
        files.append(given.plot)
    print(_report(result, seconds, files))
    if code == INTERRUPTED:
        print(f"fastlyap: interrupted; {given.out} holds the result so far", file=sys.stderr)
    return code


def info(given: argparse.Namespace) -> int:
    """What a file or a store of results holds."""
    kept = "://" in given.path or Path(given.path).is_dir()
    print(stores.opened(given.path) if kept else storage.load(given.path))
    return 0


def catalogue(given: argparse.Namespace) -> int:
    """The systems of the catalogue."""
    print(systems.catalogue())
    return 0


def doctor(given: argparse.Namespace) -> int:
    """What this machine offers."""
    from fastlyap import doctor

    print(doctor.report())
    return 0


def bench(given: argparse.Namespace) -> int:
    """How fast this machine is."""
    from fastlyap import speedcard

    speedcard.run()
    return 0


def selftest(given: argparse.Namespace) -> int:
    """Closed-form truths on this machine."""
    from fastlyap import selftest

    return 0 if selftest.run() else 1


def _grid(system: Any, given: argparse.Namespace) -> Any:
    """The grid of `--vary`, with the values of `--param` and `--x0` fixed."""
    axes = dict(arguments.axis(text) for text in given.vary)
    fixed = arguments.assignments(given.param)
    for name in axes:
        if name not in system.parameters and name not in system.state_names:
            known = ", ".join([*system.parameters, *system.state_names])
            raise InputError(f"`--vary` names {name!r}, which {system.name} does not have; there are: {known}.")
    starts = {name: values for name, values in axes.items() if name not in system.parameters}
    if given.x0 is not None:
        components = np.atleast_1d(arguments.numbers(given.x0, "--x0"))
        starts = {**dict(zip(system.state_names, components, strict=False)), **starts}
    return grid(x0=starts or None, **fixed, **{name: v for name, v in axes.items() if name not in starts})


def _check_files(given: argparse.Namespace) -> None:
    """Refuse before the work what would fail after it."""
    if not given.out.endswith((".npz", ".zarr")):
        raise InputError(f"`--out` must end in .npz or .zarr, got {given.out!r}.")
    if given.out.endswith(".npz"):
        if given.verb not in ("spectrum", "maximal"):
            raise InputError(f"`--verb` {given.verb} is for stores, `--out` X.zarr, got {given.out!r}.")
        for name in ("executor", "chunk", "max_memory", "timeout"):
            if getattr(given, name) is not None:
                raise InputError(f"`--{name.replace('_', '-')}` is for stores, `--out` X.zarr, got {given.out!r}.")
    if given.plot:
        if given.verb in ("gali", "trajectory"):
            raise InputError(f"`--plot` draws exponents and objectives, a {given.verb} has none; leave it out.")
        import_extra("matplotlib", "plot")
    for path in filter(None, (given.out, given.plot)):
        folder = Path(path).resolve().parent
        if "://" not in path and not os.access(folder, os.W_OK):
            raise OSError(f"cannot write {path}: {folder} is not a folder that can be written to")


def _exit_code(result: Any) -> int:
    return FAILED_MEMBERS if np.any(Status.failed(result.status)) else 0


def _report(result: Any, seconds: float, files: Any) -> str:
    """What a sweep found, how long it took and where the files are."""
    begun = result.n_steps > 0
    work = int(result.n_steps.sum()) + int(begun.sum()) * result.settings.get("transient", 0)
    return "\n".join([
        repr(result),
        f"  {seconds:.1f} s, {work / max(seconds, 1e-9):.3g} member-steps/s, compilation included",
        *(f"  written: {path}" for path in files),
    ])  # fmt: skip


def _plain(result: Any) -> dict[str, Any]:
    """A single result as JSON values."""
    names = (
        "exponents",
        "stderr",
        "kaplan_yorke",
        "entropy",
        "n_positive",
        "n_steps",
        "sum_rule",
        "divergence_error",
    )
    found = {name: _finite(np.asarray(getattr(result, name)).tolist()) for name in names}
    found |= {"kind": str(result.kind), "status": Status(int(result.status)).name, "unit": str(result.unit)}
    settings = {name: v for name, v in result.settings.items() if isinstance(v, (bool, int, float, str))}
    parameters = {name: np.asarray(v).tolist() for name, v in result.parameters.items()}
    return {"system": result.system.name, "parameters": parameters, **found, "settings": settings}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return value if np.isfinite(value) else None
