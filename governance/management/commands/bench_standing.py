"""``manage.py bench_standing``: how long all standings take, and what one authorization costs."""

import json
import statistics
import time
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection, transaction
from django.utils.timezone import now

from governance.models import ModelRelease, Organization
from governance.operations.authorization import QUESTION, authorize_generation
from governance.operations.standing import refresh_standings
from governance.queries.compliance import compliance_overview
from governance.queries.standing import standings
from governance.queries.terms import terms_in_force

SLUG = "bench-"
# Organization n has 40 to 60 people (50 on average, so some are over the line), written in sets.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO governance_organization
    (id, slug, name, created_at, needs, counts_end_users, facts_epoch)
SELECT gen_random_uuid(), '{slug}' || n, 'Bench ' || n, now(), '{{}}', false, 0
FROM generate_series(1, {organizations}) AS n;
CREATE TEMPORARY TABLE bench_people ON COMMIT DROP AS
SELECT o.id AS organization_id, gen_random_uuid() AS user_id, o.slug || '-' || m AS name
FROM governance_organization o, generate_series(1, 60) AS m
WHERE o.slug LIKE '{slug}%' AND m <= {people} - 10 + (hashtext(o.slug) & 1023) % 21;
INSERT INTO governance_user (id, password, is_superuser, email, name, is_staff, is_active,
                             time_zone, created_at)
SELECT user_id, '!', false, name || '@bench.invalid', name, false, true, 'UTC', now()
FROM bench_people;
INSERT INTO governance_membership (id, organization_id, user_id, role, source, created_at)
SELECT gen_random_uuid(), organization_id, user_id, 'member', 'portal', now() FROM bench_people;
INSERT INTO governance_seat (id, pool_id, person, user_id, organization_id, source, claimed_at)
SELECT gen_random_uuid(), organization_id, 'user:' || user_id, user_id, organization_id, 'portal',
       now() - interval '5 days'
FROM bench_people;
INSERT INTO governance_attestation (id, organization_id, period_start, period_end, bracket,
    affiliates, signer_name, signer_title, signed_at, expires_at, evidence_name, evidence_path,
    evidence_sha256, terms_version_id)
SELECT gen_random_uuid(), id, '2025-01-01', '2025-12-31', 'under_250k', '[]', 'A', 'B',
       now() - interval '1 day', now() + interval '200 days', '', '', '', '{version}'
FROM governance_organization WHERE slug LIKE '{slug}%' AND hashtext(slug) % 20 <> 0;
INSERT INTO governance_acceptance (id, organization_id, user_id, document_id, document_version,
    document_sha256, for_organization, authority, accepted_at, actor_kind, actor_label)
SELECT gen_random_uuid(), p.organization_id, p.user_id, d.id, d.version, d.sha256, true, 'Owner',
       now(), 'user', ''
FROM (SELECT DISTINCT ON (organization_id) * FROM bench_people) p, governance_terms_document d
WHERE d.kind IN ('licence', 'policy');
INSERT INTO governance_seat_snapshot (id, pool_id, day, used, pending, "limit", peak)
SELECT gen_random_uuid(), o.id, current_date - d, 50 - d / 3, 0, 50, 50 - d / 3
FROM governance_organization o, generate_series(0, 89) AS d WHERE o.slug LIKE '{slug}%';
SET LOCAL session_replication_role = origin;
ANALYZE governance_organization, governance_seat, governance_membership, governance_attestation,
    governance_seat_snapshot;
"""


class Command(BaseCommand):
    """Everything happens in one transaction that is rolled back: nothing of it stays."""

    help = "Time the standings of many organizations, and one authorization."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many organizations, and how many people each on average."""
        parser.add_argument("--organizations", type=int, default=10_000)
        parser.add_argument("--people", type=int, default=50)

    def handle(self, **options: Any) -> None:
        """Fill, measure, roll back; the last line is JSON with seconds and milliseconds."""
        with transaction.atomic():
            connection.cursor().execute("SET LOCAL statement_timeout = 0")
            self._fill(options["organizations"], options["people"])
            figures = self._measure()
            transaction.set_rollback(True)
        self.stdout.write(json.dumps(figures))

    def _fill(self, organizations: int, people: int) -> None:
        self.stdout.write(f"writing {organizations} organizations of about {people} people")
        version = terms_in_force(now()).id
        sql = FILL.format(slug=SLUG, organizations=organizations, people=people, version=version)
        with connection.cursor() as cursor:
            cursor.execute(sql)

    def _measure(self) -> dict[str, Any]:
        at = now() + timedelta(seconds=1)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM governance_seat WHERE released_at IS NULL")
            seats = cursor.fetchone()[0]
        began = time.perf_counter()
        decided = standings(at)
        all_s = time.perf_counter() - began
        began = time.perf_counter()
        refresh_standings(organization_ids=None, at=at)
        refresh_s = time.perf_counter() - began
        began = time.perf_counter()
        compliance_overview(at=at)
        overview_s = time.perf_counter() - began
        counts: dict[str, int] = {}
        for standing in decided.values():
            counts[str(standing.status)] = counts.get(str(standing.status), 0) + 1
        return {
            "organizations": len(decided),
            "seats": seats,
            "all_standings_s": round(all_s, 2),
            "all_kept_s": round(refresh_s, 2),
            "compliance_overview_s": round(overview_s, 2),
            "counts": counts,
            **self._authorizations(at),
        }

    def _authorizations(self, at: Any) -> dict[str, Any]:
        release, _ = ModelRelease.objects.get_or_create(
            slug="krea-bench",
            defaults={"name": "Krea-bench", "variant": "turbo", "source": "", "licence": ""},
        )
        organization = Organization.objects.filter(
            slug__startswith=SLUG, attestations__isnull=False
        ).first()
        assert organization is not None
        refresh_standings(organization_ids=[organization.id], at=at)
        whole, database = [], []
        for _ in range(500):
            began = time.perf_counter()
            authorize_generation(organization_id=organization.id, release_slug=release.slug, at=at)
            whole.append(time.perf_counter() - began)
            database.append(_database_ms(release.slug, organization.id))
        return {
            "authorization_ms_p50": round(statistics.median(whole) * 1000, 3),
            "authorization_ms_p99": round(sorted(whole)[494] * 1000, 3),
            "authorization_database_ms_p50": round(statistics.median(database), 3),
            "authorization_database_ms_p99": round(sorted(database)[494], 3),
        }


def _database_ms(release_slug: str, organization_id: object) -> float:
    """What PostgreSQL itself says that planning and executing the one query took, in ms."""
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + QUESTION,
            {"slug": release_slug, "organization": str(organization_id), "at": now()},
        )
        plan = cursor.fetchone()[0][0]
    return float(plan["Planning Time"] + plan["Execution Time"])
