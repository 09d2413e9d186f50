"""The chapters of the compliance report that are about generations and their images."""

from django.db import connection

from governance.kernel.report_parts import Check, Clause, ReportScope, ReportSection, Result

LICENCE = "Krea 2 Community License Agreement"
# What the log says ended in the period, beside the rows of jobs and images.
RECONCILE = """
    WITH ended AS (
        SELECT subject_id::uuid AS id, split_part(act, '.', 2) AS state,
               coalesce((facts->>'delivered')::bigint, 0) AS delivered,
               coalesce((facts->>'charged_microusd')::bigint, 0) AS charged
        FROM governance_audit_entry
        WHERE act IN ('generation.succeeded', 'generation.blocked', 'generation.failed',
                      'generation.cancelled')
          AND at >= %(starts_at)s AND at < %(ends_at)s
          AND (%(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid)
    ), images AS (
        SELECT generation_id AS id, count(*) AS stored,
               count(*) FILTER (WHERE receipt ? 'decision' AND receipt ? 'signature') AS receipted
        FROM inference_artifact
        WHERE %(organization)s::uuid IS NULL OR organization_id = %(organization)s::uuid
        GROUP BY generation_id
    )
    SELECT count(*), count(g.id),
           count(*) FILTER (WHERE g.id IS NULL OR g.state <> ended.state),
           coalesce(sum(ended.delivered), 0)::bigint, coalesce(sum(images.stored), 0)::bigint,
           count(*) FILTER (WHERE coalesce(images.stored, 0) <> ended.delivered),
           coalesce(sum(images.receipted), 0)::bigint,
           coalesce(sum(ended.charged), 0)::bigint, coalesce(sum(g.charged_microusd), 0)::bigint,
           count(*) FILTER (WHERE g.charged_microusd IS DISTINCT FROM ended.charged)
    FROM ended
    LEFT JOIN inference_generation g ON g.id = ended.id
    LEFT JOIN images ON images.id = ended.id
"""
UNRECORDED = """
    SELECT count(*), count(*) FILTER (WHERE e.id IS NULL)
    FROM inference_generation g
    LEFT JOIN governance_audit_entry e
      ON e.subject_kind = 'generation' AND e.subject_id = g.id::text
     AND e.act = 'generation.' || g.state
    WHERE g.finished_at >= %(starts_at)s AND g.finished_at < %(ends_at)s
      AND (%(organization)s::uuid IS NULL OR g.organization_id = %(organization)s::uuid)
"""


def coverage(scope: ReportScope) -> list[ReportSection]:
    """What was asked, filtered, drawn and released, and that jobs, images and charges agree with it."""
    total, images = scope.figures["generations"], scope.figures["images"]
    sentence = (
        f"{total['asked']:,} generations, {total['filtered_in']:,} filtered in, "
        f"{total['filtered_out']:,} filtered out, {total['unfiltered']:,} unfiltered."
    )
    return [
        ReportSection(
            "coverage",
            "Coverage",
            40,
            sentence,
            facts=(
                ("Ended: succeeded, blocked, failed, cancelled",
                 ", ".join(f"{total[state]:,}" for state in ("succeeded", "blocked", "failed", "cancelled"))),
                ("Images released", f"{images['released']:,}"),
                ("Images released with a verdict of their own", f"{images['screened']:,}"),
                ("Images withheld", f"{images['withheld']:,}"),
            ),
            clauses=(coverage_clause(scope),),
            checks=tuple(checks(scope)),
        ),
        provenance(scope),
    ]  # fmt: skip


def coverage_clause(scope: ReportScope) -> Clause:
    """4.2: nothing passes beside the filters."""
    total, images = scope.figures["generations"], scope.figures["images"]
    beside = total["unfiltered"] + images["unscreened"]
    return Clause(
        "4.2",
        LICENCE,
        "Reasonable content filters that detect, prevent and mitigate.",
        "The engine takes only screened prompts; an image leaves only with a receipt for its bytes.",
        f"{total['unfiltered']:,} prompts and {images['unscreened']:,} images without a verdict",
        "entries generation.*; receipts",
        "fail" if beside else "pass",
    )


def provenance(scope: ReportScope) -> ReportSection:
    """How many released images carry credentials and watermark, as read back from their bytes."""
    images = scope.figures["images"]
    released, signed, marked = images["released"], images["credentials"], images["watermarks"]
    result: Result = "pass" if signed == marked == released else "attention"
    return ReportSection(
        "provenance",
        "Provenance",
        70,
        "Every released image says that it was generated, in two layers, read back before release.",
        facts=(
            ("Content credentials (C2PA)", f"{signed:,} of {released:,} images"),
            ("Invisible watermark", f"{marked:,} of {released:,} images"),
        ),
        clauses=(
            Clause(
                "4.1(c), 4.3",
                LICENCE,
                "Provenance is not removed; generated content is disclosed.",
                "Credentials and watermark are on by default; two people switch them off, for a reason.",
                f"{min(signed, marked):,} of {released:,} images carry both",
                "entries generation.succeeded, provenance.*",
                result,
            ),
        ),
    )


def checks(scope: ReportScope) -> list[Check]:
    """Jobs, images and charges of the log beside the domain's rows."""
    values = {
        "starts_at": scope.starts_at,
        "ends_at": scope.ends_at,
        "organization": scope.organization_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(RECONCILE, values)
        row = cursor.fetchone()
        cursor.execute(UNRECORDED, values)
        ended, unrecorded = cursor.fetchone()
    (entries, jobs, wrong_jobs, delivered, stored, wrong_images, receipted,
     charged, billed, wrong_charges) = row  # fmt: skip
    return [
        Check("generations that ended, by state", entries, jobs, wrong_jobs),
        Check(
            "ended generations that the log does not know", ended - unrecorded, ended, unrecorded
        ),
        Check("released images", delivered, stored, wrong_images),
        Check(
            "images with a receipt of the gate", delivered, receipted, abs(delivered - receipted)
        ),
        Check("charges on generations, µUSD", charged, billed, wrong_charges),
    ]
