-- Group admission: the holds of several requests of one organization in one transaction and one round
-- trip, with everything that billing_open_hold checks for one: replay, the key, every budget.

CREATE TYPE billing_hold_request AS (
    id uuid, project uuid, api_key uuid, member uuid, job uuid, idempotency text, sha256 text,
    amount bigint, per_image bigint, price uuid, quote jsonb
);

-- One row per request, in their order; outcomes as those of billing_open_hold. A refused request leaves
-- nothing behind, so the caller need not roll the others back. Idempotency keys within one call differ.
-- Locks are taken in the order of billing_open_hold, and within each kind in the order of their names:
-- idempotency keys, API keys, budget windows. No two calls deadlock.
CREATE FUNCTION billing_open_holds(organization uuid, requests jsonb, at timestamptz)
RETURNS TABLE (
    job uuid, outcome text, hold_id uuid, job_id uuid, held bigint, request text, facts jsonb
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    asked billing_hold_request[] := ARRAY(
        SELECT r FROM jsonb_populate_recordset(NULL::billing_hold_request, requests) r);
    one billing_hold_request;
    opened uuid[];
    revoked uuid[];
    over jsonb := '{}';
    rules billing_budget[] := '{}';
    rule billing_budget;
    starts timestamptz[] := '{}';
    totals bigint[] := '{}';
    added bigint[] := '{}';
    counting int[];
    total bigint;
    opens timestamptz;
BEGIN
    WITH made AS (
        INSERT INTO billing_hold (id, organization_id, project_id, api_key_id, member_id, job_id,
            idempotency_key, request_sha256, amount, per_image, price_version_id, quote, windows,
            state, captured, reason, lease_epoch, created_at)
        SELECT r.id, organization, r.project, r.api_key, r.member, r.job, r.idempotency, r.sha256,
            r.amount, r.per_image, r.price, r.quote, '[]', 'open', 0, '', 0, at
        FROM unnest(asked) r ORDER BY r.idempotency
        ON CONFLICT (organization_id, idempotency_key) DO NOTHING
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}') INTO opened FROM made;

    PERFORM pg_advisory_xact_lock_shared(licet_api_key_lock(s.api_key))
    FROM (SELECT DISTINCT r.api_key FROM unnest(asked) r WHERE r.api_key IS NOT NULL ORDER BY 1) s;
    revoked := ARRAY(
        SELECT r.id FROM unnest(asked) r
        WHERE r.id = ANY (opened) AND r.api_key IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM governance_api_key k
            WHERE k.id = r.api_key AND k.revoked_at IS NULL
              AND (k.expires_at IS NULL OR k.expires_at > at)));

    -- Every window that counts one of these requests is locked before the first of them is counted.
    FOR rule IN
        SELECT b.* FROM billing_budget b
        WHERE b.organization_id = organization AND b.archived_at IS NULL AND EXISTS (
            SELECT 1 FROM unnest(asked) r
            WHERE r.id = ANY (opened) AND NOT r.id = ANY (revoked)
              AND b.subject_id = CASE b.scope WHEN 'organization' THEN organization
                    WHEN 'project' THEN r.project WHEN 'api_key' THEN r.api_key ELSE r.member END)
        ORDER BY b.id
    LOOP
        opens := date_trunc(rule.period, now(), 'UTC');
        INSERT INTO billing_budget_window AS w (budget_id, window_start, held, used, alerted_percent)
        VALUES (rule.id, opens, 0, 0, 0)
        ON CONFLICT (budget_id, window_start) DO UPDATE SET held = w.held
        RETURNING w.held + w.used INTO total;
        rules := rules || rule;
        starts := starts || opens;
        totals := totals || total;
        added := added || 0::bigint;
    END LOOP;

    IF cardinality(rules) > 0 THEN
        FOREACH one IN ARRAY asked LOOP
            CONTINUE WHEN NOT one.id = ANY (opened) OR one.id = ANY (revoked);
            counting := '{}';
            FOR i IN 1..cardinality(rules) LOOP
                rule := rules[i];
                CONTINUE WHEN rule.subject_id IS DISTINCT FROM CASE rule.scope
                    WHEN 'organization' THEN organization WHEN 'project' THEN one.project
                    WHEN 'api_key' THEN one.api_key ELSE one.member END;
                IF rule.action = 'lock' AND totals[i] + added[i] + one.amount > rule.limit_microusd THEN
                    over := over || jsonb_build_object(one.id::text, jsonb_build_object(
                        'budget', rule.id, 'scope', rule.scope, 'period', rule.period,
                        'limit_microusd', rule.limit_microusd,
                        'spent_microusd', totals[i] + added[i], 'required_microusd', one.amount,
                        'resets_at', starts[i] + ('1 ' || rule.period)::interval));
                    EXIT;
                END IF;
                counting := counting || i;
            END LOOP;
            CONTINUE WHEN over ? one.id::text OR cardinality(counting) = 0;
            FOR i IN 1..cardinality(counting) LOOP
                added[counting[i]] := added[counting[i]] + one.amount;
            END LOOP;
            UPDATE billing_hold h SET windows = (
                SELECT jsonb_agg(jsonb_build_array((rules[c]).id, starts[c]) ORDER BY c)
                FROM unnest(counting) c)
            WHERE h.id = one.id;
        END LOOP;
        FOR i IN 1..cardinality(rules) LOOP
            UPDATE billing_budget_window w SET held = w.held + added[i]
            WHERE w.budget_id = (rules[i]).id AND w.window_start = starts[i] AND added[i] > 0;
        END LOOP;
    END IF;

    IF cardinality(revoked) > 0 OR over <> '{}' THEN
        DELETE FROM billing_hold h
        WHERE h.id = ANY (revoked) OR h.id = ANY (ARRAY(SELECT jsonb_object_keys(over)::uuid));
    END IF;

    RETURN QUERY
    SELECT r.job,
        CASE WHEN NOT r.id = ANY (opened) THEN 'replayed' WHEN r.id = ANY (revoked) THEN 'key_revoked'
             WHEN over ? r.id::text THEN 'budget_reached' ELSE 'opened' END,
        coalesce(h.id, r.id), coalesce(h.job_id, r.job), coalesce(h.amount, r.amount),
        coalesce(h.request_sha256, r.sha256)::text, over -> r.id::text
    FROM unnest(asked) r LEFT JOIN LATERAL (
        SELECT e.id, e.job_id, e.amount, e.request_sha256 FROM billing_hold e
        WHERE NOT r.id = ANY (opened) AND e.organization_id = organization
          AND e.idempotency_key = r.idempotency
        LIMIT 1
    ) h ON true;
END $$;
