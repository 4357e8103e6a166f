"""Find backends through entry points, and name the extra that installs a missing library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec

from embcheck.conformance.contract.backend import ENTRY_POINT_GROUP, Backend, Unavailable
from embcheck.conformance.contract.cache import cache_folder
from embcheck.conformance.near import did_you_mean

OWN_BACKENDS = "embcheck.backends"
"""The package of embcheck's own backends."""

_BROUGHT = re.compile(r"""(?P<package>[\w.-]+).*?extra == ['"](?P<extra>[\w-]+)['"]""")
"""A requirement of an extra, as an installed distribution lists it."""


class UnknownBackend(Exception):
    """No distribution announces a backend of that name."""

    def __init__(self, name: str) -> None:
        hint = did_you_mean(name, known_backends(), "").strip()
        advice = f"{hint} `embcheck backends` lists all".strip()
        super().__init__(f"there is no backend '{name}'; {advice}")
        self.name = name


def known_backends() -> dict[str, EntryPoint]:
    """Return the announced backends by name, importing none of them."""
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}


def own_backends() -> list[str]:
    """Return the names of embcheck's own backends, also of those that cannot run here."""
    points = known_backends().items()
    return sorted(name for name, point in points if point.module.startswith(f"{OWN_BACKENDS}."))


def check_known(names: list[str]) -> None:
    """Raise UnknownBackend for the first name that no distribution announces."""
    known = known_backends()
    for name in names:
        if name not in known:
            raise UnknownBackend(name)


def declared_environment(name: str) -> Mapping[str, str]:
    """Return the environment variables to set before a backend's library is imported.

    They are declared in `environment.py` beside the adapter's module; that module is not imported.
    Only workers call this: the harness never imports an adapter, and another interpreter's adapter
    may not even be installed here. Raises UnknownBackend or Unavailable.
    """
    check_known([name])
    package = known_backends()[name].module.rpartition(".")[0]
    beside = f"{package}.environment"
    try:
        if not package or find_spec(beside) is None:
            return {}
        variables: Mapping[str, str] = import_module(beside).environment(cache_folder(""))
    except ModuleNotFoundError as error:
        raise Unavailable(_advice(error, name)) from error
    return variables


def create(name: str) -> Backend:
    """Import a backend's module and make the backend.

    Raises UnknownBackend. Raises Unavailable with the reason, and with the name of embcheck's extra
    that installs the missing library, if there is one.
    """
    check_known([name])
    try:
        backend: Backend = known_backends()[name].load()()
    except ModuleNotFoundError as error:
        raise Unavailable(_advice(error, name)) from error
    return backend


def _advice(error: ModuleNotFoundError, backend: str) -> str:
    module = (error.name or "").split(".")[0]
    if module == "embcheck":  # A file of embcheck: no extra installs it.
        return str(error)
    extra = extra_that_brings(module, backend)
    reason = f"{module or error} is not installed"
    return f"{reason}: pip install 'embcheck[{extra}]'" if extra else reason


def extra_that_brings(module: str, backend: str = "") -> str | None:
    """Return the extra of embcheck that installs a module, None if none does.

    An extra matches if it has a requirement with the module's name, if it has that name itself, or
    if it has a requirement whose name begins with the module's: `fbgemm-gpu-cpu`. Of several, the
    one that the backend's name begins with is preferred: FBGEMM's installs torch too.
    """
    try:
        requirements = distribution("embcheck").requires or []
    except PackageNotFoundError:
        return None
    extras = [
        (_as_package(match["package"]), match["extra"])
        for requirement in requirements
        # `all` installs more than is missing.
        if (match := _BROUGHT.match(requirement)) and match["extra"] != "all"
    ]
    name = _as_package(module)
    bringing = [
        *(extra for package, extra in extras if package == name),
        *(extra for _, extra in extras if extra == module),
        *(extra for package, extra in extras if package.startswith(f"{name}-")),
    ]
    own = [extra for extra in bringing if backend.startswith(extra)]
    return max(own, key=len) if own else next(iter(bringing), None)


def _as_package(name: str) -> str:
    return name.replace("_", "-").lower()
