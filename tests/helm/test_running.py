"""The configuration of every shape is valid, and what is started from it answers its probes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.serving import Serving
from tests.cli.test_serve import address_of
from tests.helm.chart import SHAPES, Manifest, Rendered, render
from tests.receiver.certificates import Authority

pytestmark = pytest.mark.helm

OWN = [shape for shape in SHAPES if shape != "existing-config-map"]
"""Shapes whose configuration the chart makes."""
PASSWORD = "p#\"$w: {0} '"
"""YAML would read it differently. (A `${…}` in it would be expanded, as a Collector does.)"""


@pytest.fixture(scope="module", params=OWN)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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

    def sets(self) -> list[str]:
        """The same listeners on loopback, at ports that are free, and a store that is away."""
        config = self.rendered.config()
        sets = [f"receivers.otlp.protocols.{name}.endpoint=127.0.0.1:0" for name in ("grpc", "http")]
        sets += [
            f"extensions.{name}.endpoint=127.0.0.1:0"
            for name in ("api", "health_check")
            if name in config["extensions"]
        ]
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


@pytest.fixture(scope="module")
def pod(shape: str, tmp_path_factory: pytest.TempPathFactory) -> Pod:
    return Pod(tmp_path_factory.mktemp(shape), render(shape))


@pytest.fixture(scope="module")
def serving(pod: Pod) -> Iterator[Serving]:
    """What the container of a shape runs."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in pod.environment.items():
            patch.setenv(key, value)
        arguments = [one for one in pod.rendered.container()["args"] if not one.startswith(("serve", "--config"))]
        process = Serving(pod.folder, f"--config={pod.config}", *arguments, *pod.sets())
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.ended()


def test_the_configuration_is_valid_without_a_warning(pod: Pod) -> None:
    done = pod.spanledger("validate")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "shape", [shape for shape in OWN if shape not in ("embedded", "own-config", "tls")], indirect=True
)
def test_passwords_reach_the_store_as_they_are(pod: Pod) -> None:
    from spanledger.config import Kind, load_config
    from spanledger.config.ids import ComponentId

    (name,) = pod.rendered.config()["exporters"]
    config = load_config([str(pod.config)], env=pod.environment)
    settings: Any = config.components[Kind.EXPORTERS][ComponentId(name)]
    assert settings.password.get_secret_value() == PASSWORD


def test_the_process_answers_its_probes_though_its_store_is_away(pod: Pod, serving: Serving) -> None:
    serving.wait_for(r'"ready"|is ready')
    health = address(serving, "health_check")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = pod.rendered.container()[probe]["httpGet"]
        assert asked["port"] == "health"
        with urllib.request.urlopen(f"http://{health}{asked['path']}", timeout=10) as answer:
            assert answer.status == 200, probe


def address(serving: Serving, what: str) -> str:
    """Where something listens, from the line that tells that all is ready."""
    for line in serving.lines:
        if line.startswith("{") and '"ready"' in line:
            fields = json.loads(line)
            (found,) = (value for key, value in fields.items() if what in key)
            return str(found).rpartition("/")[2]
    return address_of(serving, what)


class TestHelmTest:
    """What the pod of `helm test` runs, against a process of the chart's own configuration."""

    @pytest.fixture(params=["http", "https"])
    def scheme(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def rendered(self, scheme: str) -> Rendered:
        return render("embedded", tls__secretName="certificate" if scheme == "https" else "")

    @pytest.fixture
    def serving(self, tmp_path: Path, rendered: Rendered) -> Iterator[Serving]:
        pod = Pod(tmp_path, rendered)
        process = Serving(tmp_path, f"--config={pod.config}", *pod.sets())
        try:
            yield process
        finally:
            process.process.kill()
            process.ended()

    def test_it_sends_a_span_and_reads_its_run(self, serving: Serving, rendered: Rendered, scheme: str) -> None:
        serving.wait_for(r'"ready"|is ready')
        (container,) = rendered.one("Pod")["spec"]["containers"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        assert environment.pop("OTLP_URL") == f"{scheme}://demo-spanledger:4318"
        assert environment.pop("API_URL") == "http://demo-spanledger:3333"
        assert environment == ({"SSL_CERT_FILE": "/tls/ca.crt"} if scheme == "https" else {})

        done = self.run(serving.folder, container, scheme, address(serving, "HTTP"), address(serving, "api"))

        assert done.stdout.splitlines()[-1] == "read its run", done.stdout + done.stderr
        assert done.returncode == 0

    @pytest.mark.parametrize("scheme", ["http"], indirect=True)
    def test_it_fails_where_nobody_takes_the_span(self, serving: Serving, rendered: Rendered) -> None:
        serving.wait_for(r'"ready"|is ready')
        (container,) = rendered.one("Pod")["spec"]["containers"]
        api = address(serving, "api")
        assert self.run(serving.folder, container, "http", api, api).returncode == 1

    @staticmethod
    def run(folder: Path, container: Manifest, scheme: str, otlp: str, api: str) -> subprocess.CompletedProcess[str]:
        assert container["command"] == ["python", "-c"]
        command = [sys.executable, "-c", *container["args"]]
        own = {"OTLP_URL": f"{scheme}://{otlp}", "API_URL": f"http://{api}"}
        if scheme == "https":
            own["SSL_CERT_FILE"] = str(folder / "etc" / "tls" / "ca.crt")
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **own})
