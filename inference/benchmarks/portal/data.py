"""A large installation, written in sets: organizations, people, jobs, money, decisions, audit entries.

The rows are as the operations leave them; triggers are off while they are written, so nothing here may be
used outside a benchmark's own database.
"""

import sys
from dataclasses import dataclass

from django.db import connection

DAYS = 60
# The organization whose pages are visited has this part of all jobs; the others share the rest.
LARGEST_SHARE_PERCENT = 10
STATE = """CASE WHEN n % 200 = 0 THEN 'blocked' WHEN n % 500 = 1 THEN 'failed'
    WHEN n % 50000 = 2 THEN 'queued' ELSE 'succeeded' END"""
# An id of version 7 as the application makes it, so that ids run with time.
UUID7 = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5({salt} || n), 1, 3)
    || '8' || substr(md5({salt} || n), 4, 15))::uuid"""

ORGANIZATIONS = """
INSERT INTO governance_organization
    (id, slug, name, created_at, needs, counts_end_users, facts_epoch)
SELECT md5('o' || n)::uuid, 'large-' || n, 'Large ' || n, now() - interval '400 days', '{}', false, 0
FROM generate_series(1, %(organizations)s - 1) AS n;
INSERT INTO governance_project (id, organization_id, name, created_at)
SELECT md5('p' || n)::uuid, md5('o' || n)::uuid, 'Default', now() - interval '400 days'
FROM generate_series(1, %(organizations)s - 1) AS n;
CREATE UNLOGGED TABLE bench_organization AS
SELECT row_number() OVER (ORDER BY o.slug) - 1 AS n, o.id, p.id AS project_id, md5('k' || o.id)::uuid AS key_id
FROM governance_organization o JOIN governance_project p ON p.organization_id = o.id;
INSERT INTO governance_api_key (id, organization_id, project_id, name, mode, scopes, allowed_networks, digest,
    pepper_mark, last_four, created_at, revoked_reason, last_used_at, last_used_client)
SELECT key_id, id, project_id, 'Website', 'live', '{}', '{}', encode(sha256(id::text::bytea), 'hex'), '',
       'abcd', now() - interval '300 days', '', now(), 'openai-python' FROM bench_organization;
ALTER TABLE bench_organization ADD PRIMARY KEY (n);
ANALYZE bench_organization;
"""
PEOPLE = """
CREATE UNLOGGED TABLE bench_person AS
SELECT o.n AS o, m, o.id AS organization_id, md5('u' || o.n || '-' || m)::uuid AS user_id
FROM bench_organization o, generate_series(1, %(people)s) AS m;
INSERT INTO governance_user (id, password, is_superuser, email, name, is_staff, is_active, time_zone, created_at)
SELECT user_id, '!', false, 'p' || m || '@large-' || o || '.invalid', 'Person ' || m, false, true, 'UTC', now()
FROM bench_person;
INSERT INTO governance_membership (id, organization_id, user_id, role, source, created_at, last_active_at)
SELECT gen_random_uuid(), organization_id, user_id,
       CASE m WHEN 1 THEN 'owner' WHEN 2 THEN 'admin' WHEN 3 THEN 'auditor' ELSE 'member' END, 'portal',
       now() - interval '90 days', now() - interval '1 day' * m FROM bench_person;
INSERT INTO governance_seat (id, pool_id, person, user_id, organization_id, source, claimed_at)
SELECT gen_random_uuid(), organization_id, 'user:' || user_id, user_id, organization_id, 'portal',
       now() - interval '90 days' FROM bench_person;
INSERT INTO governance_seat_pool (id, used) SELECT id, %(people)s FROM bench_organization
ON CONFLICT (id) DO NOTHING;
INSERT INTO governance_seat_snapshot (id, pool_id, day, used, pending, "limit", peak)
SELECT gen_random_uuid(), o.id, current_date - d, greatest(%(people)s - d / 9, 0), 0, 50, greatest(%(people)s - d / 9, 0)
FROM bench_organization o, generate_series(0, 89) AS d;
INSERT INTO governance_attestation (id, organization_id, period_start, period_end, bracket, affiliates,
    signer_name, signer_title, signed_at, expires_at, evidence_name, evidence_path, evidence_sha256,
    terms_version_id)
SELECT gen_random_uuid(), o.id, '2025-01-01', '2025-12-31', 'under_250k', '[]', 'A', 'B',
       now() - interval '1 day', now() + interval '1 day' * (20 + n %% 300), '', '', '', t.id
FROM bench_organization o, (SELECT id FROM governance_terms_version ORDER BY effective_from LIMIT 1) t
WHERE n > 0 AND n %% 20 <> 0;
INSERT INTO governance_acceptance (id, organization_id, user_id, document_id, document_version,
    document_sha256, for_organization, authority, accepted_at, actor_kind, actor_label)
SELECT gen_random_uuid(), p.organization_id, p.user_id, d.id, d.version, d.sha256, true, 'Owner',
       now() - interval '80 days', 'user', ''
