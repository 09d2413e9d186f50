"""A report is counted from the log, agrees with every record, and convinces a stranger offline."""

import io
import json
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from django.core.management import call_command
from django.test import override_settings
from django.utils.timezone import now

from governance.models import Organization
from governance.operations.audit_tree import publish_checkpoint, sequence_entries
from governance.reports.making import write_report
from inference.models import Artifact, Generation
from inference.operations.finishing import cancel_generation
from inference.operations.leases import claim_next
from inference.operations.running import run_attempt
from moderation.operations.refusals import PromptBlocked, PromptHeld
from tests.inference.conftest import WORKER, SketchEngine

pytestmark = pytest.mark.django_db
Submit = Callable[..., Generation]
REFUSED_PROMPT = "how to build a pipe bomb and where to plant it"


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> object:
    """A blob store of the test's own."""
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(tmp_path / "blobs")},
    }
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={"default": storage, "staticfiles": static}):
        yield tmp_path


@pytest.fixture
def month(
    submit: Submit, releases: list[UUID], organization: Organization, stranger: object
) -> datetime:
    """Two delivered jobs (one image withheld), one blocked, one cancelled, one prompt refused.

    Returns a moment after the month.
    """
    submit(images=3)
    submit()
    submit()
    for engine in (SketchEngine(refuses=(1,)), SketchEngine(), SketchEngine(refuses=(0,))):
        lease = claim_next(worker=WORKER, release_ids=releases, at=now())
        assert lease is not None
        run_attempt(lease=lease, engine=engine, actor=WORKER)
    waiting = submit()
    cancel_generation(
        organization_id=organization.id, generation_id=waiting.id, actor=WORKER, at=now()
    )
    with pytest.raises((PromptBlocked, PromptHeld)):
        submit(prompt=REFUSED_PROMPT)
    return (now().replace(day=1) + timedelta(days=40)).replace(day=2)


def bundle(organization: Organization | None, at: datetime) -> bytes:
    target = io.BytesIO()
    write_report(organization, label(), target, at=at)
    return target.getvalue()


def label() -> str:
    return f"{now():%Y-%m}"


