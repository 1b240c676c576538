"""Values that are misspelt, or do not go together, are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.chart import refusal

pytestmark = pytest.mark.helm


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicas": 3}, "replicas"),
        ({"store": {"type": "clickhouse", "clickhuose": {}}}, "clickhuose"),
        ({"persistence": {"storageClassName": "fast"}}, "storageClassName"),
        ({"ingress": {"http": {"host": "a.example.com"}}}, "host"),
        ({"config": {"exporter": {}}}, "exporter"),
        ({"extraEnv": [{"name": "A", "vaule": "b"}]}, "vaule"),
        ({"image": {"digest": "sha256:12"}}, "digest"),
        ({"mode": "daemonset"}, "mode"),
        ({"replicaCount": "three"}, "replicaCount"),
        ({"store": {"clickhouse": {"endpoint": "clickhouse:8123"}}}, "endpoint"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_a_value_that_is_unknown_or_cannot_be_is_named(values: dict[str, Any], told: str) -> None:
    error = refusal(**values)
    assert "values don't meet the specifications of the schema" in error
    assert told in error


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicaCount": 2}, "store.type: embedded takes one replica"),
        ({"autoscaling": {"enabled": True}}, "store.type: embedded takes one replica"),
        ({"mode": "deployment"}, "it needs mode: statefulset"),
        ({"workers": 2}, "store.type: embedded takes workers: 1"),
        ({"store": {"type": "none"}}, "store.type: none needs config with exporters and service.pipelines"),
        ({"store": {"type": "postgres"}}, "store.type: postgres needs store.postgres.endpoint"),
        ({"trialDatabase": {"type": "postgres"}}, "trialDatabase.type: postgres needs store.type: postgres"),
        ({"access": {"type": "token"}}, "access.type: token needs access.existingSecret.name"),
        ({"api": {"expose": True}}, "set access.type, or say api.allowAnyone: true"),
        ({"ingress": {"api": {"enabled": True, "hosts": [{"host": "a"}]}}}, "ingress.api needs api.expose"),
        ({"ingress": {"grpc": {"enabled": True}}}, "ingress.grpc needs hosts"),
        ({"tls": {"certManager": {"enabled": True}}}, "tls.certManager needs issuerRef"),
        ({"tls": {"clientCaSecret": {"name": "ca"}}}, "tls.clientCaSecret needs tls.secretName"),
        ({"grpcRoute": {"enabled": True}}, "grpcRoute needs parentRefs"),
        ({"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}, "everything is scraped twice"),
        ({"podMonitor": {"enabled": True}, "metrics": {"enabled": False}}, "need metrics.enabled: true"),
        ({"terminationGracePeriodSeconds": 30}, "must be more than the 50 s"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_values_that_do_not_go_together_are_told(values: dict[str, Any], told: str) -> None:
    assert told in refusal(**values)


def test_all_mistakes_are_told_at_once() -> None:
    error = refusal(replicaCount=2, workers=4, access={"type": "token"})
    assert error.count("\n  - ") == 3


def test_two_that_scale_are_one_too_many() -> None:
    error = refusal("deployment", autoscaling={"enabled": True})
    assert "autoscaling and keda: enable one of them" in error


def test_a_password_is_given_once() -> None:
    error = refusal("postgres", store__postgres__existingSecret__name="other")
    assert "store.postgres: give password or existingSecret.name, not both" in error
    assert "p#" not in error
