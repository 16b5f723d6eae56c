"""The examples on the pages run, and print what stands there."""

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["definitions.md"])
def test_sessions(page, tmp_path, monkeypatch):
    """All `pycon` blocks of a page, in one session; fences become blank lines so that line numbers stay."""
    text = re.sub(r"^```.*$", "", (DOCS / page).read_text(), flags=re.MULTILINE)
    found = doctest.DocTestParser().get_doctest(text, {}, page, str(DOCS / page), 0)
    assert found.examples
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    failed = doctest.DocTestRunner().run(found, out=told.append).failed
    assert not failed, "".join(told)


@pytest.mark.compiled
@pytest.mark.parametrize(
    "page,section,needs",
    [
        ("gradients.md", None, ()),
        ("trained.md", None, ("torch", "safetensors")),
        ("bridges.md", "PyTorch", ("torch",)),
        ("bridges.md", "JAX", ("jax",)),
    ],
)
def test_scripts(page, section, needs, tmp_path, monkeypatch):
    """All `python` blocks of a page or of one of its sections, one after another."""
    for package in needs:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page}
    text = (DOCS / page).read_text()
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), namespace)
