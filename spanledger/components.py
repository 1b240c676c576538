"""How each component of a running service is doing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from spanledger.config import ComponentId, Config
from spanledger.model.received import Signal
from spanledger.pipeline.status import ExporterState, PipelineStatus
from spanledger.telemetry.components import Components, State, worst
from spanledger.telemetry.zpages import Layout

_STATES = {
    ExporterState.STARTING: State.RECOVERABLE,  # it is away, and tried again
    ExporterState.RUNNING: State.OK,
    ExporterState.RETRYING: State.RECOVERABLE,
    ExporterState.STOPPED: State.STOPPING,
}


def components_of(
    config: Config, listening: Collection[ComponentId], status: PipelineStatus | None, other: State = State.OK
) -> Components:
    """`listening`: receivers that are started. `other`: the state of what has none of its own."""
    found: dict[str, dict[str, tuple[str, str | None]]] = {
        "extensions": {f"extension:{id_}": (other, None) for id_ in config.extensions}
    }
    for pipeline_id, pipeline in config.pipelines.items():
        held = found.setdefault(f"pipeline:{pipeline_id}", {})
        for receiver in pipeline.receivers:
            held[f"receiver:{receiver}"] = (other if receiver in listening else State.STARTING, None)
        for processor in pipeline.processors:
            held[f"processor:{processor}"] = (other, None)
        for exporter in pipeline.exporters:
            held[f"exporter:{exporter}"] = _exporter(exporter, pipeline_id.signal, status)
        for connector in pipeline.connectors:
            held[f"connector:{connector}"] = (other, None)
    return found


def _exporter(id_: ComponentId, signal: Signal, status: PipelineStatus | None) -> tuple[State, str | None]:
    deliveries = [] if status is None else [status.exporters.get(name) for name in (str(id_), f"{id_}:{signal}")]
    states = [(_STATES[one.state], one.last_error) for one in deliveries if one is not None]
    if not states:
        return State.STARTING, None
    state, reason = worst(states)
    return state, reason if state is State.RECOVERABLE else None


def layout_of(config: Config) -> Layout:
    """For the status pages."""

    def names(ids: Iterable[ComponentId]) -> list[str]:
        return [str(id_) for id_ in ids]

    pipelines = {
        str(id_): (
            names(pipeline.receivers + pipeline.sources),
            names(pipeline.processors),
            names(pipeline.exporters + pipeline.targets),
        )
        for id_, pipeline in config.pipelines.items()
    }
    return Layout(pipelines, names(config.extensions))
