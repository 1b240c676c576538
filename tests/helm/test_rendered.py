"""What the chart makes of its values."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, NAMESPACE, ROOT, SHAPES, helm, name, render, values_of

pytestmark = pytest.mark.helm


@pytest.mark.parametrize("shape", SHAPES)
def test_lint_finds_nothing(shape: str) -> None:
    answer = helm("lint", "--strict", CHART, "--values", values_of(shape))
    assert answer.status == 0, answer.output + answer.error


@pytest.mark.parametrize("shape", SHAPES)
def test_every_object_has_a_name_of_the_release_its_namespace_and_labels(shape: str) -> None:
    for one in render(shape).objects:
        if one["kind"] == "ConfigMap" and name(one) in ("ledger-prices", "demo-more"):
            continue  # extraManifests are taken as they are
        metadata = one["metadata"]
        assert metadata["name"].startswith(("demo-spanledger", "ledger"))
        assert metadata["namespace"] == NAMESPACE
        assert metadata["labels"]["app.kubernetes.io/instance"] == "demo"


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pod_is_restricted_and_has_no_token(shape: str) -> None:
    for where, pod in render(shape).pods():
        assert pod["automountServiceAccountToken"] is False, where
        assert pod["securityContext"]["runAsNonRoot"] is True, where
        assert pod["securityContext"]["runAsUser"] > 0, where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        for container in pod["containers"]:
            if container["name"] == "beside":
                continue  # an extraContainer
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, where
            assert container["resources"]["limits"]["memory"], where


@pytest.mark.parametrize("shape", SHAPES)
def test_no_password_stands_in_a_config_map_or_an_argument(shape: str) -> None:
    text = "".join(yaml.safe_dump(one) for one in render(shape).objects if one["kind"] != "Secret")
    assert "p#" not in text
    assert set(re.findall(r"^\s*password: (.*)$", text, re.MULTILINE)) <= {
        "${env:CLICKHOUSE_PASSWORD}",
        "${env:POSTGRES_PASSWORD}",
    }


def test_by_default_one_replica_has_a_volume_for_log_and_ledger() -> None:
    workload = render().workload()

    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert (workload["kind"], workload["spec"]["replicas"]) == ("StatefulSet", 1)
    assert claim["spec"]["resources"] == {"requests": {"storage": "20Gi"}}
    assert workload["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert {one["mountPath"] for one in render().container()["volumeMounts"]} == {
        "/etc/spanledger/config.yaml",
        "/tmp",
        "/var/lib/spanledger",
    }


def test_the_default_image_of_the_embedded_store_is_the_one_that_has_it() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert render().container()["image"] == f"spanledger:{version}-embedded"
    assert render("clickhouse").container()["image"] == f"spanledger:{version}"
    assert render("own-config").container()["image"].startswith("images.example.com/spanledger@sha256:")


def test_the_charts_version_of_the_program_is_the_programs() -> None:
    from spanledger._version import __version__

    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__


def test_a_deployment_has_no_volume_claims_and_no_durable_log() -> None:
    rendered = render("deployment")
    assert rendered.workload()["kind"] == "Deployment"
    assert {"name": "data", "emptyDir": {}} in rendered.pod()["volumes"]
    assert "file_storage" not in rendered.config()["extensions"]
    assert rendered.of("Pod") == (), "helm test has nobody to send to"
    assert rendered.workload()["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_pod_has_longer_to_end_than_it_takes_to_deliver() -> None:
    pod, container = render().pod(), render().container()
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert "--grace=45s" in container["args"]
    assert pod["terminationGracePeriodSeconds"] == 65


def test_a_changed_configuration_changes_the_pods() -> None:
    def checksum(**values: Any) -> str:
        found: str = render(**values).workload()["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        return found

    assert checksum() != checksum(logLevel="debug")
    assert checksum() == checksum(podLabels={"a": "b"})


def test_probes_ask_the_health_check_and_a_full_log_restarts_nobody() -> None:
    container = render().container()
    (port,) = (one["containerPort"] for one in container["ports"] if one["name"] == "health")
    assert port == 13133
    assert container["readinessProbe"]["httpGet"] == {"path": "/", "port": "health"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert container["startupProbe"]["httpGet"] == {"path": "/livez", "port": "health"}


def test_services_tell_gateways_what_is_spoken() -> None:
    service = render("clickhouse").one("Service", "demo-spanledger")
    assert [(one["name"], one["port"], one["appProtocol"]) for one in service["spec"]["ports"]] == [
        ("grpc", 4317, "kubernetes.io/h2c"),
        ("http", 4318, "http"),
        ("api", 3333, "http"),
    ]
    assert service["spec"]["trafficDistribution"] == "PreferSameZone"
    headless = render("clickhouse").one("Service", "demo-spanledger-headless")
    assert headless["spec"]["clusterIP"] == "None"
    assert render("clickhouse").workload()["spec"]["serviceName"] == name(headless)


@pytest.mark.parametrize("shape", SHAPES)
def test_services_and_policies_choose_exactly_the_pods_of_spanledger(shape: str) -> None:
    rendered = render(shape)
    wanted = rendered.workload()["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= rendered.workload()["spec"]["template"]["metadata"]["labels"].items()
    for one in rendered.objects:
        if one["kind"] == "Service" and "-trial-" not in name(one):
            assert one["spec"]["selector"] == wanted
        if one["kind"] in ("NetworkPolicy", "PodDisruptionBudget"):
            assert one["spec"].get("podSelector", one["spec"].get("selector"))["matchLabels"] == wanted
    for one in rendered.of("Job") + rendered.of("Pod"):
        labels = one["spec"].get("template", one)["metadata"]["labels"]
        assert not wanted.items() <= labels.items(), "a job would get requests"


def test_receivers_with_tls_are_told_so_everywhere() -> None:
    rendered = render("tls")
    for protocol in rendered.config()["receivers"]["otlp"]["protocols"].values():
        assert protocol["tls"] == {
            "cert_file": "/etc/spanledger/tls/tls.crt",
            "key_file": "/etc/spanledger/tls/tls.key",
            "client_ca_file": "/etc/spanledger/client-ca/ca.crt",
        }
    certificate = rendered.one("Certificate")["spec"]
    assert {"name": "tls", "secret": {"secretName": certificate["secretName"]}} in rendered.pod()["volumes"]
    assert {"demo-spanledger.telemetry", "otlp.example.com"} <= set(certificate["dnsNames"])
    service = rendered.one("Service", "demo-spanledger")
    assert {one["appProtocol"] for one in service["spec"]["ports"]} == {"https"}
    assert rendered.of("Pod") == (), "helm test has no certificate to show"


def test_the_api_stays_in_the_pod_until_it_is_exposed() -> None:
    assert render().config()["extensions"]["api"] == {"endpoint": "127.0.0.1:3333"}
    assert "api" not in [one["name"] for one in render().one("Service", "demo-spanledger")["spec"]["ports"]]
    assert render("clickhouse").config()["extensions"]["api"] == {"endpoint": "0.0.0.0:3333"}


def test_keys_of_projects_and_tokens_are_read_from_secrets() -> None:
    projects, token = render("clickhouse"), render("postgres")
    assert projects.config()["extensions"]["projects"] == {"file": "/etc/spanledger/access/projects.yaml"}
    assert {"name": "access", "secret": {"secretName": "spanledger-projects"}} in projects.pod()["volumes"]
    assert token.config()["extensions"]["bearertokenauth"] == {"filename": "/etc/spanledger/access/access"}
    for protocol in token.config()["receivers"]["otlp"]["protocols"].values():
        assert protocol["auth"] == {"authenticator": "bearertokenauth"}
    assert token.config()["extensions"]["api"]["auth"] == {"authenticator": "bearertokenauth"}


def test_a_password_that_was_given_is_in_a_secret_of_the_release_and_one_for_the_job_before_it() -> None:
    rendered = render("postgres")
    secrets = {name(one): one["data"]["password"] for one in rendered.of("Secret")}
    assert set(secrets) == {"demo-spanledger", "demo-spanledger-migrate"}
    assert len(set(secrets.values())) == 1
    (pods,) = rendered.container()["env"]
    (jobs,) = rendered.one("Job")["spec"]["template"]["spec"]["containers"][0]["env"]
    assert pods["valueFrom"]["secretKeyRef"] == {"name": "demo-spanledger", "key": "password"}
    assert jobs["valueFrom"]["secretKeyRef"] == {"name": "demo-spanledger-migrate", "key": "password"}


def test_a_job_migrates_before_installation_and_upgrade_and_replicas_do_not() -> None:
    rendered = render("clickhouse")
    job = rendered.one("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate", "--config=/etc/spanledger/config.yaml"]
    assert rendered.config()["exporters"]["clickhouse"]["auto_migrate"] is False
    copies = [one for one in rendered.of("ConfigMap") if "config.yaml" in one["data"]]
    assert len({one["data"]["config.yaml"] for one in copies}) == 1
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"


@pytest.mark.parametrize("shape", ["embedded", "trial-postgres", "trial-clickhouse"])
def test_without_a_job_replicas_migrate(shape: str) -> None:
    rendered = render(shape)
    (exporter,) = rendered.config()["exporters"].values()
    assert rendered.of("Job") == ()
    assert exporter.get("auto_migrate", True) is True


def test_routes_of_the_gateway_api_lead_to_the_right_ports() -> None:
    rendered = render("postgres")
    http, grpc = rendered.one("HTTPRoute")["spec"], rendered.one("GRPCRoute")["spec"]
    assert [one["path"]["value"] for one in http["rules"][0]["matches"]] == ["/v1/traces", "/v1/logs", "/v1/metrics"]
    assert http["rules"][0]["backendRefs"] == [{"name": "demo-spanledger", "port": 4318}]
    assert [one["method"]["service"] for one in grpc["rules"][0]["matches"]] == [
        "opentelemetry.proto.collector.trace.v1.TraceService",
        "opentelemetry.proto.collector.logs.v1.LogsService",
        "opentelemetry.proto.collector.metrics.v1.MetricsService",
    ]
    assert grpc["rules"][0]["backendRefs"] == [{"name": "demo-spanledger", "port": 4317}]


def test_each_ingress_leads_to_its_port() -> None:
    found = {name(one): one["spec"]["rules"][0]["http"]["paths"][0] for one in render("clickhouse").of("Ingress")}
    assert {key: path["backend"]["service"]["port"] for key, path in found.items()} == {
        "demo-spanledger-http": {"name": "http"},
        "demo-spanledger-grpc": {"name": "grpc"},
        "demo-spanledger-api": {"name": "api"},
    }
    assert found["demo-spanledger-api"]["path"] == "/v1/runs"


@pytest.mark.parametrize(
    ("shape", "kind", "target"),
    [
        ("postgres", "HorizontalPodAutoscaler", "StatefulSet"),
        ("deployment", "ScaledObject", "Deployment"),
    ],
)
def test_what_scales_names_the_workload_which_then_names_no_number(shape: str, kind: str, target: str) -> None:
    rendered = render(shape)
    scaled = rendered.one(kind)["spec"]["scaleTargetRef"]
    assert scaled == {"apiVersion": "apps/v1", "kind": target, "name": "demo-spanledger"}
    assert rendered.workload()["kind"] == target
    assert "replicas" not in rendered.workload()["spec"]


def test_replicas_spread_over_zones_and_nodes_unless_told_otherwise() -> None:
    spread = render().pod()["topologySpreadConstraints"]
    selector = {"matchLabels": render().workload()["spec"]["selector"]["matchLabels"]}
    assert [one["topologyKey"] for one in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(one["labelSelector"] == selector for one in spread)
    (own,) = render("own-config").pod()["topologySpreadConstraints"]
    assert own["whenUnsatisfiable"] == "DoNotSchedule"


def test_a_network_policy_lets_in_who_is_named_and_out_to_names_and_stores() -> None:
    spec = render("clickhouse").one("NetworkPolicy")["spec"]
    senders = [{"namespaceSelector": {"matchLabels": {"telemetry": "yes"}}}]
    assert [([port["port"] for port in rule["ports"]], rule.get("from")) for rule in spec["ingress"]] == [
        (["grpc", "http"], senders),
        (["api"], senders),
        (["metrics"], None),
    ]
    assert [[port["port"] for port in rule["ports"]] for rule in spec["egress"]] == [[53, 53], [8443]]


def test_monitors_scrape_the_port_of_the_metrics() -> None:
    service = render("clickhouse").one("ServiceMonitor")
    chosen = [
        name(one)
        for one in render("clickhouse").of("Service")
        if service["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    ]
    assert chosen == ["demo-spanledger-metrics"]
    # A replica whose log is full is not ready, and its metrics tell why.
    assert render("clickhouse").one("Service", *chosen)["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["endpoints"][0]["port"] == "metrics"
    assert service["metadata"]["labels"]["release"] == "prometheus"
    assert render("postgres").one("PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"


def test_alerts_have_all_that_alerts_need_and_can_be_left_out() -> None:
    (group,) = render("clickhouse").one("PrometheusRule")["spec"]["groups"]
    for rule in group["rules"]:
        assert set(rule) >= {"alert", "expr", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity", "team"}
        assert rule["annotations"].keys() == {"summary", "description"}
        assert 'namespace="telemetry"' in rule["expr"]
    names = [rule["alert"] for rule in group["rules"]]
    assert "SpanledgerRefusesLogRecords" in names
    assert len(names) == len(set(names))
    (less,) = render("clickhouse", prometheusRule__disabled=names[1:]).one("PrometheusRule")["spec"]["groups"]
    assert [rule["alert"] for rule in less["rules"]] == names[:1]


def test_alerts_ask_for_metrics_that_there_are() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    (group,) = render("clickhouse").one("PrometheusRule")["spec"]["groups"]
    asked = {one for rule in group["rules"] for one in re.findall(r"[a-z]+_[a-z_]+(?=\{)", rule["expr"])}
    asked -= {"kube_pod_container_resource_limits"}  # of kube-state-metrics
    assert {one.removesuffix("_bucket") for one in asked} <= documented
    assert len(asked) > 10


def test_every_dashboard_of_the_folder_becomes_a_config_map() -> None:
    files = {path.name for path in (CHART / "dashboards").glob("*.json")}
    found = {
        key
        for one in render("clickhouse").of("ConfigMap")
        for key in one["data"]
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
    }
    assert found == files


def test_a_trial_database_is_marked_so_and_used() -> None:
    rendered = render("trial-postgres")
    database = rendered.one("StatefulSet", "demo-spanledger-trial-postgres")
    assert database["metadata"]["annotations"]["spanledger/purpose"] == "for trying it out, not for production"
    assert rendered.config()["exporters"]["postgres"]["endpoint"] == "postgresql://demo-spanledger-trial-postgres:5432"
    (secret,) = rendered.of("Secret")
    (password,) = rendered.container()["env"]
    assert password["valueFrom"]["secretKeyRef"]["name"] == name(secret)


def test_what_one_adds_is_there() -> None:
    rendered = render("own-config")
    pod, container = rendered.pod(), rendered.container()
    assert {one["name"]: one["value"] for one in container["env"]} == {
        "LEDGER_FILE": "/var/lib/spanledger/runs.jsonl",
        "RELEASE": "demo",
    }
    assert container["envFrom"] == [{"secretRef": {"name": "more", "optional": True}}]
    assert "/etc/prices" in [one["mountPath"] for one in container["volumeMounts"]]
    assert [one["name"] for one in pod["initContainers"]] == ["first"]
    assert [one["name"] for one in pod["containers"]] == ["spanledger", "beside"]
    assert {name(one) for one in rendered.of("ConfigMap")} == {"ledger", "ledger-prices", "demo-more"}
    assert pod["terminationGracePeriodSeconds"] == 300
    assert rendered.workload()["metadata"]["labels"]["team"] == "llm"
    assert rendered.config()["processors"]["attributes"]["actions"][0]["value"] == "demo"


def test_a_configuration_of_ones_own_is_laid_over_the_charts() -> None:
    config = render("own-config").config()
    assert config["receivers"]["otlp"]["protocols"]["grpc"] == {
        "endpoint": "0.0.0.0:4317",
        "max_recv_msg_size_mib": 16,
    }
    assert config["service"]["extensions"] == ["file_storage", "health_check"]


def test_an_extension_that_is_named_runs() -> None:
    config = render(config={"extensions": {"basicauth": {"htpasswd": {"file": "/x"}}}}).config()
    assert "basicauth" in config["service"]["extensions"]


def test_the_configuration_may_come_from_elsewhere() -> None:
    rendered = render("existing-config-map")
    (volume,) = (one for one in rendered.pod()["volumes"] if one["name"] == "config")
    assert volume["configMap"] == {
        "name": "spanledger-config",
        "items": [{"key": "spanledger.yaml", "path": "config.yaml"}],
    }
    assert rendered.of("ConfigMap") == ()
    assert rendered.of("ServiceAccount") == ()
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "spanledger-data"}} in rendered.pod()["volumes"]