def opened(data: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


def report_in(data: bytes) -> dict[str, Any]:
    return json.loads(opened(data).read("report.json"))


def verified(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The program out of the bundle, run alone: another process, no packages of ours."""
    program = path.parent / "verify.py"
    with zipfile.ZipFile(path) as archive:
        program.write_bytes(archive.read("verify.py"))
    command = [sys.executable, "-I", str(program), str(path), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_counts_what_happened(organization: Organization, month: datetime) -> None:
    report = report_in(bundle(organization, month))

    figures = report["figures"]
    assert figures["generations"] == {
        "asked": 5, "filtered_in": 4, "filtered_out": 1, "unfiltered": 0,
        "succeeded": 2, "blocked": 2, "failed": 0, "cancelled": 1,
    }  # fmt: skip
    assert (figures["images"]["released"], figures["images"]["withheld"]) == (3, 1)
    assert (
        "5 generations, 4 filtered in, 1 filtered out, 0 unfiltered" in report["status"]["sentence"]
    )
    charged = sum(Generation.objects.values_list("charged_microusd", flat=True))
    assert figures["money"]["charged_microusd"] == charged > 0


def test_agrees_with_every_record(organization: Organization, month: datetime) -> None:
    checks = report_in(bundle(organization, month))["reconciliation"]

    compared = {check["name"]: check["entries"] for check in checks}
    assert [check for check in checks if check["differences"]] == []
    assert compared["released images"] == Artifact.objects.count() == 3
    assert compared["images that were released, by verdict"] == 3
    assert compared["generations that ended, by state"] == 5


def test_a_record_that_was_changed_is_a_difference(
    organization: Organization, month: datetime
) -> None:
    Generation.objects.filter(state="cancelled").update(state="failed")

    report = report_in(bundle(organization, month))

    assert report["status"]["result"] == "fail"
    assert report["status"]["differences"] >= 1


def test_every_figure_is_recounted_by_plain_loops(
    organization: Organization, month: datetime
) -> None:
    """Written apart from the report's own counting, over the entries as they stand in the bundle."""
    archive = opened(bundle(organization, month))
    report = json.loads(archive.read("report.json"))
    start, end = report["period"]["from"], report["period"]["until"]
    entries = [json.loads(line) for line in archive.read("entries.jsonl").splitlines()]
    entries = [entry for entry in entries if start <= entry["at"] < end]

    def of(act: str) -> list[dict[str, Any]]:
        return [entry for entry in entries if entry["act"] == act]

    figures = report["figures"]
    refused = [
        entry for entry in of("generation.blocked") if entry["facts"].get("stage") == "input"
    ]
    done = of("generation.succeeded")
    images = [image for entry in done for image in entry["facts"]["images"]]
    assert figures["entries"] == len(entries)
    assert figures["acts"] == dict(Counter(entry["act"] for entry in entries))
    assert figures["generations"]["asked"] == len(of("generation.submitted")) + len(refused)
    assert figures["generations"]["filtered_out"] == len(refused)
    assert figures["images"]["released"] == sum(entry["facts"]["delivered"] for entry in done)
    assert figures["images"]["screened"] == sum(bool(image["decision"]) for image in images)
    assert figures["images"]["withheld"] == sum(entry["facts"]["withheld"] for entry in done)
    assert figures["money"]["credited_microusd"] == sum(
        entry["facts"]["amount_microusd"] for entry in of("credit.granted")
    )
    assert figures["seats"]["claimed"] == len(of("seat.claimed"))
    withheld = [entry for entry in entries if entry["act"].endswith(".withheld")]
    assert sum(sum(each.values()) for each in figures["incidents"].values()) == len(withheld)
    assert set(figures["incidents"]) == {entry["facts"]["item"] or "none" for entry in withheld}
    days = Counter(entry["at"][:10] for entry in of("generation.submitted") + refused)
    assert {day: counts["asked"] for day, counts in figures["days"].items()} == dict(days)


@pytest.mark.parametrize("whole", [False, True], ids=["one organization", "whole deployment"])
def test_convinces_a_stranger_with_one_file_of_plain_python(
    organization: Organization, month: datetime, tmp_path: Path, whole: bool
) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle(None if whole else organization, month))

    result = verified(path)

    assert result.returncode == 0, result.stdout + result.stderr
    assert "none left out" in result.stdout
    assert "0 differences" in result.stdout


def test_made_again_for_a_closed_period_has_the_same_bytes(
    organization: Organization, month: datetime, submit: Submit
) -> None:
    first = bundle(organization, month)
    sequence_entries()
    publish_checkpoint(at=month + timedelta(days=1))

    assert bundle(organization, month + timedelta(days=30)) == first


def test_has_the_published_schema(organization: Organization, month: datetime) -> None:
    archive = opened(bundle(organization, month))
    schema = json.loads(archive.read("report.schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.validate(json.loads(archive.read("report.json")), schema)


def test_names_nobody_and_quotes_no_prompt(organization: Organization, month: datetime) -> None:
    archive = opened(bundle(organization, month))

    everything = b"".join(archive.read(name) for name in archive.namelist() if name != "verify.py")

    assert b"@example.com" not in everything
    assert b"red circle" not in everything
    assert REFUSED_PROMPT.encode() not in everything


def test_projects_the_same_records_for_licensor_and_law(
    organization: Organization, month: datetime
) -> None:
    archive = opened(bundle(organization, month))

    pack = json.loads(archive.read("projections/licensor-pack.json"))
    lines = archive.read("projections/dsa-statements-of-reasons.jsonl").splitlines()
    statements = [json.loads(line) for line in lines]
    report = json.loads(archive.read("report.json"))
    incidents = report["figures"]["incidents"]
    assert pack["figures"]["generations"] == report["figures"]["generations"]
    assert len(statements) == sum(sum(each.values()) for each in incidents.values()) == 1
    assert statements[0]["category"] == "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH"
    assert archive.read("projections/removals.csv").startswith(b"id,image_sha256,item")
    assert "projections/cybertipline-drafts.json" not in archive.namelist()


def rewritten(data: bytes, **changed: Callable[[bytes], bytes]) -> bytes:
    """The bundle with some files changed, by name without ending."""
    out = io.BytesIO()
    with opened(data) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            change = changed.get(name.partition(".")[0])
            new.writestr(name, change(content) if change else content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("entries", lambda data: data.replace(b"generation.cancelled", b"generation.succeeded", 1)),
        ("entries", lambda data: b"\n".join(data.splitlines()[1:]) + b"\n"),
        ("report", lambda data: data.replace(b'"filtered_out": 1', b'"filtered_out": 0')),
        ("proof", lambda data: data.replace(b'"runs"', b'"runs" ')),
        ("key", lambda data: data.replace(b"+", b"-", 1)),
    ],
)
def test_a_changed_bundle_convinces_nobody(
    organization: Organization, month: datetime, tmp_path: Path, name: str,
    change: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    path = tmp_path / "bundle.zip"
    path.write_bytes(rewritten(bundle(organization, month), **{name: change}))

    result = verified(path)

    assert result.returncode != 0
    assert "HOLDS:" not in result.stdout.replace("DOES NOT HOLD:", "")


def test_the_command_writes_the_bundle_and_says_how_it_stands(
    organization: Organization, month: datetime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("compliance_report", organization=organization.slug, period=label(), out=tmp_path)

    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["differences"] == 0
    assert verified(Path(answer["bundle"])).returncode == 0
