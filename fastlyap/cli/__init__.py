"""The command line: `fastlyap` or `python -m fastlyap`."""

import os
import sys
from collections.abc import Sequence

from fastlyap.cli import commands, stores
from fastlyap.cli.arguments import parser
from fastlyap.errors import InputError, Interrupted

COMMANDS = {
    "run": commands.run,
    "sweep": commands.sweep,
    "resume": stores.resume,
    "info": commands.info,
    "list": commands.catalogue,
    "doctor": commands.doctor,
    "bench": commands.bench,
    "selftest": commands.selftest,
}
DONE = 0
WRONG_ARGUMENTS = 2
STORAGE_ERROR = 74
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        Exit code: 0 done, 2 wrong arguments, 3 finished with failed members, 74 storage error,
        130 interrupted.
    """
    try:
        given = parser().parse_args(arguments)
        return COMMANDS[given.command](given)
    except SystemExit as stop:  # argparse leaves this way, after its own message
        return int(stop.code or DONE)
    except (InputError, ImportError) as problem:
        return _complain(problem, WRONG_ARGUMENTS)
    except BrokenPipeError:  # who read our lines has heard enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as problem:
        return _complain(problem, STORAGE_ERROR)
    except Interrupted as stop:
        return _complain(stop, INTERRUPTED)
    except KeyboardInterrupt as stop:
        notes = getattr(stop, "__notes__", ["before the first result; nothing was written"])
        return _complain(f"interrupted: {notes[0]}", INTERRUPTED)


def _complain(problem: object, code: int) -> int:
    print(f"fastlyap: {problem}", *getattr(problem, "__notes__", ()), sep="\n", file=sys.stderr)
    return code
