"""A call as lines of TorchRec's own API."""

from __future__ import annotations

from embcheck.backends.on_torch import script as torch_script
from embcheck.conformance.contract.call import Call, Observation

_IMPORTS = """\
import torch
import torchrec
from torchrec.modules.embedding_configs import dtype_to_data_type
"""
_MODULE = """\
table = torchrec.{config}(
    {shape}, name="table", feature_names=["feature"],
    data_type=dtype_to_data_type({dtype}),{pooling}
)
module = torchrec.{collection}([table]{more}{place})
((name, parameter),) = module.named_parameters()"""


def write(call: Call, device: str = "cpu") -> str:
    """Write a call."""
    torch_script.require_written(call)
    lines = torch_script.plain_tensors(call, torch_script.moved_to(device))
    if call.wants(Observation.GRAD_PER_SAMPLE_WEIGHTS):
        lines.append("per_sample_weights.requires_grad_()")
    lines.append(_module(call, device))
    if "weight" in call.inputs:
        lines.append("module.load_state_dict({name: weight})")
    if call.is_frozen:
        lines.append("parameter.requires_grad_(False)")
    lines += _lookup(call)
    lines += torch_script.derived(call, "parameter")
    return "\n".join([_IMPORTS, *lines, *torch_script.home(call)])


def _module(call: Call, device: str) -> str:
    options, is_bag = call.options, call.operation.is_bag
    is_given = "weight" in call.inputs
    sizes = f"{options.get('num_embeddings')}, {options.get('embedding_dim')}"
    pooling = f"\n    pooling=torchrec.PoolingType.{call.option('mode').upper()},"
    weighted = ", is_weighted=True" if "per_sample_weights" in call.inputs else ""
    return _MODULE.format(
        config="EmbeddingBagConfig" if is_bag else "EmbeddingConfig",
        collection="EmbeddingBagCollection" if is_bag else "EmbeddingCollection",
        shape="*weight.shape" if is_given else sizes,
        dtype="weight.dtype" if is_given else f"torch.{call.option('dtype')}",
        pooling=pooling if is_bag else "",
        more=weighted if is_bag else "",
        place="" if device == "cpu" else f", device=torch.device({device!r})",
    )


def _lookup(call: Call) -> list[str]:
    values, weights, offsets = "indices", "per_sample_weights", "offsets"
    lines = []
    if not call.operation.is_bag:
        values, offsets = "indices.flatten()", "torch.tensor([0, indices.numel()])"
    elif "offsets" not in call.inputs and call.inputs["indices"].ndim == 2:
        lines = ["offsets = indices.shape[1] * torch.arange(indices.shape[0] + 1)"]
        values, weights = "indices.flatten()", "per_sample_weights.flatten()"
    # This is invalid input, which TorchRec itself refuses.
    elif "offsets" not in call.inputs:
        offsets = "None"
    elif not call.option("include_last_offset"):
        offsets = "torch.cat([offsets, offsets.new_tensor([indices.numel()])])"
    factors = f", weights={weights}" if "per_sample_weights" in call.inputs else ""
    given = f'["feature"], {values}{factors}, offsets={offsets}'
    lines.append(f"features = torchrec.KeyedJaggedTensor({given})")
    output = 'module(features)["feature"]'
    if not call.operation.is_bag:
        output = f"{output}.values().view(*indices.shape, parameter.shape[1])"
    return [*lines, f"output = {output}"]
