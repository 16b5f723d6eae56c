"""Run what the README shows: `python` blocks in one namespace, `sh` blocks line by line, without the installs."""

import os
import re
import subprocess
import sys
from pathlib import Path

INSTALLS = re.compile(r"python3 -m venv|\. \.venv|pip install|git clone|cd |#|pytest|\.ci/")  # done by other stages


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks as (language, body)."""
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def main(readme: str, folder: str) -> None:
    """Run the blocks of `readme` in a new folder, stopping at the first that fails."""
    found = blocks(Path(readme).read_text())
    os.makedirs(folder)
    os.chdir(folder)
    namespace: dict[str, object] = {"__name__": "readme"}
    for language, body in found:
        if language == "python":
            exec(compile(body, "README.md", "exec"), namespace)
        elif language == "sh":
            for line in body.splitlines():
                steps = [step.strip() for step in line.split("&&")]
                line = " && ".join(step for step in steps if step and not INSTALLS.match(step))
                if line:
                    print("$", line, flush=True)
                    code = subprocess.run(line, shell=True).returncode
                    if code not in (0, 3):  # 3: finished, with failed members
                        sys.exit(f"exit code {code}")


if __name__ == "__main__":
    main(*sys.argv[1:])
