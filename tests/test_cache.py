"""Generated code on disk: private, found again, safe against edits, damage and company.

Every case runs in processes of its own, with real files.
"""

import json
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastlyap.trace import cache

pytestmark = pytest.mark.compiled

RULE = """
    import fastlyap as fl
    from helpers import kick
    SLOPE = 3.7

    @fl.iterated_map(state="x", parameters={"r": 1.0}, x0=(0.3,))
    def rule(t, x, p):
        return p.r * SLOPE * x.x * (1 - x.x) + kick(x.x)
"""
HELPERS = """
    def kick(x):
        return 0.01 * x
"""
SCRIPT = """
    import json, os, sys
    import fastlyap as fl
    from rule import rule
    from fastlyap.trace import cache
    found = fl.spectrum(rule, steps=200, transient=20)
    modules = [m for name, m in sys.modules.items() if name.startswith("fl_")]
    hits = sum(sum(m.grow.stats.cache_hits.values()) for m in modules)
    misses = sum(sum(m.grow.stats.cache_misses.values()) for m in modules)
    plan = fl.plan("spectrum", rule, steps=200, transient=20)
    print(json.dumps({"exponent": float(found.exponents[0]), "hits": hits, "misses": misses, "cached": plan.cached,
                      "folder": str(cache.cache_directory()), "files": [m.__file__ for m in modules]}))
"""


class Home:
    """A project folder with a rule, and a cache folder, both in tmp_path."""

    def __init__(self, folder):
        self.project, self.cache = folder / "project", folder / "cache"
        self.project.mkdir()
        self.write("rule.py", RULE)
        self.write("helpers.py", HELPERS)
        self.write("run.py", SCRIPT)

    def write(self, name, text):
        (self.project / name).write_text(textwrap.dedent(text))

    def start(self, **environment):
        """A process that runs the script."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FASTLYAP", "NUMBA", "XDG"))}
        root = str(Path(__file__).resolve().parent.parent)
        more = {"FASTLYAP_CACHE_DIR": str(self.cache), "PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {k: v for k, v in {**inherited, **more, **environment}.items() if v is not None}
        return subprocess.Popen([sys.executable, "-W", "error", "run.py"], cwd=self.project, env=environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip

    def run(self, **environment):
        return self.result(self.start(**environment))

    @staticmethod
    def result(process):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert err == ""
        return json.loads(out)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """(home, what its first process printed), to copy from."""
    home = Home(tmp_path_factory.mktemp("once"))
    return home, home.run()


@pytest.fixture
def warm(home, once):
    """(a home with a copy of the filled cache, what the process that filled it printed)."""
    shutil.copytree(once[0].cache, home.cache)
    return home, once[1]


def test_warm_start(once):
    """The second process compiles nothing and gives the same bits; the folder belongs to the user alone."""
    home, first = once
    second = home.run()
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert first["exponent"] == second["exponent"]
    assert first["cached"] and second["cached"]
    folder = Path(first["folder"])
    assert folder == home.cache / "modules"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(folder.glob("*.tmp"))


def test_an_open_folder_is_closed(warm):
    home, _ = warm
    (home.cache / "modules").chmod(0o777)
    home.run()
    assert stat.S_IMODE((home.cache / "modules").stat().st_mode) == 0o700


@pytest.mark.parametrize("edit", ["constant", "helper", pytest.param("rule", marks=pytest.mark.slow)])
def test_edits_are_seen(warm, edit):
    """An edit anywhere the rule's numbers come from gives new numbers in the next process; taken back, the old ones."""
    home, before = warm
    if edit == "constant":
        home.write("rule.py", RULE.replace("3.7", "3.6"))
    elif edit == "helper":
        home.write("helpers.py", HELPERS.replace("0.01", "0.02"))
    else:
        home.write("rule.py", RULE.replace("(1 - x.x)", "(1 - x.x) * (1 + 0.01 * x.x)"))
    after = home.run()
    assert after["exponent"] != before["exponent"]
    assert after["misses"] == 1
    if edit != "helper":
        return
    home.write("rule.py", RULE)
    home.write("helpers.py", HELPERS)
    back = home.run()
    assert back["exponent"] == before["exponent"]
    assert back["hits"] == 1


def test_edits_that_change_nothing_are_not_recompiled(warm):
    """Comments, names and the order of definitions are not the recording."""
    home, before = warm
    home.write("rule.py", "# a remark\n" + textwrap.dedent(RULE).replace("SLOPE", "STEEPNESS"))
    after = home.run()
    assert after["hits"] == 1
    assert after["exponent"] == before["exponent"]


