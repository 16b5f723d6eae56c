"""Generated modules on disk: named by content, private to the user, safe when several processes start at once.

A module is loaded only if its text is exactly the text asked for; a corrupted or foreign file is written anew.
Numba keeps its machine code beside it; the name covers the kernels' sources and the library versions, because
Numba does not notice an edit in a function that lives in another file.
"""

import atexit
import functools
import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import fastlyap.kernel

_loading = threading.RLock()


def cache_directory() -> Path:
    """The folder of generated modules: $FASTLYAP_CACHE_DIR, else the user's cache folder."""
    chosen = os.environ.get("FASTLYAP_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser() / "modules"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fastlyap" / "modules"


@functools.cache
def library_digest() -> str:
    """Hash of the kernels' sources and of the versions that turn them into machine code."""
    import llvmlite
    import numba
    import numpy

    h = hashlib.blake2b(digest_size=16)
    for version in (sys.version, numba.__version__, llvmlite.__version__, numpy.__version__):
        h.update(version.encode())
    here = Path(fastlyap.kernel.__file__).parent
    for path in sorted(here.glob("*.py")):
        h.update(path.name.encode() + path.read_bytes())
    return h.hexdigest()


def module_name(text: str, options: str = "") -> str:
    """The name of the module with this text."""
    return "fl_" + hashlib.blake2b((text + options + library_digest()).encode(), digest_size=16).hexdigest()


def is_compiled(text: str, options: str = "") -> bool:
    """Whether machine code of this module is on disk."""
    return any(_machine_code(cache_directory(), module_name(text, options), ".nbc"))


def load(text: str, options: str = "") -> ModuleType:
    """Import the module with this text, from disk if it is there, and remember it for this process.

    `options` names what decides the machine code besides the text (math library, instruction set).
    """
    name = module_name(text, options)
    with _loading:  # or a second thread would find the module half made
        return sys.modules[name] if name in sys.modules else _loaded(name, text)


def _loaded(name: str, text: str) -> ModuleType:
    path = _private(cache_directory()) / f"{name}.py"
    if not _holds(path, text):
        _write(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: Numba looks it up by name when it loads cached code
    try:
        # compiled from the text, never from a .pyc that somebody else may have left
        exec(compile(text, str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def forget(module: ModuleType) -> None:
    """Throw away a module's machine code on disk (it was unreadable) and the module in this process."""
    for path in _machine_code(Path(str(getattr(module, "__file__", "."))).parent, module.__name__):
        path.unlink(missing_ok=True)
    sys.modules.pop(module.__name__, None)


def _machine_code(folder: Path, name: str, ending: str = "") -> Iterator[Path]:
    """Numba's files of a module that lies in `folder`: beside it, or where $NUMBA_CACHE_DIR says."""
    from numba.core import config

    if config.CACHE_DIR:
        return Path(config.CACHE_DIR).glob(f"*/{name}.*{ending}")
    return (folder / "__pycache__").glob(f"{name}.*{ending}")


def _private(folder: Path) -> Path:
    """The folder, made if need be, open to this user alone; a temporary one where that is impossible."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.getuid():
            if stat.S_IMODE(found.st_mode) & 0o077:
                folder.chmod(0o700)
            if os.access(folder, os.W_OK):
                return folder
    except OSError:
        pass
    return _temporary()


@functools.cache
def _temporary() -> Path:
    """A folder for this process alone (read-only home, foreign cache folder)."""
    folder = tempfile.mkdtemp(prefix="fastlyap-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text and path.stat().st_uid == os.getuid()
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, text: str) -> None:
    """Write aside and rename, so that no process ever sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(temporary, path)
