"""No container may do more than it has to."""

import pytest
import yaml

from inference.engine.client import START_TIMEOUT_S
from tests.deploy.manifests import (
    KUBERNETES,
    compose,
    of_kind,
    our_services,
    pod_containers,
    pods,
    targets,
)

NUMBER = "10001"
IMAGES = ("web", "worker-cpu", "worker-gpu", "beat", "metrics")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_runs_as_nobody_in_particular_and_has_a_health_check(name: str) -> None:
    assert targets()[name].user == f"{NUMBER}:{NUMBER}"
    assert targets()[name].health


@pytest.mark.parametrize("name", compose()["services"])
def test_a_service_is_contained(name: str) -> None:
    service = compose()["services"][name]

    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", compose()["services"])
def test_a_service_that_stays_has_a_health_check(name: str) -> None:
    service = compose()["services"][name]
    image = service["image"].split(":")[0].removeprefix("licet/")

    is_checked = "test" in service.get("healthcheck", {}) or (
        image in targets() and bool(targets()[image].health)
    )
    assert is_checked
    assert (service.get("healthcheck", {}).get("disable") is True) == (name == "migrate")


def test_every_service_of_ours_that_stays_waits_for_the_migrations() -> None:
    for name, service in our_services().items():
        conditions = {of: each["condition"] for of, each in service["depends_on"].items()}
        assert conditions["database"] == "service_healthy"
        if name != "migrate":
            assert conditions["migrate"] == "service_completed_successfully"


@pytest.mark.parametrize("name", ["worker-gpu", "worker-training"])
def test_the_compose_files_engines_have_no_way_out(name: str) -> None:
    assert compose()["services"][name]["networks"] == ["inside"]
    assert compose()["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", pods())
def test_a_pod_runs_as_nobody_in_particular(name: str) -> None:
    security = pods()[name]["securityContext"]

    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == int(NUMBER)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pods()[name]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("name", pod_containers())
def test_a_container_is_contained(name: str) -> None:
    container = pod_containers()[name]

    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", of_kind("Deployment"))
def test_a_container_that_stays_is_probed(name: str) -> None:
    container = pod_containers()[f"{name}/{name}"]

    assert "livenessProbe" in container
    assert name == "beat" or "readinessProbe" in container


def test_a_loading_engine_is_not_taken_for_a_dead_one() -> None:
    probe = pod_containers()["worker-gpu/worker-gpu"]["livenessProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] > START_TIMEOUT_S


def test_a_web_process_may_finish_its_requests() -> None:
    command = pod_containers()["web/web"]["command"]
    graceful_s = int(command[command.index("--timeout-graceful-shutdown") + 1])
    pause_s = int(pod_containers()["web/web"]["lifecycle"]["preStop"]["exec"]["command"][1])

    assert pods()["web"]["terminationGracePeriodSeconds"] > graceful_s + pause_s


def reaching(policy: str) -> set[str]:
    """The components that a policy lets out."""
    expressions = of_kind("NetworkPolicy")[policy]["spec"]["podSelector"]["matchExpressions"]
    return set(expressions[0]["values"])


def test_nothing_is_allowed_that_is_not_named() -> None:
    everything = of_kind("NetworkPolicy")["default-deny"]["spec"]

    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_engine_reaches_database_and_broker_and_nothing_else() -> None:
    assert {"worker-gpu"} <= reaching("to-database") & reaching("to-broker")
    assert "worker-gpu" not in reaching("to-internet")
    for policy in of_kind("NetworkPolicy").values():
        for rule in policy["spec"].get("egress", []):
            assert rule["ports"], policy["metadata"]["name"]
            assert rule["to"], policy["metadata"]["name"]


def test_policies_name_components_that_exist() -> None:
    named = reaching("to-database") | reaching("to-broker") | reaching("to-internet")

    assert named == set(pods())


def test_every_manifest_is_applied_and_the_secrets_never_are() -> None:
    base = KUBERNETES / "base"
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]

    assert {*listed, "kustomization.yaml"} == {path.name for path in base.glob("*.yaml")}


@pytest.mark.parametrize("name", ["web", "worker-cpu", "worker-gpu"])
def test_a_node_may_be_emptied_but_not_all_at_once(name: str) -> None:
    budget = of_kind("PodDisruptionBudget")[name]["spec"]
    labels = of_kind("Deployment")[name]["spec"]["template"]["metadata"]["labels"]

    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()
