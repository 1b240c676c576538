"""What a pod of the chart is given, as files and environment of a process here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.cli.serving import Serving
from tests.cli.test_serve import address_of
from tests.helm.chart import Manifest, Rendered
from tests.receiver.certificates import Authority

PASSWORD = "p#\"$w: {0} '"
"""YAML would read it differently. (A `${…}` in it would be expanded, as a Collector does.)"""


class Pod:
    """Files and environment of a pod, below a folder."""

    def __init__(self, folder: Path, rendered: Rendered) -> None:
        self.folder = folder
        self.rendered = rendered
        self.environment = {
            one["name"]: one.get("value", PASSWORD).replace("/var/lib/", f"{folder}/")
            for one in rendered.container().get("env", [])
        }
        access = folder / "etc" / "access"
        access.mkdir(parents=True)
        (folder / "spanledger").mkdir()
        authority = Authority(folder)
        issued = authority.issue()
        for name, file in {"tls.crt": "cert_file", "tls.key": "key_file"}.items():
            put(folder / "etc" / "tls" / name, Path(issued[file]).read_bytes())
        for secret in ("client-ca", "store-ca", "tls"):
            put(folder / "etc" / secret / "ca.crt", authority.certificate)
        (access / "projects.yaml").write_text("[{id: shop, public_keys: [slp_12345678], private_keys: [sls_12345678]}]")
        (access / "access").write_text("token-1\n")
        text = yaml.safe_dump(rendered.config(), sort_keys=False)
        for mounted, at in (("/var/lib/spanledger", "spanledger"), ("/etc/spanledger", "etc")):
            text = text.replace(mounted, str(folder / at))
        self.config = folder / "config.yaml"
        self.config.write_text(text)

    def spanledger(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spanledger", *arguments, f"--config={self.config}"]
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=environment)

    @contextmanager
    def serving(self) -> Iterator[Serving]:
        """What the container runs, on loopback."""
        arguments = [one for one in self.rendered.container()["args"] if not one.startswith(("serve", "--config"))]
        with pytest.MonkeyPatch.context() as patch:
            for key, value in self.environment.items():
                patch.setenv(key, value)
            process = Serving(self.folder, f"--config={self.config}", *arguments, *self.sets())
        try:
            yield process
        finally:
            if process.process.poll() is None:
                process.process.kill()
                process.ended()

    def sets(self) -> list[str]:
        """The same listeners on loopback, at ports that are free, and a store that is away."""
        config = self.rendered.config()
        sets = [f"receivers.otlp.protocols.{name}.endpoint=127.0.0.1:0" for name in ("grpc", "http")]
        sets += [
            f"extensions.{name}.endpoint=127.0.0.1:0"
            for name in ("api", "health_check")
            if name in config["extensions"]
        ]
        if "kafka" in config["receivers"]:
            sets.append('receivers.kafka.brokers=["127.0.0.1:9"]')
        if "readers" in config["service"]["telemetry"]["metrics"]:
            reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": 0}}}}
            sets.append(f"service.telemetry.metrics.readers={json.dumps([reader])}")
        for name, exporter in config["exporters"].items():
            if "example.com" in exporter.get("endpoint", "") or "trial" in exporter.get("endpoint", ""):
                scheme = exporter["endpoint"].partition("://")[0]
                sets.append(f"exporters.{name}.endpoint={scheme}://127.0.0.1:9")  # discard: nobody listens
        return [option for text in sets for option in ("--set", text)]


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)


def address(serving: Serving, what: str) -> str:
    """Where something listens, from the line that tells that all is ready."""
    for line in serving.lines:
        if line.startswith("{") and '"ready"' in line:
            fields = json.loads(line)
            (found,) = (value for key, value in fields.items() if what in key)
            return str(found).rpartition("/")[2]
    return address_of(serving, what)


def run_helm_test(
    folder: Path, container: Manifest, scheme: str, otlp: str, api: str
) -> subprocess.CompletedProcess[str]:
    """What a pod of `helm test` does, asking the given addresses."""
    assert container["command"] == ["python", "-c"]
    command = [sys.executable, "-c", *container["args"]]
    own = {"OTLP_URL": f"{scheme}://{otlp}", "API_URL": f"http://{api}"}
    if scheme == "https":
        own["SSL_CERT_FILE"] = str(folder / "etc" / "tls" / "ca.crt")
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own})
