"""Whether a call may write to the store that is there: what would mix numbers of two kinds is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastlyap.errors import InputError
from fastlyap.sweeps import manifest as manifests
from fastlyap.sweeps import places
from fastlyap.sweeps.creation import create
from fastlyap.sweeps.job import Job
from fastlyap.sweeps.store import Store


def admitted(
    target: Any, path: Path | None, job: Job, asked: dict[str, Any], words: tuple, hold: Callable[[Store], Any]
) -> Store:
    """The store of this call, new or checked against it; `hold` keeps other drivers out before anything is changed."""
    resume, only, mixed = words
    place = asked.pop("place")
    there = places.exists(target)
    if not there:
        if only:
            raise InputError(f'`only` "failed" works on a store that is there, and {place} is not.')
        store = create(target, place, job, asked, anew=there is not None)
        hold(store)
        return store
    if not resume:
        raise InputError(f"`store` {place} is there already; resume=True goes on with it, or choose another path.")
    store = places.open_store(target, place, "r+")
    hold(store)
    if path is not None:
        places.sweep_up(path)
    _settle(store, asked, only, mixed)
    return store


def _settle(store: Store, asked: dict[str, Any], only: str | None, mixed: bool) -> None:
    """Refuse what would mix numbers of two kinds; note what was allowed to differ."""
    found = manifests.differences(store.manifest, asked)
    when = asked["created"]
    old, new = store.manifest["settings"], asked["settings"]
    others = {name for name in {**old, **new} if old.get(name) != new.get(name)} - {"steps"}
    more = bool(found.get("settings")) and not others and store.manifest["keep_state"] and new["steps"] > old["steps"]
    if only and store.manifest["keep_state"]:
        raise InputError('`only` "failed" is for stores without keep_state, whose members all go on from one run.')
    if only and set(found) <= {"settings", *manifests.MAY_DRIFT}:
        told = {"when": when, "settings": new, "program": asked["program"], "versions": asked["versions"]}
        store.update(reruns=[*store.manifest["reruns"], told])
        return
    allowed = {"settings"} if more else set()
    if mixed and set(found) & set(manifests.MAY_DRIFT):
        allowed |= set(manifests.MAY_DRIFT)
        other = {name: asked[name] for name in manifests.MAY_DRIFT if name in found}
        store.update(mixed=[*store.manifest["mixed"], {"when": when, **other}])
    wrong = [words for name, words in found.items() if name not in allowed]
    if wrong:
        drift = set(found) <= set(manifests.MAY_DRIFT) | allowed
        advice = "Allow it with mixed=True" if drift else "Choose another path, or ask for what it holds"
        raise InputError(f"`store` {store.place} holds another sweep: {'. '.join(wrong)}. {advice}.")
    if more:
        last = store.manifest.get("result_settings")
        changed = {} if last is None else {"result_settings": {**last, "steps": new["steps"]}}
        store.update(settings=new, **changed)
