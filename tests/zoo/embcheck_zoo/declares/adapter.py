"""A backend whose library reads its variables once, while it is imported."""

from __future__ import annotations

import os
from dataclasses import replace

from embcheck_zoo.endings import Segfaults

READ_AT_IMPORT = {name: value for name, value in os.environ.items() if name.startswith("ZOO_")}


class DeclaresEnvironment(Segfaults):
    """Tells what was there when its module was imported, and may be forked."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, settings=READ_AT_IMPORT, survives_fork=True)
