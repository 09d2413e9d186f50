"""The chapters of the compliance report that are about the acceptable-use gate."""

from django.db import connection

from governance.kernel.report_parts import Check, Clause, ReportScope, ReportSection, Table
from moderation.models import (
    AbuseNote,
    Appeal,
    Policy,
    PolicyActivation,
    PolicyMeasure,
    PreservationHold,
    Removal,
    ReviewCase,
    Strike,
    UserReport,
)

LICENCE = "Krea 2 Community License Agreement"
POLICY = "Krea Acceptable Use Policy"
# Each verdict that the log names, beside the decisions; and each refusal.
DECISIONS = """
    WITH named AS (
        SELECT (facts->>'decision')::uuid AS id, 'allowed' AS kind
        FROM governance_audit_entry
        WHERE act = 'generation.submitted' AND facts ? 'decision'
          AND at >= %(starts_at)s AND at < %(ends_at)s
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
        UNION ALL
        SELECT (image->>'decision')::uuid, 'released'
        FROM governance_audit_entry,
             LATERAL jsonb_path_query(facts, 'lax $.images[*] ? (@.decision != null)') AS image
        WHERE act = 'generation.succeeded' AND at >= %(starts_at)s AND at < %(ends_at)s
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
        UNION ALL
        SELECT subject_id::uuid, 'withheld'
        FROM governance_audit_entry
        WHERE act IN ('prompt.withheld', 'negative_prompt.withheld', 'image.withheld',
                      'media.withheld')
          AND subject_kind = 'decision' AND at >= %(starts_at)s AND at < %(ends_at)s
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
    )
    SELECT kind, count(*), count(d.id),
           count(*) FILTER (WHERE d.id IS NULL OR (d.outcome IN ('allow', 'label')) <> (kind <> 'withheld'))
    FROM named LEFT JOIN moderation_decision d USING (id) GROUP BY kind ORDER BY kind
"""


def gate(scope: ReportScope) -> list[ReportSection]:
    """Filters, incidents, policies and the duties that follow a refusal."""
    return [filters(scope), incidents(scope), policies(scope), preservation(scope)]


def within(scope: ReportScope, field: str) -> dict[str, object]:
    """The period and, where one is asked for, the organization, as a filter."""
    found: dict[str, object] = {f"{field}__gte": scope.starts_at, f"{field}__lt": scope.ends_at}
    if scope.organization_id is not None:
        found["organization_id"] = scope.organization_id
    return found


def filters(scope: ReportScope) -> ReportSection:
    """The six features that the licence counts as content filters, each with its measure."""
    figures, images = scope.figures, scope.figures["images"]
    cases = ReviewCase.objects.filter(**within(scope, "opened_at"))
    reports = UserReport.objects.filter(**within(scope, "at"))
    strikes = Strike.objects.filter(**within(scope, "at"))
    notes = AbuseNote.objects.filter(**within(scope, "at"))
    rows = (
        ("Prompt filtering", "Every prompt is judged before anything is drawn.",
         f"{figures['generations']['asked']:,} prompts, {figures['generations']['filtered_out']:,} refused"),
        ("Output filtering", "Every image is judged before it leaves.",
         f"{images['screened']:,} released with a verdict, {images['withheld']:,} withheld"),
        ("Abuse detection", "Strikes with expiry, counts of refusals and evasions.",
         f"{strikes.count():,} strikes, {notes.count():,} warnings"),
        ("User reporting", "Anybody may report a delivered image, with an account or without one.",
         f"{reports.count():,} reports"),
        ("Moderation workflows", "Leased queue, severity by age, appeals by another person.",
         f"{cases.count():,} cases opened, {figures['reviews']['decided']:,} decided"),
        ("Human review", "Clause and reason are required; one case in twenty is judged twice.",
         f"{figures['reviews']['uphold']:,} upheld, {figures['reviews']['overturn']:,} overturned"),
    )  # fmt: skip
    return ReportSection(
        "filters",
        "The six content filters",
        20,
        "The licence names six features; each has its line here and its entries in the log.",
        tables=(
            Table("Features and what was measured", ("Feature", "Control", "Measured"), rows),
            Table("Classifiers", ("Classifier", "Version", "SHA-256 of the weights", "Verdicts", "Failed"),
                  classifiers(scope)),
        ),
        checks=tuple(checks(scope)),
    )  # fmt: skip


def classifiers(scope: ReportScope) -> tuple[tuple[str, ...], ...]:
    """Which classifiers judged in the period, in which version, and how often one failed."""
    conditions = ["d.at >= %(starts_at)s", "d.at < %(ends_at)s"]
    if scope.organization_id is not None:
        conditions.append("d.organization_id = %(organization)s")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT v.detector, v.detector_version, v.weights_sha256, count(*),
                       count(*) FILTER (WHERE v.status = 'failed')
                FROM moderation_verdict v JOIN moderation_decision d ON d.id = v.decision_id
                WHERE {" AND ".join(conditions)} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",  # noqa: S608
            {"starts_at": scope.starts_at, "ends_at": scope.ends_at,
             "organization": scope.organization_id},
        )  # fmt: skip
        rows = cursor.fetchall()
    return tuple(
        (name, version, weights or "none", f"{count:,}", f"{failed:,}")
        for name, version, weights, count, failed in rows
    )


