"""The verb `sweep`: any other verb over many points, chunk by chunk, into a store that outlives the process."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from fastlyap import cast, labels
from fastlyap.errors import InputError, Interrupted
from fastlyap.progress import check_wish
from fastlyap.sweeps import manifest as manifests
from fastlyap.sweeps import places
from fastlyap.sweeps.admission import admitted
from fastlyap.sweeps.crew import Crew
from fastlyap.sweeps.driver import Driver
from fastlyap.sweeps.extent import chunk_of
from fastlyap.sweeps.job import job_of
from fastlyap.sweeps.lease import Lease
from fastlyap.sweeps.lock import Held, Lock
from fastlyap.sweeps.opened import Sweep
from fastlyap.sweeps.points import points_of
from fastlyap.sweeps.tiles import cut
from fastlyap.sweeps.work import Task

NETWORK = ("aiohttp", "aiobotocore", "botocore", "gcsfs", "google", "azure")  # whose errors are no OSErrors


def sweep(
    verb: str,
    system: Any,
    grid: Any = None,
    *,
    store: Any,
    executor: Any = None,
    chunk: int | str = "auto",
    resume: bool = True,
    only: str | None = None,
    keep_state: bool = False,
    max_memory: Any = None,
    timeout: float | None = None,
    mixed: bool = False,
    progress: Any = None,
    **options: Any,
) -> Sweep:
    """Run a verb over many points into a store on disk; killed and run again, it goes on where it was.

    Parameters
    ----------
    verb : "spectrum", "maximal", "vectors", "finite_time", "gali", "gradient" or "trajectory"
    system : System
    grid : fl.grid(...), fl.design(...), dict of arrays that broadcast, or xarray.Dataset
        Parameters and starts; `x0=` is taken as well.
    store : str, path or zarr store
        A Zarr group that `xarray.open_zarr` opens.
    executor : concurrent.futures executor, or a function that makes one, optional
        Workers for the chunks, `dask.distributed.Client(...).get_executor()` for a cluster; by default this process,
        on all its cores. With a function, workers that die are replaced and the member that does it is found.
    chunk : int or "auto"
        Points that are computed and written together; about five seconds of work by default.
    resume : bool
        Whether to go on with a store that is there. What is there must have been asked for in the same words.
    only : "failed", optional
        Compute the failed points of a store again, with other settings if you like.
    keep_state : bool
        Keep what a later call with more `steps` needs to go on (spectra only).
    max_memory : number of bytes, or text as "4 GB", optional
        Chunks are made small enough, or the call is refused; 80 % of this machine's by default.
    timeout : float, optional
        Seconds that a chunk may take; the members that take longer by themselves become FAILED.
    mixed : bool
        Allow chunks of other versions or programs in one store; what differs is noted in the manifest.
    progress : bool or callable, optional
        None draws a bar on a terminal and in notebooks, and writes a line per minute elsewhere.
    **options
        The verb's own arguments, `objective` and `wrt` of `gradient` among them. `vectors` keeps statistics alone:
        `store` is that of the sweep.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        For wrong arguments, and for a store of another system, grid, settings, program or version, with what differs.
    OSError
        From the disk, or where another process holds the store; finished chunks are kept.
    Interrupted
        On Ctrl-C, after what is finished was written; `.partial` is the Sweep so far.

    Notes
    -----
    Within one program the numbers are bit for bit those of the plain call.
    """
    words = dict(
        executor=executor, chunk=chunk, resume=resume, only=only, keep_state=keep_state, max_memory=max_memory,
        timeout=timeout, mixed=mixed, progress=progress,
    )  # fmt: skip
    return run(verb, system, grid, store, options, **words)


def run(
    verb: str, system: Any, grid: Any, store: Any, options: dict[str, Any], *, executor: Any = None,
    chunk: Any = "auto", resume: bool = True, only: str | None = None, keep_state: bool = False,
    max_memory: Any = None, timeout: float | None = None, mixed: bool = False, progress: Any = None,
    command: dict[str, Any] | None = None,
) -> Sweep:  # fmt: skip
    """The sweep that `sweep` was asked for; command : the words for system, objective ... of a command line."""
    labels.import_extra("zarr", "sweep")
    system = cast.system(system)
    _check_words(resume, only, keep_state, mixed)
    check_wish(progress)
    seconds = None if timeout is None else cast.positive("timeout", timeout)
    job = job_of(verb, system, points_of(grid, system), options, keep_state)
    if not len(job):
        raise InputError(f"`grid` has no points, its shape is {job.shape}.")
    target, place, path = places.located(store)
    places.check_writable(target, path)
    how = Task((), timeout=seconds, mixed=mixed)
    again = f"Go on with the same call{places.command(target, place)}"
    with ExitStack() as stack, _advised(again):
        crew = None if executor is None else stack.enter_context(Crew(executor))
        if crew is not None:
            job = job.on(options.get("threads") or 1)
        box = cut(job.shape, chunk_of(job, chunk, max_memory, 1 if crew is None else crew.size())).box
        plain = {name: value for name, value in options.items() if name not in (command or {})}
        asked = {**manifests.manifest_of(job, box, plain, keep_state), "place": place, "command": command}
        hold = lambda store: None if path else stack.enter_context(Lease(store.group, place))  # noqa: E731
        if path is not None:
            stack.enter_context(Lock(path))
        opened = admitted(target, path, job, asked, (resume, only, mixed), hold)
        if crew is not None and places.shared(target):
            how = replace(how, target=target, name=opened.manifest.get("name", ""))
        finished = Driver(opened, job, how, crew, only == "failed").run(progress)
    found = Sweep(opened, target, path)
    if not finished:
        raise Interrupted(
            f"stopped by Ctrl-C; {found.done:,} of {found.size:,} points are in {place}. {again}", partial=found
        )
    return found


@contextmanager
def _advised(again: str) -> Iterator[None]:
    """Say how to go on where the disk, the workers or a second Ctrl-C end the work."""
    kept = f"Finished chunks are kept. {again}"
    try:
        yield
    except Held:
        raise
    except OSError as problem:
        full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
        problem.add_note(f"{'The disk is full. ' * full}{kept}")
        raise
    except Interrupted:
        raise
    except KeyboardInterrupt as problem:
        problem.add_note(kept)
        raise
    except Exception as problem:
        if type(problem).__module__.partition(".")[0] not in NETWORK:
            raise
        raise OSError(f"the store cannot be reached ({problem}). {kept}") from problem


def _check_words(resume: Any, only: Any, keep_state: Any, mixed: Any) -> None:
    for name, value in (("resume", resume), ("keep_state", keep_state), ("mixed", mixed)):
        if not isinstance(value, bool):
            raise InputError(f"`{name}` must be True or False, got {value!r:.60}.")
    if only not in (None, "failed"):
        raise InputError(f'`only` must be None or "failed", got {only!r}.')
    if only and not resume:
        raise InputError('`only` "failed" works on a store that is there; leave `resume` True.')
