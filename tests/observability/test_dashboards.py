"""Dashboards and alerts ask for what is exported, and lead to pages that exist."""

import json
import re
from pathlib import Path

import promql_parser
import pytest
import yaml
from django.utils.timezone import now
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from governance.management.commands.metrics import State
from governance.models import ApiKey
from governance.operations.request_counts import counts
from inference.models import EngineStatus
from moderation.kernel.outcomes import Outcome

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "observability"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
ALERTS = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
SCALER = (ROOT / "deploy" / "kubernetes" / "autoscaling" / "scaledobject.yaml").read_text()


def targets(path: Path) -> list[str]:
    board = json.loads(path.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def metrics_of(expression: str) -> set[str]:
    """The metrics that an expression names; ValueError where it is no PromQL."""
    promql_parser.parse(expression)
    return set(re.findall(r"\blicet_[a-z0-9_]+", expression))


def labels_of(expression: str) -> list[tuple[str, str, str, str]]:
    """Metric, label, operator and value of every matcher."""
    return [
        (metric, *matcher)
        for metric, inside in re.findall(r"(licet_[a-z0-9_]+)\{([^}]*)\}", expression)
        for matcher in re.findall(r"(\w+)(=~|!~|!=|=)\"([^\"]*)\"", inside)
    ]


@pytest.fixture
def exported(db, monkeypatch, stored_verdict) -> dict[str, list[dict[str, str]]]:
    """Every sample's name with the labels it came with, from an installation that has one of each."""
    monkeypatch.setattr(
        "governance.management.commands.metrics.close_old_connections", lambda: None
    )
    at = now()
    EngineStatus.objects.create(
        worker="here", state="busy", seen_at=at, gflop_per_second=10, release_slug="tiny"
    )
    counts().count("v1/models", "GET", 200, "", 0.02)
    counts().flush()
    registry = CollectorRegistry()
    registry.register(State())
    text = generate_latest(registry).decode()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.fixture
def stored_verdict(organization):
    """A comparison of the ledger and a decision with one verdict, as the gate writes them."""
    from billing.models import ReconciliationRun
    from governance.kernel.ids import uuid7
    from moderation.models import Decision, VerdictRow

    at = now()
    ReconciliationRun.objects.create(started_at=at, finished_at=at, checked=1, differences=0)
    decision = Decision.objects.create(
        organization_id=organization.id, job_id=uuid7(), stage="input", subject_kind="prompt",
        subject_sha256="a" * 64, policy_version="v", policy_hash="a" * 64, outcome="allow",
        complete=True, actor_kind="api_key", actor_id="k", at=at,
    )  # fmt: skip
    return VerdictRow.objects.create(
        decision=decision, detector="text-gate", detector_version="1", weights_sha256="a" * 64,
        status="done", outcome="allow", latency_ms=40,
    )  # fmt: skip


EXPRESSIONS = {
    **{f"{path.stem} {n}": text for path in DASHBOARDS for n, text in enumerate(targets(path))},
    **{rule["alert"]: rule["expr"] for rule in ALERTS},
    "scaler": re.search(r"query: (.*)", SCALER).group(1),
}


def test_every_metric_that_is_asked_for_is_exported(exported):
    asked = {name for text in EXPRESSIONS.values() for name in metrics_of(text)}

    assert asked - set(exported) == set()
    assert len(asked) > 20


def test_every_label_that_is_asked_for_is_on_its_metric(exported):
    for text in EXPRESSIONS.values():
        for metric, label, _, _ in labels_of(text):
            assert all(label in labels for labels in exported[metric]), (metric, label)


def test_every_grouping_is_by_labels_that_exist(exported):
    for text in EXPRESSIONS.values():
        known = {
            label for name in metrics_of(text) for labels in exported[name] for label in labels
        }
        for grouped in re.findall(r"\bby \(([^)]*)\)", text):
            assert {label.strip() for label in grouped.split(",")} <= known, text


def test_states_standings_parts_and_outcomes_that_are_asked_for_exist(exported):
    closed = {"licet_part_health", "licet_organizations", "licet_jobs_open"}
    for text in EXPRESSIONS.values():
        for metric, label, operator, value in labels_of(text):
            if metric in closed and operator in {"=", "=~"}:
                known = {labels[label] for labels in exported[metric]}
                assert set(value.split("|")) <= known, (metric, value)
            if label == "outcome":
                assert set(value.split("|")) <= set(map(str, Outcome))


def test_problems_that_are_asked_for_are_problems_of_ours(exported):
    source = "".join(path.read_text() for path in ROOT.glob("*/operations/*.py"))

    for text in EXPRESSIONS.values():
        for _, label, operator, value in labels_of(text):
            if label == "code" and operator == "=":
                assert f'code = "{value}"' in source


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_severity_a_reason_and_a_page(rule):
    page = ROOT / rule["annotations"]["runbook_url"]

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"]
    assert page.is_file()
    assert page.parent == ROOT / "docs" / "runbooks"


def test_every_page_is_the_page_of_an_alert():
    pages = {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")}

    assert {Path(rule["annotations"]["runbook_url"]).name for rule in ALERTS} == pages


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported_and_no_panel_covers_another(path):
    board = json.loads(path.read_text())
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert board["uid"] == f"licet-{path.stem}"
    assert "id" not in board
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_no_label_names_a_tenant(exported, organization, api_key):
    told = json.dumps(exported)

    assert ApiKey.objects.count() == 1
    assert str(organization.id) not in told
    assert api_key.key.name not in told
