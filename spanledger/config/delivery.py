"""Keys that every exporter has besides its own, under the Collector's names: `sending_queue` and `retry_on_failure`.

Queueing and retrying belong to the pipeline, so no exporter declares them. What a key means here stands at the key;
docs/configuration.md tells the same to users.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from spanledger.pipeline.settings import BatchSettings, DeliverySettings, RetrySettings
from spanledger.settings import Duration, Settings


class QueueBatchSettings(Settings):
    """`sending_queue::batch`: how records are cut into writes."""

    flush_timeout: Duration = Field(default=0.2, ge=0)
    """The longest wait for a batch to fill. Where no `batch` is given at all, 1 s for the embedded engine."""
    min_size: int = Field(default=2000, ge=1)
    """A write waits until this much is there or `flush_timeout` has passed. In units of `sizer`."""
    max_size: int = Field(default=0, ge=0)
    """No write is larger. 0: `min_size` is the bound as well."""
    sizer: Literal["items", "bytes"] = "items"
    """Unit of the two sizes: records, or bytes of the requests that they came in."""


class SendingQueueSettings(Settings):
    """`sending_queue`: the queue of every exporter is the durable log."""

    enabled: bool = True
    """Accepted; there is always a queue."""
    num_consumers: int = Field(default=10, ge=1)
    """Accepted; each exporter writes as many batches at once as its store takes well."""
    queue_size: int = Field(default=1000, ge=1)
    """Accepted; the log is bounded by bytes: `extensions::file_storage::max_bytes`."""
    sizer: Literal["requests", "items", "bytes"] = "requests"
    """Accepted, as `queue_size`."""
    block_on_overflow: bool = False
    """Accepted; `extensions::file_storage::when_full` decides."""
    wait_for_result: bool = False
    """Accepted; a sender is answered when its data is safe in the log."""
    storage: str | None = None
    """Id of the `file_storage` extension. There is one log, so it only has to be right."""
    batch: QueueBatchSettings | None = None
    """How records are cut into writes to this exporter; wins over the `batch` processor."""


class RetryOnFailureSettings(Settings):
    """`retry_on_failure`: how a failed write is repeated. Attempts never end: nothing acknowledged is dropped."""

    enabled: bool = True
    """Accepted; failed writes are always repeated."""
    initial_interval: Duration = Field(default=0.5, gt=0)
    """Upper bound of the first wait."""
    max_interval: Duration = Field(default=30.0, gt=0)
    """Upper bound of every wait."""
    max_elapsed_time: Duration = Field(default=0.0, ge=0)
    """Accepted; no time ends the attempts."""
    multiplier: float = Field(default=2.0, ge=1)
    """Growth of the bound from wait to wait."""
    randomization_factor: float = Field(default=0.5, ge=0, le=1)
    """Accepted; each wait is a random part of its bound."""


class DeliverySection(Settings):
    """The keys of an exporter that the pipeline reads."""

    sending_queue: SendingQueueSettings = SendingQueueSettings()
    """The queue in front of the exporter."""
    retry_on_failure: RetryOnFailureSettings = RetryOnFailureSettings()
    """How failed writes are repeated."""

    def without_effect(self) -> Iterator[str]:
        """What was asked for and will not happen, one sentence each."""
        queue, retry = self.sending_queue, self.retry_on_failure
        if not queue.enabled:
            yield "sending_queue::enabled: false has no effect; there is always a queue"
        if not retry.enabled:
            yield "retry_on_failure::enabled: false has no effect; failed writes are always repeated"
        if retry.max_elapsed_time:
            yield "retry_on_failure::max_elapsed_time has no effect; nothing acknowledged is dropped after a time"
        for key in sorted(queue.model_fields_set & {"num_consumers", "queue_size", "block_on_overflow"}):
            yield f"sending_queue::{key} has no effect; the log is bounded by file_storage::max_bytes and when_full"

    def settings(self, otherwise: BatchSettings) -> DeliverySettings:
        """What the pipeline is given; `otherwise` cuts the batches where the exporter itself says nothing."""
        retry = self.retry_on_failure
        return DeliverySettings(
            batch=_batch(self.sending_queue.batch) if self.sending_queue.batch else otherwise,
            retry=RetrySettings(
                initial_interval=retry.initial_interval,
                max_interval=max(retry.max_interval, retry.initial_interval),
                multiplier=retry.multiplier,
            ),
        )


def _batch(queue: QueueBatchSettings) -> BatchSettings:
    size = min(queue.min_size, queue.max_size) if queue.max_size else queue.min_size
    if queue.sizer == "bytes":
        return BatchSettings(max_bytes=size, flush_timeout=queue.flush_timeout)
    return BatchSettings(max_items=size, flush_timeout=queue.flush_timeout)
