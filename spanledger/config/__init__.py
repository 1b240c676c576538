"""YAML in the Collector's shape → checked, typed settings.

`load_config` does it all; `InvalidConfiguration` is what it raises. Nothing here starts anything.
"""

from spanledger.config.components import Component, Kind
from spanledger.config.ids import ComponentId
from spanledger.config.load import default_text, load_config
from spanledger.config.model import Config, PipelineConfig, PipelineId
from spanledger.config.problem import InvalidConfiguration, Problem

__all__ = [
    "Component",
    "ComponentId",
    "Config",
    "InvalidConfiguration",
    "Kind",
    "PipelineConfig",
    "PipelineId",
    "Problem",
    "default_text",
    "load_config",
]
