"""The scripts of this folder can be imported, here and by the workers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
