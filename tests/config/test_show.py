from __future__ import annotations

import yaml

from spanledger.config.show import to_yaml
from tests.config.conftest import MINIMAL, Load

EVERY_EXPORTER = {"sending_queue", "retry_on_failure"}
TEXT = """\
exporters:
  clickhouse:
    endpoint: https://me:hunter2@host:8443/?password=hunter2&x=1
    password: ${env:PASSWORD}
    timeout: 90s
receivers:
  otlp:
    protocols:
      http:
        response_headers: {x-token: hunter2, x-colour: red}
"""


def test_the_printed_configuration_has_every_default_and_no_secret(load: Load) -> None:
    printed = to_yaml(load(MINIMAL, TEXT, env={"PASSWORD": "hunter2"}))
    printed_store = yaml.safe_load(printed)["exporters"]["clickhouse"]
    assert printed_store["retry_on_failure"]["max_interval"] == "30s"
    assert {key: value for key, value in printed_store.items() if key not in EVERY_EXPORTER} == {
        "endpoint": "https://****@host:8443/?password=****&x=1",
        "username": "default",
        "password": "****",
        "timeout": "1m30s",
        "compress": "lz4",
        "async_insert": False,
    }
    assert yaml.safe_load(printed)["receivers"]["otlp"]["protocols"]["http"]["response_headers"] == {
        "x-token": "****",
        "x-colour": "red",
    }
    assert "hunter2" not in printed


def test_what_is_printed_can_be_loaded(load: Load) -> None:
    first = to_yaml(load(MINIMAL))
    assert to_yaml(load(first)) == first
