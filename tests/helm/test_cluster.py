"""A real Kubernetes API server takes everything that the chart makes; Helm installs, upgrades, rolls back and
uninstalls it there. The stand-ins for custom resources are those of crds.yaml."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import CHART, NAMESPACE, SHAPES, Manifest, render, template, values_of
from tests.helm.cluster import Cluster

pytestmark = [pytest.mark.helm, pytest.mark.timeout(300), pytest.mark.xdist_group("kubernetes")]

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
FOUND_THERE = {"kube-root-ca.crt"}
"""Names of objects that every namespace gets by itself."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.start()
    try:
        answer = cluster.kubectl("apply", "--server-side", "-f", str(Path(__file__).parent / "crds.yaml"))
        assert answer.status == 0, answer.error
        answer = cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        assert answer.status == 0, answer.error
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def namespace(cluster: Cluster, shape: str) -> str:
    """A namespace that admits restricted pods only, with a service account such as controllers make."""
    name = f"{NAMESPACE}-{shape}"
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}},
        ]
    )
    return name


def test_the_server_takes_every_object(cluster: Cluster, namespace: str, shape: str) -> None:
    answer = template(shape)
    text = answer.output.replace(f"namespace: {NAMESPACE}\n", f"namespace: {namespace}\n")
    text = text.replace(f"[{NAMESPACE}]", f"[{namespace}]")

    taken = cluster.kubectl("apply", "--server-side", "--dry-run=server", "-n", namespace, "-f", "-", input=text)

    assert taken.status == 0, taken.error
    # Pod Security warns of workloads whose pods it would refuse; the server of fields that it does not know.
    assert "Warning" not in taken.error
    assert len(taken.output.splitlines()) == len(render(shape).objects)


def test_the_server_admits_every_pod(cluster: Cluster, namespace: str, shape: str) -> None:
    for number, (where, spec) in enumerate(render(shape).pods()):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{number}"}, "spec": spec}
        claimed = {one["name"] for one in spec["volumes"]} if "volumes" in spec else set()
        mounted = {one["name"] for container in spec["containers"] for one in container.get("volumeMounts", [])}
        claims = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in sorted(mounted - claimed)]
        spec = {**spec, "volumes": [*spec.get("volumes", []), *claims]}
        answer = cluster.kubectl(
            "create", "--dry-run=server", "-n", namespace, "-f", "-", input=json.dumps({**pod, "spec": spec})
        )
        assert answer.status == 0, f"{where}: {answer.error}"


