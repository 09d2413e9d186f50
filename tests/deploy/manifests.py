"""What deploy/ says, read into one shape: containers, whoever describes them."""

import json
import shlex
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "deploy" / "docker"
KUBERNETES = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(KUBERNETES.rglob("*.yaml"))
YAML_FILES = sorted((ROOT / "deploy").rglob("*.yaml"))
OURS = "licet/"


@dataclass
class Target:
    """One stage of the Dockerfile with what it inherits."""

    parent: str
    env: dict[str, str] = field(default_factory=dict)
    user: str = ""
    port: int | None = None
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


def instructions() -> list[list[str]]:
    """Each instruction of the Dockerfile as its word and the rest, continuation lines joined."""
    lines = [
        line
        for line in (DOCKER / "Dockerfile").read_text().splitlines()
        if not line.startswith("#")
    ]
    text = "\n".join(lines).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


@cache
def targets() -> dict[str, Target]:
    """The Dockerfile's stages by name."""
    found: dict[str, Target] = {}
    stage = Target("")
    for word, rest in instructions():
        if word == "FROM":
            image, _, name = rest.split()
            parent = found.get(image, Target(""))
            stage = found[name] = Target(
                image, dict(parent.env), parent.user, parent.port, parent.command, parent.health
            )
        elif word == "ENV":
            stage.env |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "USER":
            stage.user = rest
        elif word == "EXPOSE":
            stage.port = int(rest)
        elif word == "CMD":
            stage.command = json.loads(rest)
        elif word == "HEALTHCHECK":
            stage.health = json.loads(rest.partition(" CMD ")[2])
    return found


@cache
def compose() -> dict[str, Any]:
    """The compose file, its anchors resolved."""
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


@cache
def resources() -> list[dict[str, Any]]:
    """Every resource of every manifest."""
    return [
        resource
        for path in MANIFESTS
        for resource in yaml.safe_load_all(path.read_text())
        if resource["kind"] != "Kustomization"
    ]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    """The resources of one kind by name."""
    return {each["metadata"]["name"]: each for each in resources() if each["kind"] == kind}


def pods() -> dict[str, dict[str, Any]]:
    """The pod specifications by the name of their Deployment or Job."""
    owners = of_kind("Deployment") | of_kind("Job")
    return {name: owner["spec"]["template"]["spec"] for name, owner in owners.items()}


def pod_containers() -> dict[str, dict[str, Any]]:
    """Every container of every pod, the ones that run first among them."""
    return {
        f"{name}/{container['name']}": container
        for name, pod in pods().items()
        for container in [*pod.get("initContainers", []), *pod["containers"]]
    }


def our_services() -> dict[str, dict[str, Any]]:
    """The compose file's services that run our images."""
    return {
        name: service
        for name, service in compose()["services"].items()
        if service["image"].startswith(OURS)
    }


def commands() -> dict[str, list[str]]:
    """Every command line of ours, by where it stands."""
    found: dict[str, list[str]] = {}
    for name, target in targets().items():
        found |= {f"image {name}": target.command, f"image {name} health": target.health}
    for name, service in our_services().items():
        found[f"compose {name}"] = service.get("command", [])
    for name, container in pod_containers().items():
        found[f"pod {name}"] = container["command"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            exec_ = container.get(probe, {}).get("exec", {})
            found[f"pod {name} {probe}"] = exec_.get("command", [])
    return {where: command for where, command in found.items() if command}
