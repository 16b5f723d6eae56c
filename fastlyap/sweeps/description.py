"""A sweep on disk in a few lines: progress, failures, speed and time left, who is at work, and how to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fastlyap.status import PENDING, Status
from fastlyap.sweeps import lease, lock, places
from fastlyap.sweeps import store as stores
from fastlyap.sweeps.report import duration
from fastlyap.sweeps.store import Store


def describe(store: Store, target: Any, path: Path | None) -> str:
    """The lines of a store that lies in a folder or elsewhere."""
    told, statuses, ledger = store.manifest, store.statuses(), store.ledger()
    done = statuses != PENDING
    axes = ", ".join(f"{name}: {m}" for name, m in zip(told["dims"], told["shape"], strict=True)) or "one point"
    lines = [
        f"Sweep of {told['verb']} of {told['system']['name']} over ({axes}): {statuses.size:,} points",
        f"  done      {int(done.sum()):,} ({100 * done.mean():.1f} %), in chunks of {store.tiles.points(0):,}",
    ]
    codes, counts = np.unique(statuses[done], return_counts=True)
    if len(codes):
        tally = [f"{Status(int(code)).name} {count:,}" for code, count in zip(codes, counts, strict=True)]
        lines.append("  status    " + ", ".join(tally))
    lines += _speed(store, ledger, int((~done).sum()))
    if told["reruns"]:
        lines.append(f"  again     {len(told['reruns'])} time(s) for failed points, last {told['reruns'][-1]['when']}")
    holder = lease.holder(store.group) if path is None else lock.holder(path)
    if holder is not None:
        lines.append(f"  at work   process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')}")
    elif not done.all():
        lines.append(f"  go on     the same call again{places.command(target, store.place)}")
    settings = told["settings"]
    how = [f"{settings['steps']:,} steps", str(settings["integrator"]), str(settings["dtype"]), told["program"]]
    lines.append(f"  made by   {', '.join(how)}, fastlyap {told['versions']['fastlyap']}")
    return "\n".join(lines)


def _speed(store: Store, ledger: np.ndarray, left: int) -> list[str]:
    """Rate of the last chunks, and what that means for the others."""
    rows = ledger[ledger[:, stores.MOMENT] > 0]
    if not len(rows):
        return []
    rows = rows[np.argsort(rows[:, stores.MOMENT])][-64:]
    spent = rows[:, stores.MICROSECONDS].sum() / 1e6
    # workers side by side: what counts is the time on the clock, where the last chunks were written in one go
    clock = (rows[-1, stores.MOMENT] - rows[0, stores.MOMENT] + rows[0, stores.MICROSECONDS]) / 1e6
    points = len(rows) * store.tiles.points(0)
    rate = points / max(min(clock, spent) if clock > 0 else spent, 1e-9)
    lines = [f"  speed     {rate:.3g} points/s"]
    if left:
        lines.append(f"  left      about {duration(left / rate)}")
    return lines
