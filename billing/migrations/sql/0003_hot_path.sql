-- The hot path of money in the database: one round trip to open a hold, one to reserve, one to capture.
-- The application and the pgbench scripts of `make bench-ledger` call these same functions.

ALTER TABLE billing_wallet SET (fillfactor = 50);
ALTER TABLE billing_hold SET (fillfactor = 85);
ALTER TABLE billing_budget_window SET (fillfactor = 50);

-- One name per API key for the lock between "place a hold" (shared) and "revoke the key" (exclusive).
CREATE FUNCTION licet_api_key_lock(key uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT hashtextextended(key::text, 4711) $$;

-- Raise every budget window that counts this spending, in order of id, so that no two holds deadlock.
-- Returns the windows, or refuses by naming the first locked budget that would go over its limit.
CREATE FUNCTION billing_raise_windows(
    organization uuid, project uuid, api_key uuid, member uuid, amount bigint,
    OUT windows jsonb, OUT reached jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    rule record;
    total bigint;
    opens timestamptz;
BEGIN
    windows := '[]';
    FOR rule IN
        SELECT b.id, b.scope, b.period, b.action, b.limit_microusd
        FROM billing_budget b
        WHERE b.organization_id = organization AND b.archived_at IS NULL
          AND b.subject_id = CASE b.scope WHEN 'organization' THEN organization
                WHEN 'project' THEN project WHEN 'api_key' THEN api_key ELSE member END
        ORDER BY b.id
    LOOP
        opens := date_trunc(rule.period, now(), 'UTC');
        INSERT INTO billing_budget_window AS w (budget_id, window_start, held, used, alerted_percent)
        VALUES (rule.id, opens, amount, 0, 0)
        ON CONFLICT (budget_id, window_start) DO UPDATE SET held = w.held + amount
        RETURNING w.held + w.used INTO total;
        IF rule.action = 'lock' AND total > rule.limit_microusd THEN
            reached := jsonb_build_object('budget', rule.id, 'scope', rule.scope,
                'period', rule.period, 'limit_microusd', rule.limit_microusd,
                'spent_microusd', total - amount, 'required_microusd', amount,
                'resets_at', opens + ('1 ' || rule.period)::interval);
            RETURN;
        END IF;
        windows := windows || jsonb_build_array(jsonb_build_array(rule.id, opens));
    END LOOP;
END $$;

-- Outcome: 'opened', 'replayed' (the key made a hold before: id, job, amount, sha256 of that one),
-- 'key_revoked' or 'budget_reached'. The caller rolls back on the last two.
CREATE FUNCTION billing_open_hold(
    new_id uuid, organization uuid, project uuid, api_key uuid, member uuid, job uuid,
    idempotency text, sha256 text, amount bigint, per_image bigint, price uuid, quote jsonb,
    at timestamptz,
    OUT outcome text, OUT hold_id uuid, OUT job_id uuid, OUT held bigint, OUT request text,
    OUT facts jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    raised record;
BEGIN
    INSERT INTO billing_hold (id, organization_id, project_id, api_key_id, member_id, job_id,
        idempotency_key, request_sha256, amount, per_image, price_version_id, quote, windows, state,
        captured, reason, lease_epoch, created_at)
    VALUES (new_id, organization, project, api_key, member, job, idempotency, sha256, amount,
        per_image, price, quote, '[]', 'open', 0, '', 0, at)
    ON CONFLICT (organization_id, idempotency_key) DO NOTHING;
    IF NOT FOUND THEN
        outcome := 'replayed';
        SELECT h.id, h.job_id, h.amount, h.request_sha256 INTO hold_id, job_id, held, request
        FROM billing_hold h
        WHERE h.organization_id = organization AND h.idempotency_key = idempotency;
        RETURN;
    END IF;
    hold_id := new_id; job_id := job; held := amount; request := sha256;
    IF api_key IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(licet_api_key_lock(api_key));
        PERFORM 1 FROM governance_api_key k
        WHERE k.id = api_key AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > at);
        IF NOT FOUND THEN
            outcome := 'key_revoked';
            RETURN;
        END IF;
    END IF;
    raised := billing_raise_windows(organization, project, api_key, member, amount);
    IF raised.reached IS NOT NULL THEN
        outcome := 'budget_reached';
        facts := raised.reached;
        RETURN;
    END IF;
    IF raised.windows <> '[]' THEN
        UPDATE billing_hold SET windows = raised.windows WHERE id = new_id;
    END IF;
    outcome := 'opened';
END $$;

-- The wallet's row comes last: its lock is held only while the commit reaches the disk.
CREATE FUNCTION billing_reserve(organization uuid, amount bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE billing_wallet SET held = held + amount, version = version + 1
    WHERE organization_id = organization AND posted - held >= amount;
    RETURN FOUND;
END $$;

-- Move the hold's budget windows from held to used; in order of id, as they were raised.
CREATE FUNCTION billing_settle_windows(windows jsonb, amount bigint, charged bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    entry jsonb;
BEGIN
    FOR entry IN SELECT value FROM jsonb_array_elements(windows) LOOP
        UPDATE billing_budget_window SET held = held - amount, used = used + charged
        WHERE budget_id = (entry ->> 0)::bigint AND window_start = (entry ->> 1)::timestamptz;
    END LOOP;
END $$;

-- Outcome: 'captured', 'already' (by this very attempt) or 'fenced'.
CREATE FUNCTION billing_capture_hold(
    hold uuid, images int, epoch int, at timestamptz, OUT outcome text, OUT charged bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h billing_hold;
    booking uuid := uuidv7();
BEGIN
    SELECT * INTO STRICT h FROM billing_hold WHERE id = hold FOR UPDATE;
    IF h.state = 'captured' AND h.lease_epoch = epoch THEN
        outcome := 'already'; charged := h.captured;
        RETURN;
    END IF;
    IF h.state <> 'open' OR h.lease_epoch <> epoch THEN
        outcome := 'fenced'; charged := 0;
        RETURN;
    END IF;
    charged := h.per_image * images;
    outcome := 'captured';
    UPDATE billing_hold SET state = 'captured', captured = charged, resolved_at = at WHERE id = hold;
    IF charged > 0 THEN
        INSERT INTO billing_ledger_transaction
            (id, kind, external_reference, organization_id, event_at, booked_at, facts)
        VALUES (booking, 'capture', hold::text, h.organization_id, at, now(),
            jsonb_build_object('job', h.job_id, 'images', images));
        INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, organization_id, amount)
        VALUES (uuidv7(), booking, 0, 'wallet', h.organization_id, -charged),
               (uuidv7(), booking, 1, 'revenue', NULL, charged);
    END IF;
    PERFORM billing_settle_windows(h.windows, h.amount, charged);
    UPDATE billing_wallet
    SET posted = posted - charged, held = held - h.amount, version = version + 1
    WHERE organization_id = h.organization_id AND (charged > 0 OR h.amount > 0);
END $$;

-- Release an open hold without legs; false when it was resolved before.
CREATE FUNCTION billing_release_hold(hold uuid, ending text, why text, at timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    h billing_hold;
BEGIN
    SELECT * INTO STRICT h FROM billing_hold WHERE id = hold FOR UPDATE;
    IF h.state <> 'open' THEN
        RETURN false;
    END IF;
    UPDATE billing_hold SET state = ending, reason = why, resolved_at = at WHERE id = hold;
    PERFORM billing_settle_windows(h.windows, h.amount, 0);
    UPDATE billing_wallet SET held = held - h.amount, version = version + 1
    WHERE organization_id = h.organization_id AND h.amount > 0;
    RETURN true;
END $$;
