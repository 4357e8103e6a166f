"""Probes of modules: what they hold, print, save and copy.

Where a probe is given a weight, the module starts with a copy of it, trainable.
"""

from __future__ import annotations

import copy
import pickle
from operator import attrgetter
from typing import Any

import torch
from torch.nn.functional import embedding

from embcheck.backends.on_torch.torch_only.probes import Answers, ProbeQuestion


def printed(question: ProbeQuestion) -> Answers:
    """Make the module of class `object` and return its printed form."""
    return {"answer_text": repr(_make(question))}


def options_by_position(question: ProbeQuestion) -> Answers:
    """Make a module from `positional` arguments alone; return its options in `show` as text."""
    module = _class(question)(*question.options["arguments"]["positional"])
    named = [f"{name}={getattr(module, name)}" for name in question.options["arguments"]["show"]]
    return {"answer_text": ", ".join(named)}


def padding_idx(question: ProbeQuestion) -> Answers:
    """Return the module's attribute `padding_idx`."""
    return {"answer_text": repr(_make(question).padding_idx)}


def given_weight(question: ProbeQuestion) -> Answers:
    """Hand a weight to the constructor; return the module's weight."""
    return {"answer": _make(question).weight}


def call_and_function(question: ProbeQuestion) -> Answers:
    """Look up by a module, with a keyword, and by the function; return outputs and gradients."""
    indices, weight = question.tensors["indices"], question.tensors["weight"]
    modules, own = [_make(question), _make(question)], weight.clone().requires_grad_()
    sizes = ("num_embeddings", "embedding_dim")
    options = {name: value for name, value in question.options.items() if name not in sizes}
    outputs = {
        "module": (modules[0](indices), modules[0].weight),
        "keyword": (modules[1](input=indices), modules[1].weight),
        "function": (embedding(indices, own, **options), own),
    }
    answers = {}
    for name, (output, source) in outputs.items():
        answers[f"answer_{name}"] = output
        answers[f"answer_gradient_by_{name}"] = torch.autograd.grad(output.sum(), source)[0]
    return answers


def padding_changed(question: ProbeQuestion) -> Answers:
    """Set the attribute `padding_idx` to `later`; return the gradient of a lookup after that."""
    module = _make(question)
    module.padding_idx = question.options["arguments"]["later"]
    output = module(question.tensors["indices"])
    return {"answer": torch.autograd.grad(output.sum(), module.weight)[0]}


def state_keys(question: ProbeQuestion) -> Answers:
    """Return the names in the module's state dict, one a line."""
    return {"answer_text": "\n".join(_make(question).state_dict())}


def loaded(question: ProbeQuestion) -> Answers:
    """Load the given weight as a state into a fresh module; return its weight and padding row."""
    options = {name: value for name, value in question.options.items() if name != "arguments"}
    module = torch.nn.Embedding(**options)
    module.load_state_dict({"weight": question.tensors["weight"]})
    return {"answer": module.weight, "answer_padding_text": repr(module.padding_idx)}


def saved_and_loaded(question: ProbeQuestion) -> Answers:
    """Load the state of a module with options into one without; return what that one holds."""
    source = _make(question)
    module = torch.nn.Embedding(source.num_embeddings, source.embedding_dim)
    module.load_state_dict(source.state_dict())
    return {"answer": module.weight, "answer_text": repr(module)}


def copied(question: ProbeQuestion) -> Answers:
    """Copy a module by `pickle` or `deepcopy`; return the copy's weight and printed form."""
    module = _make(question)
    if question.options["arguments"]["by"] == "pickle":
        twin = pickle.loads(pickle.dumps(module))  # noqa: S301  (written a moment ago)
    else:
        twin = copy.deepcopy(module)
    shares_memory = twin.weight.data_ptr() == module.weight.data_ptr()
    printed_form = repr(twin)
    return {
        "answer": twin.weight,
        "answer_text": printed_form,
        "answer_shares_memory": shares_memory,
    }


def functional_call(question: ProbeQuestion) -> Answers:
    """Call a fresh module with the given weight in place of its own; return the gradient too."""
    options = {name: value for name, value in question.options.items() if name != "arguments"}
    weight = question.tensors["weight"].clone().requires_grad_()
    module = torch.nn.Embedding(**options, device=question.device)
    output = torch.func.functional_call(module, {"weight": weight}, (question.tensors["indices"],))
    return {"answer": output, "answer_gradient": torch.autograd.grad(output.sum(), weight)[0]}


def converted(question: ProbeQuestion) -> Answers:
    """Convert a module to the dtype `to`; return its weight, a lookup and its sizes."""
    module = _make(question).to(getattr(torch, question.options["arguments"]["to"]))
    return {
        "answer": module.weight,
        "answer_output": module(question.tensors["indices"]),
        "answer_sizes": [module.num_embeddings, module.embedding_dim],
    }


def _class(question: ProbeQuestion) -> Any:
    return attrgetter(question.options.get("object", "Embedding"))(torch.nn)


def _make(question: ProbeQuestion) -> Any:
    """Make the module, with a copy of the given weight if there is one."""
    options = {k: v for k, v in question.options.items() if k not in ("object", "arguments")}
    if "dtype" in options:
        options["dtype"] = getattr(torch, options["dtype"])
    # A copy, since a module may change its weight, and the question's tensors are the caller's.
    if "weight" in question.tensors:
        options["_weight"] = question.tensors["weight"].clone()
    return _class(question)(**options)
