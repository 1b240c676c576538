"""A configuration for people: merged, expanded, with every default, without secrets."""

from __future__ import annotations

from typing import Any

import yaml

from spanledger.config.mask import MASK, is_secret, mask_text
from spanledger.config.model import Config


def to_plain(config: Config) -> dict[str, Any]:
    """The whole configuration as plain values in the Collector's shape; secrets are masked."""
    sections = {
        str(kind): {str(id_): settings.model_dump(mode="json", by_alias=True) for id_, settings in components.items()}
        for kind, components in config.components.items()
        if components
    }
    service = {
        "extensions": [str(id_) for id_ in config.extensions],
        "pipelines": {
            str(id_): {
                "receivers": [str(receiver) for receiver in pipeline.receivers],
                "processors": [str(processor) for processor in pipeline.processors],
                "exporters": [str(exporter) for exporter in pipeline.exporters],
            }
            for id_, pipeline in config.pipelines.items()
        },
        "telemetry": config.telemetry.model_dump(mode="json"),
    }
    masked: dict[str, Any] = _masked({**sections, "service": service})
    # Not masked: it holds no secrets, and patterns may look like some.
    masked["service"]["mapping"] = config.mapping.model_dump(mode="json")
    return masked


def to_yaml(config: Config) -> str:
    """`to_plain` as YAML."""
    text: str = yaml.safe_dump(to_plain(config), sort_keys=False, allow_unicode=True, width=120)
    return text


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, key) for inner in value]
    if isinstance(value, str) and value:
        return MASK if is_secret(key) or set(value) == {"*"} else mask_text(value)
    return value
