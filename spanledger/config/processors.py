"""Settings of the processors. Both tune the one road that every pipeline shares; docs/configuration.md says how."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spanledger.settings import Duration, Settings


class BatchSettings(Settings):
    """Processor `batch`: how records are cut into writes."""

    send_batch_size: int = Field(default=8192, ge=0)
    """A write waits until this many records are there, or `timeout` has passed."""
    timeout: Duration = Field(default=0.2, ge=0)
    """The longest wait for a batch to fill; 0 writes at once."""
    send_batch_max_size: int = Field(default=0, ge=0)
    """No write holds more records; 0 = no bound but the exporter's own."""
    metadata_keys: list[str] = Field(default_factory=list)
    """Accepted only empty: tenants are kept apart by project, in one batch."""
    metadata_cardinality_limit: int = Field(default=1000, ge=0)
    """Accepted; without effect, as `metadata_keys` is."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.send_batch_max_size and self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be greater or equal to send_batch_size")
        if self.metadata_keys:
            raise ValueError("metadata_keys is not supported: every record carries its project already")
        return self


class MemoryLimiterSettings(Settings):
    """Processor `memory_limiter`: how much memory requests may take before senders are told to wait."""

    check_interval: Duration = Field(default=1.0, ge=0)
    """Accepted; memory is counted at every request."""
    limit_mib: int = Field(default=0, ge=0)
    """MiB of request bodies in flight. 0: `limit_percentage` decides."""
    spike_limit_mib: int = Field(default=0, ge=0)
    """Accepted: senders are told to wait above `limit_mib` less this."""
    limit_percentage: int = Field(default=0, ge=0, le=100)
    """The limit in per cent of the memory of the machine or its cgroup."""
    spike_limit_percentage: int = Field(default=0, ge=0, le=100)
    min_gc_interval_when_soft_limited: Duration = 10.0
    """Accepted; without effect here."""
    min_gc_interval_when_hard_limited: Duration = 0.0
    """Accepted; without effect here."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("'limit_mib' or 'limit_percentage' must be greater than zero")
        if self.limit_mib and self.spike_limit_mib >= self.limit_mib:
            raise ValueError("'limit_mib' must be greater than 'spike_limit_mib'")
        return self
