"""Variables of deploy/ are settings of the product, and their values are accepted."""

import tomllib
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from governance.env import Env
from inference.supervisor import HAND_BACK_S
from tests.deploy.manifests import (
    DOCKER,
    OURS,
    ROOT,
    YAML_FILES,
    compose,
    of_kind,
    our_services,
    pod_containers,
    pods,
    targets,
)

SETTINGS = {str(each.validation_alias): each for each in Env.model_fields.values()}
# What Python, the libraries and the GPU's container runtime read.
OTHERS = {
    "HF_HUB_OFFLINE",
    "HOME",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_VISIBLE_DEVICES",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
}
PRODUCTION_SECRETS = (
    "LICET_SECRET_KEY",
    "LICET_API_KEY_PEPPER",
    "LICET_RECEIPT_KEY",
    "LICET_AUDIT_KEY",
    "LICET_PROVENANCE_KEY",
)


def example(name: str) -> dict[str, str]:
    """The variables of an example of an environment file."""
    lines = (DOCKER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def secrets(name: str) -> dict[str, str]:
    return of_kind("Secret")[name]["stringData"]


def settings_map() -> dict[str, str]:
    return of_kind("ConfigMap")["licet-settings"]["data"]


def variables() -> dict[str, set[str]]:
    """Every variable that one of our processes gets, by where it is set."""
    found = {
        "settings.yaml": set(settings_map()),
        "licet-secrets": set(secrets("licet-secrets")),
        "licet-payments": set(secrets("licet-payments")),
        "licet.env.example": set(example("licet.env.example")),
    }
    found |= {f"compose {name}": set(each["environment"]) for name, each in our_services().items()}
    found |= {f"image {name}": set(each.env) - OTHERS for name, each in targets().items()}
    found |= {
        f"pod {name}": {variable["name"] for variable in each.get("env", [])}
        for name, each in pod_containers().items()
    }
    return {where: names for where, names in found.items() if names}


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: path.name)
def test_every_yaml_file_is_read(path: Any) -> None:
    assert all(isinstance(each, dict) for each in yaml.safe_load_all(path.read_text()))


@pytest.mark.parametrize("where", variables())
def test_every_variable_is_a_setting(where: str) -> None:
    assert variables()[where] <= set(SETTINGS)


def accepted(given: dict[str, str]) -> Env:
    made_up = dict.fromkeys(PRODUCTION_SECRETS, "x" * 48)
    return Env(_env_file=None, **{**made_up, **{k: v for k, v in given.items() if v}})


def test_the_clusters_settings_are_accepted_in_production() -> None:
    env = accepted(settings_map() | secrets("licet-secrets"))

    assert env.environment == "production"
    assert env.port == targets()["web"].port


def test_the_compose_files_settings_are_accepted_in_production() -> None:
    for service in our_services().values():
        env = accepted(example("licet.env.example") | service["environment"])
        assert env.environment == "production"
        assert env.port == targets()["web"].port


@pytest.mark.parametrize("given", [secrets("licet-secrets"), example("licet.env.example")])
def test_no_secret_has_a_value_and_each_that_production_needs_is_asked_for(given: dict) -> None:
    assert set(PRODUCTION_SECRETS) <= set(given)
    for name, value in given.items():
        is_secret = name in SETTINGS and "Secret" in str(SETTINGS[name].annotation)
        assert not (is_secret and value), f"{name} is filled in"


def test_production_refuses_to_start_without_them() -> None:
    with pytest.raises(ValidationError, match="LICET_SECRET_KEY"):
        Env(_env_file=None, LICET_ENVIRONMENT="production", LICET_HOME="/nonexistent")


@pytest.mark.parametrize("allowed", [settings_map(), example("licet.env.example")])
def test_probes_come_under_a_host_name_that_is_answered(allowed: dict[str, str]) -> None:
    hosts = set(allowed["LICET_ALLOWED_HOSTS"].split(","))
    web = pod_containers()["web/web"]
    asked = {
        header["value"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
        for header in web[name]["httpGet"]["httpHeaders"]
    }

    assert asked == {"localhost"}
    assert asked | {"127.0.0.1"} <= hosts


def test_every_path_of_the_settings_is_a_mounted_folder() -> None:
    for name, container in pod_containers().items():
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {settings_map()["LICET_HOME"], "/tmp"} <= mounts, name
    for name in ("web", "worker-cpu", "worker-gpu"):
        mounts = {
            mount["mountPath"] for mount in pod_containers()[f"{name}/{name}"]["volumeMounts"]
        }
        assert settings_map()["LICET_BLOB_ROOT"] in mounts, name
    for name in ("web", "worker-gpu"):
        mounts = {
            mount["mountPath"] for mount in pod_containers()[f"{name}/{name}"]["volumeMounts"]
        }
        assert "/" + settings_map()["LICET_MODEL"].split("/")[1] in mounts, name


def test_no_service_makes_a_variable_of_ours() -> None:
    assert all(pod["enableServiceLinks"] is False for pod in pods().values())


def test_images_have_the_version_of_the_product_and_no_tag_moves_on_its_own() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for container in pod_containers().values()}
    images |= {service["image"] for service in compose()["services"].values()}
    images |= {each.parent for each in targets().values()} - set(targets())

    for image in images:
        name, _, tag = image.partition(":")
        assert tag not in {"", "latest"}, image
        assert not name.startswith(OURS) or tag == version, image
        assert not name.startswith(OURS) or name.removeprefix(OURS) in targets(), image


def test_workers_have_time_to_finish_what_they_draw_before_they_are_killed() -> None:
    drain_s = int(SETTINGS["LICET_DRAIN_S"].default)
    pod_s = pods()["worker-gpu"]["terminationGracePeriodSeconds"]
    compose_s = int(our_services()["worker-gpu"]["stop_grace_period"].removesuffix("s"))

    assert "LICET_DRAIN_S" not in settings_map().keys() | example("licet.env.example").keys()
    assert min(pod_s, compose_s) >= drain_s + 2 * HAND_BACK_S
