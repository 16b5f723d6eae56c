"""`python -m fastlyap`."""

import sys

from fastlyap.cli import main

if __name__ == "__main__":
    sys.exit(main())