FROM bench_person p, governance_terms_document d WHERE p.m = 1 AND d.kind IN ('licence', 'policy');
INSERT INTO billing_wallet (organization_id, posted, held, version)
SELECT id, 100000000000, 0, 0 FROM bench_organization ON CONFLICT DO NOTHING;
"""
JOBS = f"""
CREATE UNLOGGED TABLE bench_job AS
SELECT n, at, {UUID7.format(salt="'g'")} AS id, {UUID7.format(salt="'h'")} AS hold_id,
       {UUID7.format(salt="'d'")} AS input_id, {UUID7.format(salt="'i'")} AS output_id,
       {UUID7.format(salt="'t'")} AS transaction_id, {STATE.replace("%", "%%")} AS state, o
FROM (SELECT n, now() - interval '{DAYS} days' + interval '{DAYS} days' * ((n - 0.5) / %(generations)s) AS at,
             CASE WHEN n %% 100 < {LARGEST_SHARE_PERCENT} THEN 0
                  ELSE 1 + (n * 7919::bigint) %% (%(organizations)s - 1) END AS o
      FROM generate_series(1, %(generations)s) AS n) numbered;
INSERT INTO inference_generation (id, organization_id, project_id, api_key_id, member_id, release_id, dialect,
    request_id, request_sha256, client_user, test_mode, prompt, prompt_receipt, width, height, steps,
    guidance_milli, seed, images, output_format, "authorization", quote, quoted_microusd, charged_microusd,
    hold_id, state, work_gflop, attempts, lease_epoch, worker, step, error_code, error_detail, error_facts,
    created_at, started_at, finished_at, adapters, ignored, partial_images, retry_count, webhook_url,
    style_references, expand_prompt, revised_prompt, traceparent, style_variation_milli)
SELECT j.id, b.id, b.project_id, b.key_id, md5('u' || j.o || '-' || 1 + j.n %% %(people)s)::uuid, r.id, 'openai',
    'req_' || j.n, '', '', false, 'a lamp beside a window, number ' || j.n, '{{}}', 1024, 1024, 8, 0, j.n, 1, 'png',
    '{{}}', '{{}}', 6000, CASE j.state WHEN 'succeeded' THEN 6000 ELSE 0 END, j.hold_id, j.state, 1000, 1, 1,
    'worker-1', 8, CASE j.state WHEN 'failed' THEN 'engine_lost' ELSE '' END, '', '{{}}', j.at, j.at,
    CASE WHEN j.state <> 'queued' THEN j.at + interval '5 seconds' END, '[]', '{{}}', 0, 0, '', '[]', false, '', '', 0
FROM bench_job j JOIN bench_organization b ON b.n = j.o,
     (SELECT id FROM governance_model_release ORDER BY created_at LIMIT 1) r;
INSERT INTO inference_artifact (id, generation_id, organization_id, index, attempt, sha256, size_bytes,
    media_type, width, height, blob, receipt, created_at)
SELECT gen_random_uuid(), j.id, b.id, 0, 1, encode(sha256(j.n::text::bytea), 'hex'), 100000, 'image/png', 1024,
    1024, 'none', '{{"signature": ""}}', j.at FROM bench_job j JOIN bench_organization b ON b.n = j.o
WHERE j.state = 'succeeded';
"""
MONEY = """
INSERT INTO billing_hold (id, organization_id, project_id, api_key_id, member_id, job_id, idempotency_key,
    request_sha256, amount, per_image, quote, windows, state, captured, reason, lease_epoch, created_at,
    resolved_at, price_version_id)
SELECT j.hold_id, b.id, b.project_id, b.key_id, md5('u' || j.o || '-' || 1 + j.n %% %(people)s)::uuid, j.id,
    j.n::text, '', 6000, 6000, '{"priced": {"release": "krea-2-tiny-turbo", "width": 1024, "height": 1024}}',
    '[]', CASE j.state WHEN 'succeeded' THEN 'captured' WHEN 'queued' THEN 'open' ELSE 'voided' END,
    CASE j.state WHEN 'succeeded' THEN 6000 ELSE 0 END, CASE j.state WHEN 'blocked' THEN 'job blocked' ELSE '' END,
    1, j.at, CASE WHEN j.state <> 'queued' THEN j.at + interval '5 seconds' END, v.id
FROM bench_job j JOIN bench_organization b ON b.n = j.o,
     (SELECT id FROM billing_price_version ORDER BY effective_from LIMIT 1) v;
INSERT INTO billing_ledger_transaction (id, organization_id, kind, external_reference, event_at, booked_at, facts)
SELECT j.transaction_id, b.id, 'capture', j.hold_id::text, j.at, j.at, jsonb_build_object('job', j.id)
FROM bench_job j JOIN bench_organization b ON b.n = j.o WHERE j.state = 'succeeded';
INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, amount, organization_id)
SELECT gen_random_uuid(), j.transaction_id, leg, CASE leg WHEN 0 THEN 'wallet' ELSE 'revenue' END,
       CASE leg WHEN 0 THEN -6000 ELSE 6000 END, b.id
