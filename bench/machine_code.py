"""What the compiled loop over steps consists of: packed floating-point instructions, counted in its machine code.

The loop is found as the smallest one around the loop over tangent vectors, and that as the loop of a single block
with the most packed arithmetic and as many stores as a vector has components.
"""

import re
from typing import NamedTuple

import fastlyap as fl
from fastlyap.backend import cpu
from fastlyap.machines.forms import form_of
from fastlyap.request import Integration

ARITHMETIC = re.compile(r"\tv(?:fn?m(?:add|sub)\d+|add|sub|mul|div|sqrt|max|min)pd\s")
FUSED = re.compile(r"\tvfn?m(?:add|sub)\d+pd\s")
STORE = re.compile(r"\tvmov[au]pd\s+%[xyz]mm\d+, (?!.*%rsp).*\(")  # to memory, but not a spill to the stack
LABEL = re.compile(r"^(\.L\w+):")
JUMP = re.compile(r"^\tj\w+\s+(\.L\w+)")


class Packed(NamedTuple):
    """Packed instructions for one step of `width` members: all arithmetic, and the fused ones among it."""

    arithmetic: int
    fused: int
    width: int


def grow_assembly(system: fl.System, integrator: str, width: int) -> str:
    """The machine code of `grow`, which must have been compiled (not read from disk) in this process."""
    form = form_of(system, system.dim, width, width)
    kernels = cpu.load(system, Integration(integrator, system.dt or 1.0), width, form)
    return next(iter(kernels.module.grow.overloads.values())).library.get_asm_str()


def step_loop(assembly: str, n: int, k: int, width: int) -> Packed | None:
    """Instructions of one step with k tangent vectors; None where the loops are not to be recognised."""
    lines = assembly.splitlines()
    position = {m.group(1): i for i, line in enumerate(lines) if (m := LABEL.match(line))}
    jumps = [(m.group(1), i) for i, line in enumerate(lines) if (m := JUMP.match(line))]
    back = [(position[label], i) for label, i in jumps if position.get(label, i) < i]
    single = [(s, e) for s, e in back if not any(s < at < e for at in position.values())]
    single = [(s, e) for s, e in single if _count(STORE, lines[s:e]) == n]
    if not single:
        return None
    start, end = max(single, key=lambda loop: _count(ARITHMETIC, lines[slice(*loop)]))
    around = [(s, e) for s, e in back if s < start and e > end]
    if not around:
        return None
    outer = lines[slice(*min(around, key=lambda loop: loop[1] - loop[0]))]
    inner = lines[start:end]
    total = [_count(p, outer) + (k - 1) * _count(p, inner) for p in (ARITHMETIC, FUSED)]
    return Packed(total[0], total[1], width)


def _count(pattern: re.Pattern, lines: list[str]) -> int:
    return sum(bool(pattern.match(line)) for line in lines)
