"""What pgbench runs: the very statements that the application runs, and what they work on."""
# ruff: noqa: S608 (SQL put together from constants of this file)

ORGANIZATIONS = 1_000
AMOUNT = 4_000
GROUP = 50
RICH = 10**15

# Ids that a pgbench variable can name: organization, project and key number n.
ORG = "('00000000-0000-7000-8000-' || lpad(to_hex((:n)::bigint), 12, '0'))::uuid"
PROJECT = "('00000000-0000-7000-8001-' || lpad(to_hex((:n)::bigint), 12, '0'))::uuid"
KEY = "('00000000-0000-7000-8002-' || lpad(to_hex((:n)::bigint), 12, '0'))::uuid"
PRICE = "(SELECT id FROM billing_price_version LIMIT 1)"

OPEN = f"""SELECT h.hold_id FROM (SELECT uuidv7() AS job) j, LATERAL billing_open_hold(
    uuidv7(), {ORG}, {PROJECT}, {KEY}, NULL, j.job, 'job:' || j.job, '', {AMOUNT}, {AMOUNT}, {PRICE},
    '{{}}', now()) h \\gset
"""
HOLD = f"BEGIN;\n{OPEN}SELECT billing_reserve({ORG}, {AMOUNT});\nCOMMIT;\n"
PAIR = HOLD + "SELECT outcome FROM billing_capture_hold(:hold_id, 1, 0, now());\n"
GROUPED = f"""BEGIN;
SELECT posted, held FROM billing_wallet WHERE organization_id = {ORG};
SELECT job, outcome, hold_id, job_id, held, request, facts FROM billing_open_holds({ORG}, (
    SELECT jsonb_agg(jsonb_build_object('id', uuidv7(), 'project', {PROJECT}, 'api_key', {KEY},
        'member', NULL, 'job', j.job, 'idempotency', 'job:' || j.job, 'sha256', '',
        'amount', {AMOUNT}, 'per_image', {AMOUNT}, 'price', {PRICE}, 'quote', '{{}}'::jsonb))
    FROM (SELECT uuidv7() AS job FROM generate_series(1, {GROUP})) j), now());
SELECT billing_reserve({ORG}, {GROUP * AMOUNT});
COMMIT;
"""
SHORT_OF_MONEY = 999
# A refused reservation rolls back, as the application does.
OVERSELL = f"""\\set n {SHORT_OF_MONEY}
BEGIN;
{OPEN}SELECT billing_reserve({ORG}, {AMOUNT})::int AS reserved \\gset
\\if :reserved = 1
COMMIT;
\\else
ROLLBACK;
\\endif
"""
BALANCE = f"SELECT posted, held FROM billing_wallet WHERE organization_id = {ORG};\n"
ANY = f"\\set n random(1, {ORGANIZATIONS})\n"
HOT = "\\set n 1\n"

SCRIPTS = {
    "holds_many": ANY + HOLD,
    "pairs_many": ANY + PAIR,
    "holds_hot": HOT + HOLD,
    "holds_hot_group": HOT + GROUPED,
    "balance": ANY + BALANCE,
}
# How many holds one pgbench transaction of a script is.
UNITS = {"holds_hot_group": GROUP}


def seed(number_of_organizations: int = ORGANIZATIONS) -> str:
    """SQL that makes the organizations with projects, keys and credit, balanced in the journal."""
    org, project, key = (text.replace(":n", "n") for text in (ORG, PROJECT, KEY))
    return f"""
INSERT INTO governance_organization (id, slug, name, created_at, needs, counts_end_users, facts_epoch)
SELECT {org}, 'bench-' || n, 'Bench ' || n, now(), '{{}}', false, 0
FROM generate_series(1, {number_of_organizations}) n;
INSERT INTO governance_project (id, organization_id, name, created_at)
SELECT {project}, {org}, 'Default', now() FROM generate_series(1, {number_of_organizations}) n;
INSERT INTO governance_api_key (id, organization_id, project_id, name, mode, scopes, digest,
    pepper_mark, allowed_networks, last_four, created_at, last_used_client, revoked_reason)
SELECT {key}, {org}, {project}, 'bench', 'live', '{{}}', md5(n::text), '', '{{}}', 'xxxx', now(), '', ''
FROM generate_series(1, {number_of_organizations}) n;
INSERT INTO billing_ledger_transaction (id, kind, external_reference, organization_id, event_at,
    booked_at, facts)
SELECT {org}, 'credit_paid', 'bench:' || n, {org}, now(), now(), '{{}}'
FROM generate_series(1, {number_of_organizations}) n;
INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, organization_id, amount)
SELECT uuidv7(), {org}, leg, CASE leg WHEN 0 THEN 'wallet' ELSE 'stripe_clearing' END,
    CASE leg WHEN 0 THEN {org} END, CASE leg WHEN 0 THEN {RICH} ELSE -{RICH} END
FROM generate_series(1, {number_of_organizations}) n, generate_series(0, 1) leg;
INSERT INTO billing_wallet (organization_id, posted, held, version)
SELECT {org}, {RICH}, 0, 0 FROM generate_series(1, {number_of_organizations}) n;
ANALYZE;
"""


def grow_journal(rows: int) -> list[str]:
    """Statements that fill the journal with ``rows`` entries of charges, as years of use would.

    Triggers are off while it loads (session_replication_role), or the balance check of each leg would
    take hours; the legs balance all the same, and the wallets follow. Usage by day as its roll-up has it.
    """
    each = rows // 2 // ORGANIZATIONS
    org = ORG.replace(":n", f"(1 + i % {ORGANIZATIONS})")
    other = ORG.replace(":n", "n")
    project, key = PROJECT.replace(":n", "n"), KEY.replace(":n", "n")
    charges = f"""
INSERT INTO billing_ledger_transaction (id, kind, external_reference, organization_id, event_at,
    booked_at, facts)
SELECT ('10000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'history', 'history:' || i,
    {org}, at, at, '{{}}'
FROM generate_series(1, {rows // 2}) i,
    LATERAL (SELECT now() - interval '2 years' * (1 - i / {rows // 2}.0) AS at) t;
INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, organization_id, amount)
SELECT ('2' || leg || '000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid,
    ('10000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, leg,
    CASE leg WHEN 0 THEN 'wallet' ELSE 'revenue' END, CASE leg WHEN 0 THEN {org} END,
    CASE leg WHEN 0 THEN -1 ELSE 1 END
FROM generate_series(1, {rows // 2}) i, generate_series(0, 1) leg;
UPDATE billing_wallet SET posted = posted - {each};
"""
    usage = f"""
INSERT INTO billing_usage_rollup (organization_id, day, project_id, api_key_id, member_id, model, size,
    outcome, jobs, images, charged)
SELECT {other}, current_date - day, {project}, {key}, NULL, model, size, outcome, 10, 10, 40000
FROM generate_series(1, {ORGANIZATIONS}) n, generate_series(1, {min(60, max(each, 1))}) day,
    unnest(ARRAY['turbo', 'raw']) model, unnest(ARRAY['512 x 512', '1024 x 1024']) size,
    unnest(ARRAY['delivered', 'failed', 'blocked']) outcome;
"""
    return [f"SET session_replication_role = replica; {charges} {usage}", "VACUUM ANALYZE"]
