"""Take the gate out of the code, one piece at a time: the tests must notice every time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = [
    f"tests/moderation/test_{name}.py"
    for name in ("verdicts", "release", "screening", "provenance")
]
RELEASE, SCREENING = "operations/release.py", "operations/screening.py"
MARKING, PICTURES = "operations/marking.py", "operations/pictures.py"

# What is taken out: file, text that stands there, text in its place.
THE_GATE_CALL = [
    (RELEASE, "    _raise_unless_allowed(result, bundle)\n    prov", "    prov"),
    (SCREENING, "    _raise_unless_allowed(result, bundle, text)\n    receipt", "    receipt"),
]
EACH_PART = [
    (
        RELEASE,
        "load_image(required).read_image(picture, sha256=subject.sha256)",
        "Reading(subject.sha256, {'harm': 0.0})",
    ),
    (
        SCREENING,
        "load_text(required).read_text(text, sha256=digest)",
        "Reading(digest, {'harm': 0})",
    ),
    (RELEASE, "    _check_prompt(prompt, job_id)\n", ""),
    (PICTURES, "if not same_size or _drift(", "if not same_size and _drift("),
    (PICTURES, "    picture.setflags(write=False)\n", ""),
    (MARKING, "    marked.setflags(write=False)\n", ""),
    (MARKING, "found is None or found.mark != mark or found.fit < SAFE_FIT", "False"),
    (MARKING, 'read.state != "trusted" or ', "False and "),
    (MARKING, "    if waiver:\n", "    if not waiver:\n"),
    ("operations/stages.py", "        check_reading(reading, ", "        dict(reading=reading, "),
    ("operations/stages.py", "within(required.timeout_ms / MILLISECONDS, ", "(lambda f: f())("),
    ("classifiers/registry.py", "    check_pins(classifier, required)\n", ""),
    ("kernel/receipts.py", "    if not genuine:\n", "    if not facts:\n"),
    ("kernel/passes.py", "    if seal is not _SEAL:", "    if False:"),
    ("kernel/outcomes.py", "default=Outcome.REVIEW", "default=Outcome.ALLOW"),
]


def overlay(folder, mutation):
    """A copy of the house in ``folder`` with one piece of moderation changed."""
    where, before, after = mutation
    for name in ("governance", "billing", "inference", "templates", "static", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "tests").mkdir()
    (folder / "tests" / "moderation").symlink_to(ROOT / "tests" / "moderation")
    ignore = shutil.ignore_patterns("weights", "__pycache__")
    shutil.copytree(ROOT / "moderation", folder / "moderation", ignore=ignore)
    (folder / "moderation" / "weights").symlink_to(ROOT / "moderation" / "weights")
    target = folder / "moderation" / where
    source = target.read_text()
    assert source.count(before) == 1, f"{where} no longer holds {before!r}"
    target.write_text(source.replace(before, after))


def suite_fails(folder, mutation):
    """Whether the gate's tests fail on the mutant; its last lines for people."""
    overlay(folder, mutation)
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "governance.settings",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", *SUITE]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout[-600:]


@pytest.mark.parametrize("mutation", THE_GATE_CALL, ids=lambda each: each[0])
def test_without_the_gate_call_the_tests_fail(tmp_path, mutation):
    code, output = suite_fails(tmp_path, mutation)

    assert code == 1, output


@pytest.mark.slow
@pytest.mark.parametrize(
    "mutation", EACH_PART, ids=lambda each: f"{each[0]} {each[1].strip()[:40]}"
)
def test_without_any_part_of_the_gate_the_tests_fail(tmp_path, mutation):
    code, output = suite_fails(tmp_path, mutation)

    assert code == 1, output


@pytest.mark.slow
def test_without_a_mutation_the_tests_pass(tmp_path):
    code, output = suite_fails(
        tmp_path, (PICTURES, "SMALLEST_SIDE, CHANNELS, D", "SMALLEST_SIDE, CHANNELS, D")
    )

    assert code == 0, output