def checks(scope: ReportScope) -> list[Check]:
    """Verdicts that the log names beside the gate's own decisions."""
    with connection.cursor() as cursor:
        cursor.execute(
            DECISIONS,
            {
                "starts_at": scope.starts_at,
                "ends_at": scope.ends_at,
                "organization": scope.organization_id,
            },
        )
        found = {kind: rest for kind, *rest in cursor.fetchall()}
    titles = {
        "allowed": "prompts that were let in, by verdict",
        "released": "images that were released, by verdict",
        "withheld": "refusals, by verdict",
    }
    return [Check(title, *found.get(kind, (0, 0, 0))) for kind, title in titles.items()]


def incidents(scope: ReportScope) -> ReportSection:
    """Refusals by item of the policy, and how long people took to look."""
    figures = scope.figures
    rows = tuple(
        (f"item {item}" if item != "none" else "no item", f"{counts['prompt'] + counts['negative_prompt']:,}",
         f"{counts['image']:,}", f"{counts['media']:,}")
        for item, counts in sorted(figures["incidents"].items(), key=lambda pair: (len(pair[0]), pair[0]))
    )  # fmt: skip
    reviews, appeals = figures["reviews"], figures["appeals"]
    mean = reviews["waited_s"] // reviews["decided"] if reviews["decided"] else 0
    waiting = Appeal.objects.filter(**within(scope, "opened_at"))
    late = waiting.exclude(decided_at__lt=scope.ends_at).count()
    return ReportSection(
        "incidents",
        "Incidents, reviews and appeals",
        50,
        "What was refused, under which item of the policy, and what people said of it.",
        facts=(
            ("Cases decided", f"{reviews['decided']:,}"),
            ("Time to decision, mean and longest", f"{spell(mean)}, {spell(reviews['longest_s'])}"),
            ("Appeals filed, upheld, overturned",
             f"{appeals['filed']:,}, {appeals['upheld']:,}, {appeals['overturned']:,}"),
            ("Appeals without an answer at the end", f"{late:,}"),
        ),
        tables=(
            Table("Refusals by item", ("Item of the policy", "Prompts", "Images", "References"), rows),
        ),
    )  # fmt: skip


def spell(seconds: int) -> str:
    """A duration for people."""
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def policies(scope: ReportScope) -> ReportSection:
    """Policies that were put in force by the end, with their hashes and evaluations."""
    active = PolicyActivation.objects.filter(at__lt=scope.ends_at).order_by("at", "id")
    measures = PolicyMeasure.objects.filter(at__lt=scope.ends_at, kind="evaluation")
    known = Policy.objects.filter(created_at__lt=scope.ends_at)
    rows = tuple(
        (each.at.strftime("%Y-%m-%d"), each.policy.version, each.mode, each.policy.hash)
        for each in active.select_related("policy")
    )
    evaluated = tuple(
        (each.at.strftime("%Y-%m-%d"), each.policy.version, each.subject)
        for each in measures.select_related("policy").order_by("at", "id")
    )
    return ReportSection(
        "policies",
        "Policies and their evaluation",
        65,
        "A policy is addressed by its hash and put in force by two people. Until one is, the shipped "
        "policy judges.",
        facts=(("Policies on record", str(known.count())),),
        tables=(
            Table("Put in force", ("Day", "Version", "Mode", "SHA-256"), rows),
            Table("Evaluations", ("Day", "Version", "Set"), evaluated),
        ),
        clauses=(
            Clause(
                "4.4",
                POLICY,
                "The Acceptable Use Policy is part of the agreement.",
                "Refusals name the policy's item; thresholds and rules are hashed bundles.",
                f"{len(scope.figures['incidents'])} items with refusals, {len(rows)} activations",
                "entries policy.*, *.withheld",
                "pass",
            ),
        ),
    )


def preservation(scope: ReportScope) -> ReportSection:
    """Removals and what must be preserved: counts only."""
    open_late = Removal.objects.filter(due_at__lt=scope.ends_at).exclude(
        closed_at__lt=scope.ends_at
    )
    if scope.organization_id is not None:
        open_late = open_late.filter(organization_id=scope.organization_id)
    holds = PreservationHold.objects.filter(placed_at__lt=scope.ends_at).exclude(
        released_at__lt=scope.ends_at
    )
    if scope.organization_id is not None:
        holds = holds.filter(evidence__organization_id=scope.organization_id)
    overdue, removals = open_late.count(), scope.figures["removals"]
    return ReportSection(
        "removals",
        "Removals and preservation",
        80,
        "Intimate images are taken away within 48 hours; reported child-safety evidence is kept a year.",
        facts=(
            ("Removals done, rejected", f"{removals['removed']:,}, {removals['rejected']:,}"),
            ("Removals overdue at the end", f"{overdue:,}"),
            ("Preservation holds in force", f"{holds.count():,}"),
        ),
        clauses=(
            Clause(
                "48 hours",
                "TAKE IT DOWN Act",
                "Non-consensual intimate images are removed within 48 hours of the request.",
                "A removal has a due time; its hash keeps the image from coming back.",
                f"{removals['late']:,} late, {overdue:,} overdue",
                "entries removal.*",
                "fail" if overdue else "attention" if removals["late"] else "pass",
            ),
        ),
    )
