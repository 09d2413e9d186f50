"""Every command line of deploy/ would be understood by the program that it names."""

import re
import shlex
from importlib import import_module
from importlib.util import find_spec

import click
import pytest
import uvicorn
from celery.bin.beat import beat
from celery.bin.control import inspect
from celery.bin.worker import worker
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from governance.kernel.registry import health_checks
from governance.management.commands.metrics import PORT as METRICS_PORT
from governance.stack import probe
from tests.deploy.manifests import ROOT, commands, pod_containers, targets

CELERY = {"worker": worker, "beat": beat, "inspect": inspect}
COMMANDS = commands()
MAKE_TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")


def check_options(program: click.Command, words: list[str]) -> None:
    known = {name for option in program.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known


def check_celery(words: list[str]) -> None:
    assert words[:2] == ["-A", "governance"]
    check_options(CELERY[words[2]], words[3:])


def check_module(name: str, words: list[str]) -> None:
    assert find_spec(name) is not None
    if name == "uvicorn":
        module, _, attribute = words[0].partition(":")
        assert callable(getattr(import_module(module), attribute))
        check_options(uvicorn.main, words[1:])
    elif name == "celery":
        check_celery(words)
    elif name == "inference.worker":
        check_options(worker, words)
    else:
        assert name == probe.__name__
        assert words[0] in {"http", "file"}


def check(command: list[str]) -> None:
    match command:
        case ["python", "manage.py", name, *options]:
            made = load_command_class(get_commands()[name], name)
            made.create_parser("manage.py", name).parse_args(options)
        case ["python", "-m", name, *words]:
            check_module(name, words)
        case ["sh", "-c", line]:
            first, *rest = shlex.split(line)
            assert first == "exec"
            check(rest)
        case _:
            raise AssertionError(f"nobody knows {command}")


@pytest.mark.parametrize("where", COMMANDS)
def test_its_module_command_and_options_exist(where: str) -> None:
    check(COMMANDS[where])


@pytest.mark.parametrize(
    "wrong",
    [
        ["python", "manage.py", "migrat"],
        ["python", "-m", "uvicorn", "governance.asgi:app"],
        ["python", "-m", "celery", "-A", "governance", "worker", "--queue", "generation"],
        ["python", "-m", "inference.workers"],
    ],
)
def test_a_slip_is_found(wrong: list[str]) -> None:
    with pytest.raises((AssertionError, KeyError, AttributeError)):
        check(wrong)


def consumed(image: str) -> set[str]:
    return queues_of(targets()[image].command)


def queues_of(command: list[str]) -> set[str]:
    return set(command[command.index("--queues") + 1].split(","))


def test_every_queue_has_its_worker() -> None:
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}

    trains = queues_of(pod_containers()["worker-training/worker-training"]["command"])
    assert consumed("worker-gpu") | trains == routed
    assert not consumed("worker-gpu") & trains
    assert consumed("worker-cpu") == {settings.CELERY_TASK_DEFAULT_QUEUE}


def test_the_compose_file_trains_as_the_cluster_does() -> None:
    assert (
        commands()["compose worker-training"]
        == pod_containers()["worker-training/worker-training"]["command"]
    )


@pytest.mark.parametrize("image", ["web", "worker-cpu", "worker-gpu", "beat", "metrics"])
def test_the_pod_runs_what_the_image_runs(image: str) -> None:
    command = pod_containers()[f"{image}/{image}"]["command"]

    assert command[: len(targets()[image].command)] == targets()[image].command


def probed(container: dict, probe_name: str) -> str:
    return container[probe_name]["httpGet"]["path"]


def test_the_web_probes_ask_addresses_and_parts_that_exist() -> None:
    web = pod_containers()["web/web"]
    path, _, query = probed(web, "readinessProbe").partition("?")

    assert resolve(path)
    assert resolve(probed(web, "livenessProbe"))
    assert {pair.removeprefix("part=") for pair in query.split("&")} <= {
        check.name for check in health_checks.all()
    }


def test_ports_are_the_settings() -> None:
    ports = {
        name: container["ports"][0]["containerPort"]
        for name, container in pod_containers().items()
        if "ports" in container
    }

    assert ports == {"web/web": targets()["web"].port, "metrics/metrics": METRICS_PORT}
    assert targets()["metrics"].port == METRICS_PORT
    for where in ("image web", "compose web", "pod web/web"):
        words = COMMANDS[where]
        assert int(words[words.index("--port") + 1]) == targets()["web"].port


def test_make_targets_that_the_page_names_exist() -> None:
    makefiles = [ROOT / "Makefile", *(ROOT / "make").glob("*.mk")]
    known = set(
        re.findall(r"^([a-z-]+):", "\n".join(p.read_text() for p in makefiles), re.MULTILINE)
    )

    assert set(MAKE_TARGET.findall((ROOT / "docs" / "deploy.md").read_text())) <= known


def test_management_commands_that_the_page_names_exist() -> None:
    named = re.findall(r"manage\.py ([a-z_]+)", (ROOT / "docs" / "deploy.md").read_text())

    assert named
    assert set(named) <= set(get_commands())