def test_several_processes_at_once(home):
    """All start on an empty cache; all finish with the same bits; the cache is whole."""
    processes = [home.start() for _ in range(3)]
    found = [home.result(process) for process in processes]
    assert len({each["exponent"] for each in found}) == 1
    after = home.run()
    assert after["hits"] == 1 and after["exponent"] == found[0]["exponent"]


DAMAGE = {
    "text cut short": ("*.py", lambda data: data[: len(data) // 2]),
    "text replaced": ("*.py", lambda data: b"raise SystemExit('foreign code ran')\n"),
    "text not UTF-8": ("*.py", lambda data: b"\xff\xfe\x00" + data),
    "index emptied": ("__pycache__/*.nbi", lambda data: b""),
    "index garbled": ("__pycache__/*.nbi", lambda data: bytes(reversed(data))),
    "index of another make": ("__pycache__/*.nbi", lambda data: b"\x80\x04K\x01." + data[5:]),
    "code emptied": ("__pycache__/*.nbc", lambda data: b""),
    "code cut short": ("__pycache__/*.nbc", lambda data: data[: len(data) // 2]),
    "code garbled": ("__pycache__/*.nbc", lambda data: b"\x00" * len(data)),
}


SELDOM = ("text cut short", "text not UTF-8", "index of another make", "index emptied", "code emptied", "code garbled")


@pytest.mark.parametrize("damage", [pytest.param(d, marks=[pytest.mark.slow] * (d in SELDOM)) for d in DAMAGE])
def test_damaged_files_are_made_anew(warm, damage):
    home, before = warm
    pattern, spoil = DAMAGE[damage]
    spoilt = list((home.cache / "modules").glob(pattern))
    assert spoilt
    for path in spoilt:
        path.write_bytes(spoil(path.read_bytes()))
    after = home.run()
    assert after["exponent"] == before["exponent"]
    repaired = home.run()
    assert repaired["exponent"] == before["exponent"]
    assert (repaired["hits"], repaired["misses"]) == (1, 0)


def test_foreign_files_are_left_alone(warm):
    home, _ = warm
    folder = home.cache / "modules"
    (folder / "fl_0123.py").write_text("raise SystemExit('foreign code ran')")
    (folder / "notes.txt").write_text("keep me")
    home.run()
    assert (folder / "notes.txt").read_text() == "keep me"
    assert (folder / "fl_0123.py").exists()


@pytest.mark.parametrize("place", ["FASTLYAP_CACHE_DIR", "XDG_CACHE_HOME", "HOME"])
def test_where_the_cache_lies(warm, tmp_path, place):
    home, _ = warm
    chosen = tmp_path / "elsewhere"
    environment = {"FASTLYAP_CACHE_DIR": None, "XDG_CACHE_HOME": None, place: str(chosen)}
    below = {"FASTLYAP_CACHE_DIR": "modules", "XDG_CACHE_HOME": "fastlyap/modules", "HOME": ".cache/fastlyap/modules"}
    shutil.copytree(home.cache / "modules", chosen / below[place])
    found = home.run(**environment)
    assert Path(found["folder"]) == chosen / below[place]
    assert found["hits"] == 1


@pytest.mark.parametrize("place", ["a file", pytest.param("nowhere", marks=pytest.mark.slow)])
def test_a_folder_that_cannot_be_made(home, once, tmp_path, place):
    """A file in its place, or a home that cannot be written to: a folder of this process alone."""
    (tmp_path / "a file").write_text("no folder")
    chosen = tmp_path / "a file" if place == "a file" else Path("/proc/nowhere")
    found = home.run(FASTLYAP_CACHE_DIR=str(chosen))
    assert found["exponent"] == once[1]["exponent"]
    assert all(not file.startswith(str(chosen)) for file in found["files"])
    assert all(not Path(file).parent.exists() for file in found["files"])  # and it is gone afterwards


@pytest.mark.slow
def test_numba_cache_dir_of_the_user(home, tmp_path):
    """$NUMBA_CACHE_DIR moves the machine code; nothing else changes."""
    other = str(tmp_path / "numba")
    first, second = home.run(NUMBA_CACHE_DIR=other), home.run(NUMBA_CACHE_DIR=other)
    assert second["hits"] == 1 and second["exponent"] == first["exponent"]
    assert second["cached"]


def test_two_threads_that_load_one_module_both_get_all_of_it():
    text = "import time\ntime.sleep(0.2)\nwhole = True\n"
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: cache.load(text).whole, range(2)))
    assert found == [True, True]
