"""Backends that cannot run here, where a command needs them."""

from __future__ import annotations

from collections.abc import Mapping

from embcheck.conformance.execution.client import BackendUnavailable, WorkerClient


class NoneAvailable(Exception):
    """None of the backends that a command needs can run here; `reasons` say why, by name."""

    def __init__(self, reasons: Mapping[str, object]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
        self.reasons = reasons


def absent(clients: Mapping[str, WorkerClient]) -> dict[str, BackendUnavailable]:
    """Start workers, and return the backends that cannot run here; raises BackendBroken."""
    gone = {}
    for name, client in clients.items():
        try:
            _ = client.info
        except BackendUnavailable as reason:
            gone[name] = reason
    return gone
