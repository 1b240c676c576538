"""The job that migrates before an installation, and the replicas that then do not, with a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.serving import Serving
from tests.helm.chart import Rendered, render
from tests.helm.pod import Pod, address, run_helm_test
from tests.stores.postgres import Server, postgres

__all__ = ["postgres"]

pytestmark = [pytest.mark.helm, pytest.mark.timeout(300)]
TOKEN = "token-1"


@pytest.fixture
async def rendered(postgres: Server) -> Rendered:
    """The chart for an empty database."""
    return render(
        "postgres",
        store__postgres__endpoint=postgres.endpoint,
        store__postgres__database=await postgres.create_database(),
        store__postgres__username="postgres",
        store__postgres__sslmode="disable",
        api__expose=True,
    )


def test_replicas_wait_for_the_job_and_then_keep_what_they_get(rendered: Rendered, tmp_path: Path) -> None:
    pod = Pod(tmp_path, rendered)
    (job,) = rendered.one("Job")["spec"]["template"]["spec"]["containers"]
    command = [argument for argument in job["args"] if not argument.startswith("--config")]

    first, second = pod.spanledger(*command), pod.spanledger(*command)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "postgres: applied 1, " in first.stdout
    assert "is up to date" in second.stdout
    with pod.serving() as serving:
        serving.wait_for('"ready"')
        done = send_and_read(rendered, serving)
    assert done.splitlines()[-1] == "read its run"


def test_without_the_job_a_replica_says_what_is_missing(rendered: Rendered, tmp_path: Path) -> None:
    with Pod(tmp_path, rendered).serving() as serving:
        assert serving.ended() == 1
    assert "lacks migration 1" in serving.output
    assert "spanledger migrate" in serving.output


def send_and_read(rendered: Rendered, serving: Serving) -> str:
    """What `helm test` prints."""
    (container,) = rendered.one("Pod")["spec"]["containers"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPANLEDGER_KEY", TOKEN)
        otlp, api = address(serving, "HTTP"), address(serving, "api")
        return run_helm_test(serving.folder, container, "http", otlp, api).stdout
