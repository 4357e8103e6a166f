"""What changes for a user who moves from one backend to another, grouped by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embcheck.reports.compat import Compat, Supported


@dataclass(frozen=True)
class LostFeatures:
    """Features that are lost for one reason, with the new backend's answer for each.

    `reason`, `link` and `instead` are empty if no known deviation explains the loss.
    """

    features: Mapping[str, Supported]
    how: str | None
    reason: str = ""
    link: str = ""
    instead: str = ""

    @property
    def example(self) -> str:
        """A case that shows it; empty if nothing fails."""
        return next((found.example for found in self.features.values() if found.example), "")


@dataclass(frozen=True)
class Migration:
    """What is lost, the worst first; what is gained; what is not known of the new backend."""

    lost: tuple[LostFeatures, ...]
    gained: tuple[str, ...]
    unknown: tuple[str, ...]
    same: tuple[str, ...]


def migration(data: Compat, old: str, new: str, dtypes: Sequence[str] = ()) -> Migration:
    """Compare two backends, feature by feature; raises CompatError for an unknown one.

    With `dtypes`, only tables of these count: a feature that is worse for one of them is lost.
    """
    before, after = data.column(old).features, data.column(new).features
    groups: dict[tuple[str | None, str], dict[str, Supported]] = {}
    gained: list[str] = []
    unknown: list[str] = []
    same: list[str] = []
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            continue
        pairs = [(was.for_tables(dtype), now.for_tables(dtype)) for dtype in dtypes]
        if "unknown" in (was.support, now.support):
            unknown.append(name)
        elif any(_worse(*pair) for pair in pairs or [(was, now)]):
            # One reason often explains many features: a user reads it once.
            groups.setdefault((now.how, now.reason), {})[name] = now
        else:
            # A feature that failed silently and is no longer offered is not worse, but no gain.
            is_gain = now.support != "absent" and _worse(now, was)
            (gained if is_gain else same).append(name)
    lost = [_change(how, features) for (how, _), features in groups.items()]
    lost.sort(key=lambda change: (_severity(change), -len(change.features)))
    return Migration(tuple(lost), tuple(gained), tuple(unknown), tuple(same))


def _change(how: str | None, features: Mapping[str, Supported]) -> LostFeatures:
    first = next(iter(features.values()))
    return LostFeatures(features, how, first.reason, first.link, first.instead)


def _severity(change: LostFeatures) -> tuple[int, bool]:
    """Return a sort key: by how features fail; those not offered at all before those in part."""
    found = next(iter(change.features.values()))
    return found.severity, found.support == "partly"


def _worse(was: Supported, now: Supported) -> bool:
    """Whether a user has less than before, or a failure that is worse."""
    if now.support == "absent":
        return was.support in ("yes", "partly")
    if was.support == "absent":
        return now.how in ("silently", "dying")
    return _badness(now) > _badness(was)


def _badness(found: Supported) -> tuple[int, bool, bool]:
    """Return a sort key: by how it fails, then whether all of it fails or a part is missing."""
    return -found.severity, found.support == "no", found.support != "yes"
