"""What may be written on the command line, and how its words become values."""

import argparse
from typing import Any

import numpy as np

from fastlyap._version import __version__
from fastlyap.errors import InputError

VERBS = ("spectrum", "maximal", "vectors", "finite_time", "gali", "gradient", "trajectory")
KINDS = ("covariant", "backward", "forward", "adjoint_covariant")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="fastlyap",
        description="Lyapunov spectra with error bars, for one orbit or a million parameter points.",
        epilog="SYSTEM is a name of `fastlyap list`, or path/to/file.py:name.",
    )
    top.add_argument("--version", action="version", version=f"fastlyap {__version__}")
    add = top.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser

    run = add("run", help="the spectrum of one system")
    _dynamics(run)
    run.add_argument("--json", action="store_true", help="print JSON; what is not finite becomes null")

    sweep = add("sweep", help="a verb, spectra by default, over a grid of parameters or starts")
    _dynamics(sweep)
    _verbs(sweep)
    sweep.add_argument(
        "--vary",
        action="append",
        required=True,
        metavar="NAME=START:STOP:COUNT",
        help="a parameter or component of the start, ends included; =log:START:STOP:COUNT in equal ratios",
    )
    sweep.add_argument("--out", required=True, metavar="X.npz|X.zarr", help="where the result goes; X.zarr outlives us")
    sweep.add_argument("--plot", metavar="X.png", help="draw it too; the suffix names the format")
    sweep.add_argument("--keep-state", action="store_true", help="keep what more steps need; large files")
    sweep.add_argument("--members", type=int, metavar="N", help="nearby starts per point")
    _engine(sweep)

    resume = add("resume", help="go on with a sweep that was stopped")
    resume.add_argument("path", metavar="X.zarr")
    resume.add_argument("--threads", type=int, metavar="N", help="cores to use")
    resume.add_argument("--failed", action="store_true", help="compute the failed points again")
    _engine(resume)

    info = add("info", help="what a file of results holds")
    info.add_argument("path", metavar="X.npz|X.zarr")
    add("list", help="the systems of the catalogue")
    add("doctor", help="versions, processor, math library, cache, CUDA")
    add("bench", help="a speed card of this machine, in about half a minute")
    add("selftest", help="closed-form truths on this machine, in less than a minute")
    return top


def _verbs(command: argparse.ArgumentParser) -> None:
    """What is computed at each point; all but spectra need stores."""
    add = command.add_argument
    add("--verb", default="spectrum", choices=VERBS, help="what to compute; all but spectra for X.zarr only")
    add("--kind", choices=KINDS, help="of vectors")
    add("--warmup", type=_every, metavar="N|auto", help="steps before and after those of vectors")
    add("--objective", metavar="NAME", help="of a gradient: a component, to average, or path/to/file.py:name")
    add("--wrt", type=_names, metavar="NAME,...", help="parameters that a gradient is by (default all)")
    add("--method", metavar="NAME", help="of a gradient: Shadowing, FiniteDifference(step=0.01) ...")


def _engine(command: argparse.ArgumentParser) -> None:
    """What does the work, and within which limits; for stores."""
    add = command.add_argument
    add("--executor", metavar="dask:ADDRESS", help="a Dask scheduler, as dask:tcp://10.0.0.1:8786; for X.zarr")
    add("--chunk", type=int, metavar="N", help="points computed and written together; for X.zarr")
    add("--max-memory", metavar="SIZE", help='as "4 GB"; for X.zarr')
    add("--timeout", type=float, metavar="SECONDS", help="that a chunk may take; for X.zarr")
    add("--quiet", action="store_true", help="no progress; for X.zarr")


def _dynamics(command: argparse.ArgumentParser) -> None:
    """The arguments that `run` and `sweep` share."""
    add = command.add_argument
    add("system", metavar="SYSTEM", help="a name of the catalogue, or path/to/file.py:name")
    add(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter; commas separate the entries",
    )
    add("--x0", metavar="A,B,...", help="initial state, written --x0=-1,2 where it starts with a minus")
    add("--steps", type=int, metavar="N", help="steps counted (default 10 000)")
    add("--transient", type=int, metavar="N", help="steps before (default 1 000)")
    add("--dt", type=float, help="step of a flow")
    add("--k", type=int, help="how many exponents (default all)")
    add("--every", type=_every, metavar="N|auto", help="steps between reorthonormalisations")
    add("--integrator", metavar="NAME", help="rk4, dopri5, euler, leapfrog or yoshida4")
    add("--dtype", choices=("float64", "float32"))
    add("--backend", choices=("auto", "cpu", "cuda", "reference"))
    add("--threads", type=int, metavar="N", help="cores to use")
    add("--seed", type=int, metavar="N")


OPTIONS = (
    "kind",
    "warmup",
    "wrt",
    "steps",
    "transient",
    "dt",
    "k",
    "every",
    "integrator",
    "dtype",
    "backend",
    "threads",
    "seed",
    "members",
)


def options(given: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of the verb: what was written, and no defaults of our own."""
    found = {name: getattr(given, name, None) for name in OPTIONS}
    return {name: value for name, value in found.items() if value is not None}


def assignments(written: list[str], option: str = "--param") -> dict[str, Any]:
    """`["a=1", "w=1,2"]` as `{"a": 1.0, "w": [1.0, 2.0]}`."""
    found = {}
    for text in written:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"`{option}` must be NAME=VALUE, got {text!r}.")
        found[name] = numbers(value, f"{option} {name}")
    return found


def numbers(text: str, name: str) -> float | list[float]:
    """`"1"` as 1.0, `"1,2"` as [1.0, 2.0]."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"`{name}` must be a number, or numbers separated by commas, got {text!r}.") from None
    return found if "," in text else found[0]


def axis(text: str) -> tuple[str, np.ndarray]:
    """`"r=0:1:5"` or `"r=log:0.1:10:5"` as the name and the values, both ends among them."""
    name, equals, span = text.partition("=")
    words = span.split(":")
    even = words[0] != "log"
    try:
        start, stop, count = words if even else words[1:]
        ends = float(start), float(stop)
        number = int(count)
    except ValueError:
        raise InputError(
            f"`--vary` must be NAME=START:STOP:COUNT or NAME=log:START:STOP:COUNT, got {text!r}."
        ) from None
    if not name or not equals or number < 1 or not np.all(np.isfinite(ends)):
        raise InputError(f"`--vary` must name a parameter, finite ends and a COUNT of at least 1, got {text!r}.")
    if even:
        return name, np.linspace(*ends, number)
    if min(ends) <= 0:
        raise InputError(f"`--vary` with log needs ends > 0, got {text!r}.")
    return name, np.geomspace(*ends, number)


def _every(text: str) -> int | str:
    return text if text == "auto" else int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))
