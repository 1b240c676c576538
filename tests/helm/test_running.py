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
from tests.helm.chart import SHAPES, Rendered, render

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
        """The same listeners on loopback, at ports that are free, and no certificates that only a cluster has."""
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
            if "ca_file" in exporter.get("tls", {}):
                sets.append(f"exporters.{name}.tls.ca_file=")
            if "example.com" in exporter.get("endpoint", "") or "trial" in exporter.get("endpoint", ""):
                scheme = exporter["endpoint"].partition("://")[0]
                sets.append(f"exporters.{name}.endpoint={scheme}://127.0.0.1:9")  # discard: nobody listens
        return [option for text in sets for option in ("--set", text)]


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


@pytest.mark.parametrize("shape", [shape for shape in OWN if shape not in ("embedded", "own-config")], indirect=True)
def test_passwords_reach_the_store_as_they_are(pod: Pod) -> None:
    from spanledger.config import Kind, load_config
    from spanledger.config.ids import ComponentId

    (name,) = pod.rendered.config()["exporters"]
    config = load_config([str(pod.config)], env=pod.environment)
    settings: Any = config.components[Kind.EXPORTERS][ComponentId(name)]
    assert settings.password.get_secret_value() == PASSWORD


def test_the_process_answers_its_probes_though_its_store_is_away(pod: Pod, serving: Serving) -> None:
    ready = serving.wait_for(r'"ready"|is ready')
    health = address(serving, ready[0], "health_check")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = pod.rendered.container()[probe]["httpGet"]
        assert asked["port"] == "health"
        with urllib.request.urlopen(f"http://{health}{asked['path']}", timeout=10) as answer:
            assert answer.status == 200, probe


def address(serving: Serving, said: str, what: str) -> str:
    """Where something listens, from the line that tells that all is ready."""
    for line in serving.lines:
        if line.startswith("{") and '"ready"' in line:
            fields = json.loads(line)
            (found,) = (value for key, value in fields.items() if what in key)
            return str(found).removeprefix("http://")
    return address_of(serving, what)


class TestHelmTest:
    """What the pod of `helm test` runs, against a process of the chart's own configuration."""

    @pytest.fixture
    def serving(self, tmp_path: Path) -> Iterator[Serving]:
        pod = Pod(tmp_path, render("embedded"))
        process = Serving(tmp_path, f"--config={pod.config}", *pod.sets())
        try:
            yield process
        finally:
            process.process.kill()
            process.ended()

    def test_it_sends_a_span_and_reads_its_run(self, serving: Serving) -> None:
        ready = serving.wait_for(r'"ready"|is ready')
        otlp, api = (address(serving, ready[0], what) for what in ("HTTP", "api"))
        done = self.run({"OTLP_URL": f"http://{otlp}", "API_URL": f"http://{api}"})
        assert done.stdout.splitlines()[-1] == "read its run", done.stdout + done.stderr
        assert done.returncode == 0

    def test_it_fails_where_nobody_takes_the_span(self, serving: Serving) -> None:
        ready = serving.wait_for(r'"ready"|is ready')
        api = address(serving, ready[0], "api")
        assert self.run({"OTLP_URL": f"http://{api}"}).returncode == 1

    @staticmethod
    def run(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        (container,) = render("embedded").one("Pod")["spec"]["containers"]
        assert container["command"] == ["python", "-c"]
        assert {one["name"] for one in container["env"]} == {"OTLP_URL", "API_URL"}
        command = [sys.executable, "-c", *container["args"]]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