def test_the_namespace_refuses_a_pod_that_is_not_restricted(cluster: Cluster) -> None:
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": RESTRICTED}}])
    spec = render("deployment").pod() | {"securityContext": {"runAsUser": 0}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"}, "spec": spec}
    answer = cluster.kubectl("create", "--dry-run=server", "-n", "strict", "-f", "-", input=json.dumps(pod))
    assert answer.status != 0
    assert "violates PodSecurity" in answer.error


def test_helm_installs_upgrades_rolls_back_and_leaves_nothing(cluster: Cluster, namespace: str, shape: str) -> None:
    before = everything(cluster, namespace)
    options = ["--namespace", namespace, "--values", str(values_of(shape)), "--timeout", "2m"]

    with jobs_finish(cluster, namespace) as finished:
        answer = cluster.helm("install", "demo", CHART, *options)
        assert answer.status == 0, answer.error
        assert "Warning" not in answer.error
        installed = everything(cluster, namespace)
        answer = cluster.helm("upgrade", "demo", CHART, *options, "--set", "podAnnotations.upgraded=yes")
        assert answer.status == 0, answer.error
        assert pod_annotations(cluster, namespace).get("upgraded") == "yes"
        upgraded = everything(cluster, namespace)
        answer = cluster.helm("rollback", "demo", "1", "--namespace", namespace)
        assert answer.status == 0, answer.error
        assert "upgraded" not in pod_annotations(cluster, namespace)

    # Hooks run before the installation and the upgrade; a roll-back keeps the schema, which only goes forward.
    assert len(finished) == (2 if render(shape).of("Job") else 0)
    assert {one for one in installed if "sh.helm.release" not in one} == {
        one for one in upgraded if "sh.helm.release" not in one
    }
    answer = cluster.helm("uninstall", "demo", "--namespace", namespace)
    assert answer.status == 0, answer.error
    assert everything(cluster, namespace) == before


def test_an_upgrade_keeps_the_password_of_a_trial_database(cluster: Cluster) -> None:
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trial"}}])
    passwords = []
    for command in ("install", "upgrade"):
        answer = cluster.helm(command, "demo", CHART, "-n", "trial", "--values", str(values_of("trial-postgres")))
        assert answer.status == 0, answer.error
        secret = cluster.ask("/api/v1/namespaces/trial/secrets/demo-spanledger-trial-postgres")
        passwords.append(secret["data"]["password"])
    assert passwords[0] == passwords[1]
    assert cluster.helm("uninstall", "demo", "-n", "trial").status == 0


def test_notes_tell_where_to_send_and_what_is_risky(cluster: Cluster) -> None:
    options = ("--namespace", NAMESPACE, "--dry-run=server", "--values", str(values_of("deployment")))
    answer = cluster.helm("install", "demo", CHART, *options)
    assert answer.status == 0, answer.error
    notes = " ".join(answer.output.partition("NOTES:")[2].split())
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://demo-spanledger.telemetry:4318" in notes
    assert "WARNING: mode deployment has no durable log." in notes
    assert "everyone who reaches the service may send" in notes


def everything(cluster: Cluster, namespace: str) -> set[str]:
    """Kind and name of every object of a namespace."""
    kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").output.split()
    kinds = [kind for kind in kinds if not kind.startswith(("events", "localsubjectaccessreviews"))]
    listed = cluster.kubectl("get", ",".join(kinds), "-n", namespace, "-o", "name", "--ignore-not-found")
    assert listed.status == 0, listed.error
    return {one for one in listed.output.split() if one.rpartition("/")[2] not in FOUND_THERE}


def pod_annotations(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Annotations that pods of the release get."""
    found: list[Manifest] = [
        one
        for kind in ("statefulsets", "deployments")
        for one in cluster.ask(f"/apis/apps/v1/namespaces/{namespace}/{kind}")["items"]
        if one["metadata"]["labels"]["app.kubernetes.io/component"] == "receiver"
    ]
    (workload,) = found
    annotations: dict[str, str] = workload["spec"]["template"]["metadata"].get("annotations", {})
    return annotations


@contextmanager
def jobs_finish(cluster: Cluster, namespace: str) -> Iterator[list[str]]:
    """Stands in for the controller of jobs and what they run: every job is done as soon as it is there. Yields the ids
    of those that were."""
    finished: list[str] = []
    end = threading.Event()

    def finish() -> None:
        while not end.wait(0.1):
            for job in cluster.ask(f"/apis/batch/v1/namespaces/{namespace}/jobs")["items"]:
                if job["metadata"]["uid"] not in finished:
                    finished.append(job["metadata"]["uid"])
                    done(job)

    def done(job: Manifest) -> None:
        at = job["metadata"]["creationTimestamp"]
        conditions = [
            {"type": kind, "status": "True", "lastProbeTime": at, "lastTransitionTime": at}
            for kind in ("SuccessCriteriaMet", "Complete")
        ]
        status = {"startTime": at, "completionTime": at, "succeeded": 1, "conditions": conditions}
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{job['metadata']['name']}/status"
        cluster.ask(path, "PATCH", {"status": status})

    thread = threading.Thread(target=finish, daemon=True)
    thread.start()
    try:
        yield finished
    finally:
        end.set()
        thread.join(timeout=10)


def test_stand_ins_are_there_for_every_custom_resource_of_the_chart() -> None:
    there = {
        one["spec"]["names"]["kind"] for one in yaml.safe_load_all((Path(__file__).parent / "crds.yaml").read_text())
    }
    made = {one["kind"] for shape in SHAPES for one in render(shape).objects if "." in one["apiVersion"].split("/")[0]}
    assert made - {"Ingress", "NetworkPolicy", "HorizontalPodAutoscaler"} <= there
