"""How many points make a chunk: some seconds of work, a bounded size on disk, and not more memory than allowed."""

from __future__ import annotations

import re
from typing import Any

from fastlyap import cast, hardware
from fastlyap.errors import InputError
from fastlyap.sweeps.job import Job

SECONDS = 5.0  # of work in a chunk
MOST = 16_384  # points: 10^6 of them in fewer than a thousand files
BYTES = 64 * 2**20  # of results in a chunk
LEAST_SHARE = 4096  # chunks in a sweep, about, where nothing else speaks against it
SHARE_OF_MEMORY = 0.8
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def chunk_of(job: Job, chunk: Any, max_memory: Any, workers: int) -> int:
    """Points of a chunk of this sweep."""
    allowed = memory(max_memory)
    if chunk == "auto":
        chunk = _automatic(job, workers)
    chunk = min(cast.count("chunk", chunk, 1), len(job))
    held = _held(job)
    while held + _needed(job, chunk) > allowed and chunk > 1:
        chunk = max(1, chunk // 2)
    needed = held + _needed(job, chunk)
    if needed > allowed:
        raise InputError(
            f"`max_memory` of {allowed / 2**30:.3g} GiB is too little: the {len(job):,} points themselves take "
            f"{held / 2**30:.3g} GiB and a chunk of {chunk} {needed / 2**30 - held / 2**30:.3g} GiB; allow more, or "
            "sweep fewer points or a shorter result at a time."
        )
    return chunk


def memory(given: Any) -> float:
    """Bytes that may be used, from a number or from text as "4 GB"."""
    if given is None:
        return SHARE_OF_MEMORY * hardware.memory()
    if isinstance(given, str):
        match = re.fullmatch(r"\s*([0-9.]+)\s*([kmgt]?i?)b?\s*", given.lower())
        if match is None or match[2] not in UNITS:
            raise InputError(f'`max_memory` must be a number of bytes or text as "4 GB", got {given!r}.')
        return float(match[1]) * UNITS[match[2]]
    return cast.positive("max_memory", given)


def _automatic(job: Job, workers: int) -> int:
    plan, points = job.plan, len(job)
    each = plan.seconds / max(points, 1)
    wanted = int(min(MOST, SECONDS / max(each, 1e-12), BYTES / max(job.bytes_of_a_point, 1)))
    if workers > 1:
        wanted = min(wanted, -(-points // (4 * workers)))
    wanted = max(wanted, -(-points // LEAST_SHARE), 1)
    block = max(1, plan.width * plan.threads // (job.starts or 1))
    return max(block, wanted // block * block) if wanted >= block or points >= block else wanted


def _held(job: Job) -> float:
    """Bytes of the points themselves."""
    members = job.request.members
    return float(members.x.nbytes + members.p.nbytes)


def _needed(job: Job, chunk: int) -> float:
    """Bytes of one chunk at work, and of its results."""
    part = job.part(slice(0, chunk)).plan
    share = min(1.0, part.chunk * part.threads / max(job.plan.chunk * job.plan.threads, 1))
    results = 8 * job.plan.members * 16
    return share * max(job.plan.memory - results, 0) + 3.0 * chunk * job.bytes_of_a_point
