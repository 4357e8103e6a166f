"""What changes for a user of one backend who moves to another, grouped by why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embcheck.reports.compat import Compat, Supported


@dataclass(frozen=True)
class LostFeatures:
    """Features that are lost for one reason, with what the new backend makes of each.

    `reason`, `link` and `instead` are empty where no known deviation explains it.
    """

    features: Mapping[str, Supported]
    how: str | None
    reason: str = ""
    link: str = ""
    instead: str = ""

    @property
    def example(self) -> str:
        """A case that shows it; empty where nothing fails."""
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

    With `dtypes`, for tables of these: what is worse for one of them is lost.
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
            # What failed silently and is not offered any longer is not worse, but no gain either.
            is_gain = now.support != "absent" and _worse(now, was)
            (gained if is_gain else same).append(name)
    lost = [_change(how, features) for (how, _), features in groups.items()]
    lost.sort(key=lambda change: (_severity(change), -len(change.features)))
    return Migration(tuple(lost), tuple(gained), tuple(unknown), tuple(same))


def _change(how: str | None, features: Mapping[str, Supported]) -> LostFeatures:
    first = next(iter(features.values()))
    return LostFeatures(features, how, first.reason, first.link, first.instead)


def _severity(change: LostFeatures) -> tuple[int, bool]:
    """Sort by how it fails, and what is not offered at all before what is not in part."""
    found = next(iter(change.features.values()))
    return found.severity, found.support == "partly"


def _worse(was: Supported, now: Supported) -> bool:
    """Whether a user is left with less, or with what fails in a worse way."""
    if now.support == "absent":
        return was.support in ("yes", "partly")
    if was.support == "absent":
        return now.how in ("silently", "dying")
    return _badness(now) > _badness(was)


def _badness(found: Supported) -> tuple[int, bool, bool]:
    """Sort by the way it fails, then by whether all of it fails, or a part is not offered."""
    return -found.severity, found.support == "no", found.support != "yes"
