"""A backend whose library kills the process when it is imported."""

import os
import sys

print("about to die", file=sys.stderr, flush=True)
os.abort()
