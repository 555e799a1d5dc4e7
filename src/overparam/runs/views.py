"""Figures that a config asks for: its section `report`, {x, y, color, facet} or a list of these."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from overparam.errors import ConfigError, did_you_mean


@dataclass(frozen=True)
class View:
    """A figure of a sweep: what is along which axis, and what tells colours and panels apart."""

    x: str | None = None
    y: str | None = None
    color: str | None = None
    facet: str | None = None


def views_of(section: Any) -> list[View]:
    """Return the figures that a section `report` asks for.

    Raises:
        ConfigError: if it is not of this form.
    """
    known = [field.name for field in fields(View)]
    nodes = [section] if isinstance(section, Mapping) else section or []
    if not isinstance(nodes, list) or not all(isinstance(node, Mapping) for node in nodes):
        raise ConfigError(f"report must be {{{', '.join(known)}}} or a list of these, got {section!r}")
    for node in nodes:
        for key, value in node.items():
            if key not in known:
                raise ConfigError(
                    f"report.{key}: there is no such key{did_you_mean(str(key), known)}; there are {', '.join(known)}"
                )
            if not (value is None or isinstance(value, str)):
                raise ConfigError(f"report.{key} must be the name of a column, got {value!r}")
    return [View(**node) for node in nodes]


def check_views(config: Mapping[str, Any]) -> None:
    """Check the section `report` of a composed config, so that a sweep does not end with a figure that cannot be drawn.

    What measures will add nobody knows before, so only dotted names are looked up.

    Raises:
        ConfigError: if it is not of the form of `views_of`, or names a key that the config does not have.
    """
    keys = set(_keys(config))
    for view in views_of(config.get("report")):
        for field in fields(View):
            name = getattr(view, field.name)
            if name and "." in name and not name.startswith("choices.") and name not in keys:
                raise ConfigError(
                    f"report.{field.name}={name}: the config has no such key{did_you_mean(name, keys)}"
                )


def _keys(node: Mapping[str, Any], prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, child in node.items():
        found += _keys(child, f"{prefix}{name}.") if isinstance(child, Mapping) else [f"{prefix}{name}"]
    return found
