from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spanledger import compiled
from spanledger._version import __version__
from spanledger.receiver.wire import COMPILED
from tests.cli.conftest import Run

MISTAKE = """\
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debugg: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debugg]}}}
"""


def test_the_built_in_default_is_valid(run: Run) -> None:
    result = run("validate")
    assert (result.exit_code, result.output) == (0, "The configuration is valid.\n")


def test_the_built_in_default_as_a_file_is_valid(run: Run) -> None:
    Path("mine.yaml").write_text(run("print-config", "--default").output)
    assert run("validate", "--config", "mine.yaml").exit_code == 0


def test_a_mistake_is_one_block_on_stderr_and_exit_status_1(run: Run) -> None:
    Path("mine.yaml").write_text(MISTAKE)
    result = run("validate", "--config", "mine.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(
        "Error: invalid configuration: 1 error\n"
        'mine.yaml:2:13: exporters::debugg: unknown type: "debugg" for id: "debugg" (valid values: ['
    )
    assert result.stderr.endswith("    did you mean  debug\n")


def test_a_warning_does_not_make_it_invalid(run: Run) -> None:
    result = run("validate", "--set", "exporters.clickhouse.password=${env:SPANLEDGER_TEST_UNSET}")
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: --set exporters.clickhouse.password: exporters::clickhouse::password: "
        "environment variable SPANLEDGER_TEST_UNSET is not set\n"
    )


def test_print_config_shows_what_set_changed(run: Run) -> None:
    result = run("print-config", "--set", "exporters.clickhouse.database=llm")
    assert yaml.safe_load(result.output)["exporters"]["clickhouse"]["database"] == "llm"


def test_print_config_masks_secrets_in_json_too(run: Run) -> None:
    result = run("print-config", "--format", "json", "--set", "exporters.clickhouse.password=hunter2")
    assert json.loads(result.output)["exporters"]["clickhouse"]["password"] == "****"


def test_components_are_listed_as_yaml(run: Run) -> None:
    listed = yaml.safe_load(run("components").output)
    assert listed["buildinfo"] == {
        "command": "spanledger",
        "version": __version__,
        "decoder": "compiled" if COMPILED else "plain",
        "mapping": "compiled" if compiled.in_use() else "plain",
    }
    assert {
        kind: [c["name"] for c in listed[kind]] for kind in ("receivers", "processors", "exporters", "extensions")
    } == {
        "receivers": ["otlp", "kafka"],
        "processors": [
            *("batch", "memory_limiter", "attributes", "resource", "filter", "transform", "redaction"),
            *("probabilistic_sampler", "python"),
        ],
        "exporters": [
            "clickhouse",
            "postgres",
            "debug",
            "file",
            "otlp",
            "otlp_grpc",
            "otlphttp",
            "otlp_http",
            "kafka",
            "nop",
        ],
        "extensions": [
            *("api", "projects", "bearertokenauth", "basicauth", "oauth2client", "headers_setter"),
            *("health_check", "zpages", "maintenance", "file_storage"),
        ],
    }


def test_version(run: Run) -> None:
    assert run("version").output == f"{__version__}\n"


@pytest.mark.parametrize(
    "command", ["serve", "validate", "components", "print-config", "map", "runs", "migrate", "delete", "resolve"]
)
def test_every_command_explains_itself_with_an_example(command: str, run: Run) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"spanledger {command}" in result.output.partition("Options:")[0].split("\n", 1)[1]


def test_wrong_usage_is_exit_status_2(run: Run) -> None:
    assert run("validate", "--confg", "x").exit_code == 2


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from spanledger.cli import main; main(['--help'], standalone_mode=False);"
        "print([m for m in ('grpc', 'aiohttp', 'pydantic', 'chdb', 'genai_prices', 'rich') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"
