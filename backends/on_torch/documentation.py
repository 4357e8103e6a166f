"""Print the docstrings and signatures of PyTorch's documented objects, as JSON on one line.

Run as a script by any interpreter that has torch; it imports nothing of embcheck's.
"""

import inspect
import json
import sys
from typing import Any

import torch

OBJECTS = (
    "torch.nn.Embedding",
    "torch.nn.Embedding.forward",
    "torch.nn.Embedding.from_pretrained",
    "torch.nn.EmbeddingBag",
    "torch.nn.EmbeddingBag.forward",
    "torch.nn.EmbeddingBag.from_pretrained",
    "torch.nn.functional.embedding",
    "torch.nn.functional.embedding_bag",
    "torch.nn.functional.one_hot",
)


def documentation() -> dict[str, Any]:
    """Return what the installed torch documents, leaving out objects without a docstring.

    A signature lists the public parameters, each with the text of its default (None for none); it
    is empty where Python cannot tell, as for one_hot.
    """
    found = {name: _find(name) for name in OBJECTS}
    return {
        "format": 1,
        "torch": torch.__version__.partition("+")[0],
        "objects": [
            {"object": name, "docstring": thing.__doc__, "signature": _signature(thing)}
            for name, thing in found.items()
            if thing is not None and thing.__doc__
        ],
    }


def _find(name: str) -> Any:
    found: Any = torch
    for part in name.split(".")[1:]:
        # An older torch may lack one.
        found = getattr(found, part, None)
    return found


def _signature(thing: Any) -> list[dict[str, Any]]:
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return []
    return [
        {
            "name": parameter.name,
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
        }
        for parameter in parameters
        if parameter.name != "self" and not parameter.name.startswith("_")
    ]


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(documentation())}\n")
