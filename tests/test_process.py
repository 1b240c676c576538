"""One process through several configurations: nothing that a sender sends is lost, and bad ones are kept out."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.serving import Serving
from tests.workers.senders import GrpcSender, Sender

CONFIG = """\
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"{http}}}}}}}}}
processors: {{resource: {{attributes: [{{key: deployment.environment.name, value: {environment}, action: upsert}}]}}}}
exporters: {{file: {{path: runs.jsonl}}}}
extensions: {{file_storage: {{directory: log}}}}
service:
  extensions: [{extensions}]
  reload: {{on_change: {on_change}, interval: 100ms}}
  telemetry: {{metrics: {{address: "127.0.0.1:0"}}}}
  pipelines: {{traces: {{receivers: [otlp], processors: [resource], exporters: [file]}}}}
"""


def write(
    folder: Path,
    environment: str,
    *,
    extensions: str = "file_storage",
    on_change: str = "false",
    http: str = "",
) -> None:
    text = CONFIG.format(environment=environment, extensions=extensions, on_change=on_change, http=http)
    (folder / "new.yaml").write_text(text)
    (folder / "new.yaml").rename(folder / "spanledger.yaml")


@contextmanager
def running(folder: Path) -> Iterator[Serving]:
    process = Serving(folder, "--config", "spanledger.yaml")
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait()


def address_of(process: Serving, name: str) -> str:
    return process.wait_for(rf"^  {name} +(?:http://)?(\S+)")[1]


def runs_in(folder: Path) -> dict[str, set[str]]:
    """Span id → environments of its run, as it was written."""
    found: dict[str, set[str]] = {}
    for line in (folder / "runs.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["record"] == "run":
            found.setdefault(record["span_id"], set()).add(record["environment"])
    return found


def test_no_request_fails_while_configurations_change(tmp_path: Path) -> None:
    write(tmp_path, "zero")
    with running(tmp_path) as process:
        senders = [
            Sender(address_of(process, "otlp over HTTP"), 0),
            GrpcSender(address_of(process, "otlp over gRPC"), 1 << 32),
        ]
        for sender in senders:
            sender.start()
        for number, environment in enumerate(("one", "two", "three"), 1):
            for sender in senders:
                sender.further()
            write(tmp_path, environment)
            process.process.send_signal(signal.SIGHUP)
            process.wait_for_number("the new configuration is taken over", number)
        for sender in senders:
            sender.further()
        with urllib.request.urlopen(f"http://{process.lines[-1].split('metrics=http://')[1].split()[0]}") as response:
            metrics = response.read().decode()
        for sender in senders:
            sender.end()
        assert process.end() == 0
    assert [sender.failed for sender in senders] == [[], []]
    found = runs_in(tmp_path)
    assert found.keys() == {span_id for sender in senders for span_id in sender.acknowledged}
    assert {environment for seen in found.values() for environment in seen} == {"zero", "one", "two", "three"}
    assert 'spanledger_config_reloads_total{outcome="success"} 3.0' in metrics


def test_a_configuration_that_cannot_be_used_is_kept_out(tmp_path: Path) -> None:
    write(tmp_path, "good")
    with running(tmp_path) as process:
        sender = Sender(address_of(process, "otlp over HTTP"), 0)
        sender.start()
        sender.further()
        write(tmp_path, "bad", extensions="file_storage, healthcheck")
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("everything goes on as it is, the new configuration cannot be used")
        process.wait_for('references extension "healthcheck"')
        sender.further()
        sender.end()
        assert process.end() == 0
    assert sender.failed == []
    assert set().union(*runs_in(tmp_path).values()) == {"good"}


def test_one_that_cannot_be_started_gives_way_to_the_one_before(tmp_path: Path) -> None:
    write(tmp_path, "good")
    with running(tmp_path) as process:
        sender = Sender(address_of(process, "otlp over HTTP"), 0)
        sender.start()
        sender.further()
        (tmp_path / "folder").mkdir()
        text = (tmp_path / "spanledger.yaml").read_text()
        (tmp_path / "spanledger.yaml").write_text(text.replace("path: runs.jsonl", "path: folder"))
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("the new configuration cannot be started, going back to the one before")
        sender.further()
        sender.end()
        assert process.end() == 0
    assert sender.failed == []
    assert runs_in(tmp_path).keys() == set(sender.acknowledged)


def test_listeners_that_change_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, "zero")
    with running(tmp_path) as process:
        sender = Sender(address_of(process, "otlp over HTTP"), 0)
        sender.start()
        sender.further()
        sender.end()
        write(tmp_path, "one", http=", response_headers: {X-New: yes}")
        process.process.send_signal(signal.SIGHUP)
        line = process.wait_for('the new configuration is taken over.*over HTTP=http://([^" ]+)')
        second = Sender(line[1], 1000)
        second.start()
        second.further()
        second.end()
        assert process.end() == 0
    assert [*sender.failed, *second.failed] == []
    assert runs_in(tmp_path).keys() == {*sender.acknowledged, *second.acknowledged}


def test_a_file_that_changes_is_read_again_where_that_is_wanted(tmp_path: Path) -> None:
    write(tmp_path, "zero", on_change="true")
    with running(tmp_path) as process:
        process.wait_for(" is ready after ")
        write(tmp_path, "one", on_change="true")
        process.wait_for("a file of the configuration has changed")
        process.wait_for("the new configuration is taken over")
        assert process.end() == 0


def test_a_log_in_memory_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "zero", extensions="")
    with running(tmp_path) as process:
        sender = Sender(address_of(process, "otlp over HTTP"), 0)
        sender.start()
        sender.further()
        write(tmp_path, "one", extensions="")
        process.process.send_signal(signal.SIGHUP)
        process.wait_for("the new configuration is taken over")
        sender.further()
        sender.end()
        assert process.end() == 0
    assert sender.failed == []
    assert runs_in(tmp_path).keys() == set(sender.acknowledged)
