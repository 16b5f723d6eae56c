"""What decides the numbers of a sweep, as plain values and hashes, and what differs between two such lists."""

from __future__ import annotations

import dataclasses
import secrets
import time
from dataclasses import fields
from hashlib import blake2b
from typing import Any

import numpy as np

from fastlyap._version import __version__
from fastlyap.errors import InputError
from fastlyap.machines import assembly
from fastlyap.sweeps.job import Job
from fastlyap.trace.recorder import Recording

FORMAT, VERSION = "fastlyap sweep", 1
LEFT_OUT = ("system", "integration", "members", "keep", "state", "part")
LONGEST = 64  # values that are kept as they are; of longer lists a hash
MAY_DRIFT = ("program", "versions")  # parts that mixed=True lets differ


def manifest_of(job: Job, box: tuple[int, ...], given: dict[str, Any], keep_state: bool) -> dict[str, Any]:
    """The manifest of a new store."""
    info = assembly.info(job.request.system)
    return {
        "format": FORMAT, "format_version": VERSION, "verb": job.verb, "system": dataclasses.asdict(info),
        "points": digest_of_points(job), "settings": settings_of(job), "program": job.plan.program,
        "versions": versions(), "shape": list(job.shape), "dims": list(job.dims), "box": list(box),
        "keep_state": keep_state, "options": _plain_options(given), "created": time.strftime("%Y-%m-%d %H:%M:%S"),
        "mixed": [], "reruns": [], "name": secrets.token_hex(8),
    }  # fmt: skip


def settings_of(job: Job) -> dict[str, Any]:
    """Every field of the request that decides numbers, as plain values."""
    request = job.request
    found: dict[str, Any] = {"starts": job.starts or 1, "averaged": job.starts is not None}
    for field in dataclasses.fields(request):
        if field.name not in LEFT_OUT:
            found[field.name] = _plain(getattr(request, field.name))
    if job.starts is not None:  # how they were perturbed, and what noise they draw
        found["members"] = _hash_of((), (request.members.x, request.members.p))
    return {**found, **_plain(dataclasses.asdict(request.integration))}


def versions() -> dict[str, str]:
    """Of everything whose change may change a bit."""
    import llvmlite
    import numba

    return {
        "fastlyap": __version__, "numba": numba.__version__, "llvmlite": llvmlite.__version__, "numpy": np.__version__,
    }  # fmt: skip


def digest_of_points(job: Job) -> str:
    """Hash of starts and parameters of all points in their order, of histories and inputs."""
    members, count = job.request.members, job.starts or 1
    system = job.request.system
    own = members.p if system.architecture is not None else members.p[:, : system.flat_parameters.size]
    past = None if members.past is None else members.past[::count]
    return _hash_of((job.shape, job.dims, members.extent), (members.x[::count], own[::count], past, members.pool,
                                                            members.drive))  # fmt: skip


def _hash_of(words: Any, arrays: tuple[np.ndarray | None, ...]) -> str:
    h = blake2b(repr(words).encode(), digest_size=16)
    for values in arrays:
        if values is not None:
            array = np.ascontiguousarray(values)
            h.update(str(array.shape).encode())
            h.update(array.reshape(-1).view(np.uint8).data)
    return h.hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """What of two manifests decides numbers and differs: part to words."""
    found = {}
    if old["system"]["digest"] != new["system"]["digest"]:
        names = f"{old['system']['name']} in the store, {new['system']['name']} asked for"
        found["system"] = f"system: {names}; the rule or its defaults differ"
    if old["points"] != new["points"]:
        found["points"] = f"grid: {_shape(old)} in the store, {_shape(new)} asked for; the points differ"
    for part in ("verb", "program", "keep_state"):
        if old[part] != new[part]:
            found[part] = f"{part}: {old[part]} in the store, {new[part]} asked for"
    for part in ("settings", "versions"):
        changed = [name for name in {**old[part], **new[part]} if old[part].get(name) != new[part].get(name)]
        words = [f"{name}: {old[part].get(name)} in the store, {new[part].get(name)} asked for" for name in changed]
        if words:
            found[part] = "; ".join(words)
    return found


def check(manifest: Any, place: str) -> dict[str, Any]:
    """`manifest` if it is one that this code can read."""
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"`store` {place} is not a sweep of fastlyap; choose another path.")
    if manifest.get("format_version") != VERSION:
        raise InputError(
            f"`store` {place} has format version {manifest.get('format_version')}, this one reads {VERSION}; use the "
            f"fastlyap that wrote it, {manifest.get('versions', {}).get('fastlyap', 'unknown')}, or a newer one."
        )
    return manifest


def _shape(manifest: dict[str, Any]) -> str:
    axes = zip(manifest["dims"], manifest["shape"], strict=True)
    return "(" + ", ".join(f"{name}: {m}" for name, m in axes) + ")"


def _plain(value: Any) -> Any:
    """As JSON would give it back; recordings and long lists as their hashes."""
    if isinstance(value, dict):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, (tuple, list)):
        plain = [_plain(v) for v in value]
        return plain if len(plain) <= LONGEST else f"{len(plain)} values {_hash_of(plain, ())}"
    if isinstance(value, Recording):
        return value.digest
    if dataclasses.is_dataclass(value):
        return {"class": type(value).__name__, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


def _plain_options(given: dict[str, Any]) -> dict[str, Any] | None:
    """The options as they were written, where a command line could write them too."""
    kept = {name: value for name, value in given.items() if value is not None and name not in ("x0", "threads")}
    fine = all(isinstance(v, (bool, int, float, str)) or _writable(v) for v in kept.values())
    return _plain(kept) if fine else None


def _writable(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(i, (int, str)) for i in value)