FROM bench_job j JOIN bench_organization b ON b.n = j.o, generate_series(0, 1) AS leg WHERE j.state = 'succeeded';
"""
DECISIONS = """
INSERT INTO moderation_decision (id, organization_id, job_id, stage, subject_kind, subject_sha256, attempt, index,
    policy_version, policy_hash, outcome, item, reason, complete, automated, actor_kind, actor_id, at)
SELECT CASE stage WHEN 'input' THEN j.input_id ELSE j.output_id END, b.id, j.id, stage,
    CASE stage WHEN 'input' THEN 'prompt' ELSE 'image' END, repeat('0', 64), 0, 0, '1', repeat('1', 64),
    CASE WHEN stage = 'input' AND j.state = 'blocked' THEN 'block' ELSE 'allow' END, '', '', true, true, 'api_key',
    b.key_id::text, j.at
FROM bench_job j JOIN bench_organization b ON b.n = j.o, (VALUES ('input'), ('output')) AS s(stage)
WHERE stage = 'input' OR j.state = 'succeeded';
INSERT INTO moderation_verdict (id, decision_id, detector, detector_version, weights_sha256, status, outcome, item,
    reason, scores, thresholds, facts, latency_ms, error)
SELECT gen_random_uuid(), CASE detector WHEN 'image' THEN j.output_id ELSE j.input_id END, detector, '1', '', 'done',
    'allow', '', '', jsonb_build_object('sexual', 0.001 * (j.n %% 100)), '{}', '{}', 3 + j.n %% 5, ''
FROM bench_job j, (VALUES ('words'), ('text'), ('image')) AS d(detector)
WHERE detector <> 'image' OR j.state = 'succeeded';
INSERT INTO moderation_review_case (id, organization_id, decision_id, kind, item, severity, judgements_needed,
    displayable, opened_at, state, result, lease_epoch)
SELECT gen_random_uuid(), b.id, j.input_id, 'report', '', 1 + j.n %% 90, 1, true, j.at, 'open', '', 0
FROM bench_job j JOIN bench_organization b ON b.n = j.o WHERE j.n %% 2000 = 0;
"""
MESSAGES = """
INSERT INTO governance_webhook_endpoint (id, organization_id, url, description, events, created_at, disabled_reason)
SELECT md5('w')::uuid, id, 'https://hooks.invalid/', '', '{}', now(), '' FROM bench_organization WHERE n = 0;
INSERT INTO governance_webhook_event (id, organization_id, type, body, created_at)
SELECT j.transaction_id, b.id, 'generation.succeeded', '{}', j.at FROM bench_job j
JOIN bench_organization b ON b.n = j.o WHERE j.o = 0;
INSERT INTO governance_webhook_delivery (id, event_id, endpoint_id, url, state, is_replay, attempts, finished_at)
SELECT j.transaction_id, j.transaction_id, md5('w')::uuid, 'https://hooks.invalid/', 'delivered', false, 1, j.at
FROM bench_job j WHERE j.o = 0;
INSERT INTO governance_outgoing_mail (id, organization_id, kind, to_address, subject, text, html, created_at,
    next_try_at, attempts, last_error, sent_at)
SELECT gen_random_uuid(), id, 'letter', 'p1@large.invalid', 'A letter', 'text', '<p>text</p>', now(), now(), 1, '',
    now() FROM bench_organization;
INSERT INTO governance_audit_entry (id, at, organization_id, actor_kind, actor_id, actor_label, act, subject_kind,
    subject_id, facts, personal, salts, commitments, request_id)
SELECT j.transaction_id, j.at, b.id, 'api_key', b.key_id::text, '', 'generation.succeeded', 'generation', j.id::text,
    '{"charged_microusd": 6000}', '{}', '{}', '{}', 'req_' || j.n
FROM bench_job j JOIN bench_organization b ON b.n = j.o WHERE j.n %% 10 = 0;
INSERT INTO governance_audit_pending (entry_id) SELECT id FROM governance_audit_entry e
WHERE NOT EXISTS (SELECT FROM governance_audit_leaf l WHERE l.entry_id = e.id) ON CONFLICT DO NOTHING;
"""
PARTS = {
    "organizations": ORGANIZATIONS,
    "people": PEOPLE,
    "jobs": JOBS,
    "money": MONEY,
    "decisions": DECISIONS,
    "messages and audit entries": MESSAGES,
}


@dataclass(frozen=True)
class Size:
    """How much there is."""

    organizations: int
    members: int
    generations: int


def fill(size: Size) -> None:
    """Write everything, then vacuum, so that the planner knows it."""
    values = {
        "organizations": size.organizations,
        "people": max(size.members // size.organizations, 4),
        "generations": size.generations,
    }
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET session_replication_role = replica")
        for name, statements in PARTS.items():
            say(f"writing {name}")
            for statement in statements.split(";\n"):
                if statement.strip():
                    cursor.execute(statement, values)
        say("vacuum")
        cursor.execute("SET session_replication_role = DEFAULT; DROP TABLE bench_job, bench_person")
        cursor.execute("VACUUM ANALYZE")


def say(text: str) -> None:
    """Progress, apart from the result."""
    sys.stderr.write(text + "\n")
