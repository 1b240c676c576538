"""From an accepted request to written records: the log, the mapping stage, one delivery per exporter.

::

    intake ──> log ──> feed (mapper) ──┬──> delivery ──> exporter
               │                       └──> delivery ──> exporter
               └── one cursor per exporter; an entry goes when every cursor has passed it

`Pipeline` ties them together. `create_log` makes the log that the settings ask for.
"""

from __future__ import annotations

from spanledger.pipeline.base import Log, Mapper
from spanledger.pipeline.log import DurableLog
from spanledger.pipeline.memory_log import MemoryLog
from spanledger.pipeline.pipeline import Pipeline, create_log
from spanledger.pipeline.settings import (
    DeliverySettings,
    Durability,
    FileStorageSettings,
    MemoryLogSettings,
    PipelineSettings,
    WhenFull,
)
from spanledger.pipeline.status import ExporterStatus, LogStatus, PipelineStatus

__all__ = [
    "DeliverySettings",
    "Durability",
    "DurableLog",
    "ExporterStatus",
    "FileStorageSettings",
    "Log",
    "LogStatus",
    "Mapper",
    "MemoryLog",
    "MemoryLogSettings",
    "Pipeline",
    "PipelineSettings",
    "PipelineStatus",
    "WhenFull",
    "create_log",
]
