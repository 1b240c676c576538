"""A small registry of its own, so that these tests say what configuration loading does and not what components want."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from spanledger.config import Config, InvalidConfiguration, Kind, load_config
from spanledger.config.components import Component, Registry, registry
from spanledger.settings import Duration, Endpoint, Secret, Settings


class GrpcSettings(Settings):
    endpoint: Endpoint = "127.0.0.1:4317"
    max_recv_msg_size_mib: int = Field(default=64, ge=1)


class HttpSettings(Settings):
    endpoint: Endpoint = "127.0.0.1:4318"
    compression_algorithms: list[str] = Field(default_factory=list)
    response_headers: dict[str, str] = Field(default_factory=dict)


class ProtocolsSettings(Settings):
    grpc: GrpcSettings | None = None
    http: HttpSettings = HttpSettings()


class ReceiverSettings(Settings):
    protocols: ProtocolsSettings


class StoreSettings(Settings):
    endpoint: str = "chdb:///data"
    username: str = "default"
    password: Secret | None = None
    timeout: Duration = 5.0
    compress: Literal["none", "lz4", "zstd"] = "lz4"
    async_insert: bool = False


class NothingSettings(Settings):
    """No keys."""


HERE = __name__
TEST_REGISTRY: Registry = registry(
    Component(Kind.RECEIVERS, "otlp", "", f"{HERE}:ReceiverSettings"),
    Component(Kind.PROCESSORS, "batch", "", "spanledger.config.processors:BatchProcessorSettings"),
    Component(Kind.PROCESSORS, "memory_limiter", "", "spanledger.config.processors:MemoryLimiterSettings"),
    Component(Kind.EXPORTERS, "clickhouse", "", f"{HERE}:StoreSettings"),
    Component(Kind.EXPORTERS, "debug", "", f"{HERE}:NothingSettings"),
    Component(Kind.EXTENSIONS, "health_check", "", f"{HERE}:NothingSettings"),
)

MINIMAL = """\
receivers:
  otlp:
    protocols:
      grpc:
exporters:
  debug:
service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [debug]
"""

Load = Callable[..., Config]
Mistakes = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads texts as files c0.yaml, c1.yaml, … of a directory of their own."""
    monkeypatch.chdir(tmp_path)

    def run(*texts: str, sets: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Config:
        files = [f"c{position}.yaml" for position in range(len(texts))]
        for file, text in zip(files, texts, strict=True):
            Path(file).write_text(text)
        return load_config(files, sets, env=env or {}, registry=TEST_REGISTRY)

    return run


@pytest.fixture
def mistakes(load: Load) -> Mistakes:
    """The whole error text of a configuration that cannot be used."""

    def run(*texts: str, sets: tuple[str, ...] = (), env: dict[str, str] | None = None) -> str:
        with pytest.raises(InvalidConfiguration) as caught:
            load(*texts, sets=sets, env=env)
        return str(caught.value)

    return run
