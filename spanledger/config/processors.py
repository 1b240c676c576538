"""Settings of the processors. Both tune the one road that every pipeline shares; docs/configuration.md says how."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from spanledger.pipeline.settings import BatchSettings
from spanledger.settings import Duration, Settings


class BatchProcessorSettings(Settings):
    """Processor `batch`: how records are cut into writes."""

    send_batch_size: int = Field(default=2000, ge=1)
    """A write waits until this many records are there, or `timeout` has passed."""
    timeout: Duration = Field(default=0.2, ge=0)
    """The longest wait for a batch to fill; 0 writes at once. Left out, it is 1 s for the embedded engine, where a
    small insert costs as much as a large one."""
    send_batch_max_size: int = Field(default=0, ge=0)
    """No write holds more records; 0: `send_batch_size` is the bound as well."""
    metadata_keys: list[str] = Field(default_factory=list)
    """Accepted; what an exporter's `headers_setter` takes from requests is kept with each of them, and never mixed."""
    metadata_cardinality_limit: int = Field(default=1000, ge=0)
    """Accepted; as `metadata_keys`."""

    @model_validator(mode="after")
    def _sizes(self) -> Self:
        if self.send_batch_max_size and self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be greater or equal to send_batch_size")
        return self

    def batch(self) -> BatchSettings:
        """What the pipeline is given."""
        return BatchSettings(max_items=self.send_batch_size, flush_timeout=self.timeout)


class MemoryLimiterSettings(Settings):
    """Processor `memory_limiter`: how much memory what waits inside may take. Beyond it the durable log is the place to
    wait; where the log is in memory, senders are told when to come back. So they are while the process takes more than
    four fifths of the limit; should it stay there, it receives one request at a time."""

    check_interval: Duration = Field(default=1.0, ge=0)
    """Accepted; what waits is counted when it arrives, and the memory of the process looked at then."""
    limit_mib: int = Field(default=0, ge=0)
    """MiB for everything that waits: an eighth for bodies before the mapping, half for records before the exporters
    or for the log in memory. 0: `limit_percentage` decides. Never raises a bound of the pipeline."""
    spike_limit_mib: int = Field(default=0, ge=0)
    """Taken off `limit_mib`."""
    limit_percentage: int = Field(default=0, ge=0, le=100)
    """The limit in per cent of the memory of the machine or its cgroup."""
    spike_limit_percentage: int = Field(default=0, ge=0, le=100)
    """Taken off `limit_percentage`."""
    min_gc_interval_when_soft_limited: Duration = 10.0
    """Accepted; no collection is forced."""
    min_gc_interval_when_hard_limited: Duration = 0.0
    """Accepted; no collection is forced."""

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("'limit_mib' or 'limit_percentage' must be greater than zero")
        if self.limit_mib and self.spike_limit_mib >= self.limit_mib:
            raise ValueError("'limit_mib' must be greater than 'spike_limit_mib'")
        if not self.limit_mib and self.spike_limit_percentage >= self.limit_percentage:
            raise ValueError("'limit_percentage' must be greater than 'spike_limit_percentage'")
        return self
