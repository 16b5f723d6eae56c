"""The machine a result is from: CPU model and core count, and no more."""

import platform
import re

from bench.environment import CORES


def cpu_model() -> str:
    """The processor's name as the kernel gives it, with its family: generations may share a name, but not a speed."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            text = f.read()
    except OSError:
        text = ""
    name, family = (re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE) for key in ("model name", "cpu family"))
    if not name:
        return platform.machine()
    return name.group(1).strip() + (f" (family {family.group(1).strip()})" if family else "")


def description() -> str:
    """For the head of a table."""
    from fastlyap import hardware

    products = hardware.blas().split(";")[0]
    return f"{cpu_model()}, {len(CORES)} cores, {hardware.simd_name()}, matrix products by {products}"


def short_name() -> str:
    """For a file name."""
    plain = re.sub(r"\(R\)|\(TM\)|CPU|Processor|@.*", " ", cpu_model())
    return re.sub(r"[^a-z0-9]+", "-", f"{plain} {len(CORES)} cores".lower()).strip("-")
