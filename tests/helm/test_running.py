"""The configuration of every shape is valid, and what is started from it answers its probes."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.serving import Serving
from tests.helm.chart import SHAPES, Rendered, render
from tests.helm.pod import PASSWORD, Pod, address, run_helm_test

pytestmark = [pytest.mark.helm, pytest.mark.timeout(300)]

OWN = [shape for shape in SHAPES if shape != "existing-config-map"]
"""Shapes whose configuration the chart makes."""


@pytest.fixture(scope="module", params=OWN)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pod(shape: str, tmp_path_factory: pytest.TempPathFactory) -> Pod:
    return Pod(tmp_path_factory.mktemp(shape), render(shape))


@pytest.fixture(scope="module")
def serving(pod: Pod) -> Iterator[Serving]:
    """What the container of a shape runs."""
    with pod.serving() as process:
        yield process


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
        with Pod(tmp_path, rendered).serving() as process:
            yield process

    def test_it_sends_a_span_and_reads_its_run(self, serving: Serving, rendered: Rendered, scheme: str) -> None:
        serving.wait_for(r'"ready"|is ready')
        (container,) = rendered.one("Pod")["spec"]["containers"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        assert environment.pop("OTLP_URL") == f"{scheme}://demo-spanledger:4318"
        assert environment.pop("API_URL") == "http://demo-spanledger:3333"
        assert environment == ({"SSL_CERT_FILE": "/tls/ca.crt"} if scheme == "https" else {})

        done = run_helm_test(serving.folder, container, scheme, address(serving, "HTTP"), address(serving, "api"))

        assert done.stdout.splitlines()[-1] == "read its run", done.stdout + done.stderr
        assert done.returncode == 0

    @pytest.mark.parametrize("scheme", ["http"], indirect=True)
    def test_it_fails_where_nobody_takes_the_span(self, serving: Serving, rendered: Rendered) -> None:
        serving.wait_for(r'"ready"|is ready')
        (container,) = rendered.one("Pod")["spec"]["containers"]
        api = address(serving, "api")
        assert run_helm_test(serving.folder, container, "http", api, api).returncode == 1
