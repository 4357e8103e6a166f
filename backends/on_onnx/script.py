"""A call as lines of PyTorch's exporters and of the runtimes of their graphs."""

from __future__ import annotations

from collections.abc import Sequence

from embcheck.backends.on_onnx.graphs import Export
from embcheck.backends.on_torch import inference_script
from embcheck.backends.on_torch.inference import Exported
from embcheck.conformance.contract.call import Call

_DYNAMO = """\
sizes = ({sizes})
program = torch.onnx.export(lookup, examples, dynamo=True, dynamic_shapes=sizes)
model = program.model_proto.SerializeToString()"""

_TORCHSCRIPT = """\
sizes = {{{sizes}}}
file = io.BytesIO()
names = {names}
torch.onnx.export(lookup, examples, file, dynamo=False, input_names=names, dynamic_axes=sizes)
model = file.getvalue()"""

SESSION = """\
session = onnxruntime.InferenceSession(model, providers=[{provider!r}])
names = [node.name for node in session.get_inputs()]
outputs = session.run(None, dict(zip(names, arrays, strict=True)))"""

EVALUATOR = """\
evaluator = ReferenceEvaluator(model)
outputs = evaluator.run(None, dict(zip(evaluator.input_names, arrays, strict=True)))"""


def spelling(export: Export) -> str:
    """Return how a lookup is exported; `{}` stands for what PyTorch documents."""
    return f"torch.onnx.export of {{}}, dynamo={_is_dynamo(export)}"


def write(call: Call, export: Export, imports: Sequence[str], run: str) -> str:
    """Write a call; `run` is lines that run the graph `model` on `arrays`."""
    lookup = inference_script.lookup_of(call)
    sizes = [_sizes(lookup, name, export) for name in lookup.names]
    exported, needed = _DYNAMO, "from torch.export import Dim"
    if not _is_dynamo(export):
        sizes = [f"{name!r}: {size}" for name, size in zip(lookup.names, sizes, strict=True)]
        exported, needed = _TORCHSCRIPT, "import io"
    model = exported.format(sizes=f"{', '.join(sizes)},", names=lookup.names)
    return inference_script.write(call, lookup, [needed, *imports], f"{model}\n{run}")


def _is_dynamo(export: Export) -> bool:
    return export.__name__ == "dynamo"


def _sizes(lookup: Exported, name: str, export: Export) -> str:
    rank = lookup.examples[lookup.names.index(name)].ndim
    if _is_dynamo(export):
        mark = "Dim.STATIC" if name in lookup.fixed else "Dim.DYNAMIC"
        return f"{{{', '.join(f'{axis}: {mark}' for axis in range(rank))}}}"
    return repr({axis: f"{name}_{axis}" for axis in range(rank) if name not in lookup.fixed})
