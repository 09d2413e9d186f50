-- Fewer statements inside a hold and a capture; what they check is what they checked before (decision 0083).

-- Outcome: 'opened', 'replayed' (the key made a hold before: id, job, amount, sha256 of that one),
-- 'key_revoked' or 'budget_reached'. The caller rolls back on the last two.
CREATE OR REPLACE FUNCTION billing_open_hold(
    new_id uuid, organization uuid, project uuid, api_key uuid, member uuid, job uuid,
    idempotency text, sha256 text, amount bigint, per_image bigint, price uuid, quote jsonb,
    at timestamptz,
    OUT outcome text, OUT hold_id uuid, OUT job_id uuid, OUT held bigint, OUT request text,
    OUT facts jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    raised record;
    valid boolean;
    budgeted boolean;
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
        -- A statement of its own: what the next one sees is younger than the lock.
        PERFORM pg_advisory_xact_lock_shared(licet_api_key_lock(api_key));
    END IF;
    SELECT
        api_key IS NULL OR EXISTS (
            SELECT 1 FROM governance_api_key k
            WHERE k.id = api_key AND k.revoked_at IS NULL
              AND (k.expires_at IS NULL OR k.expires_at > at)),
        EXISTS (
            SELECT 1 FROM billing_budget b
            WHERE b.organization_id = organization AND b.archived_at IS NULL)
    INTO valid, budgeted;
    IF NOT valid THEN
        outcome := 'key_revoked';
        RETURN;
    END IF;
    outcome := 'opened';
    IF NOT budgeted THEN
        RETURN;
    END IF;
    raised := billing_raise_windows(organization, project, api_key, member, amount);
    IF raised.reached IS NOT NULL THEN
        outcome := 'budget_reached';
        facts := raised.reached;
    ELSIF raised.windows <> '[]' THEN
        UPDATE billing_hold SET windows = raised.windows WHERE id = new_id;
    END IF;
END $$;

-- Outcome: 'captured', 'already' (by this very attempt) or 'fenced'.
CREATE OR REPLACE FUNCTION billing_capture_hold(
    hold uuid, images int, epoch int, at timestamptz, OUT outcome text, OUT charged bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h billing_hold;
    booking uuid;
BEGIN
    -- The update is the gate: who waits for its lock finds the condition false afterwards.
    UPDATE billing_hold
    SET state = 'captured', captured = per_image * images, resolved_at = at
    WHERE id = hold AND state = 'open' AND lease_epoch = epoch
    RETURNING * INTO h;
    IF NOT FOUND THEN
        SELECT * INTO STRICT h FROM billing_hold WHERE id = hold FOR UPDATE;
        IF h.state = 'captured' AND h.lease_epoch = epoch THEN
            outcome := 'already'; charged := h.captured;
        ELSE
            outcome := 'fenced'; charged := 0;
        END IF;
        RETURN;
    END IF;
    charged := h.captured;
    outcome := 'captured';
    IF charged > 0 THEN
        booking := uuidv7();
        INSERT INTO billing_ledger_transaction
            (id, kind, external_reference, organization_id, event_at, booked_at, facts)
        VALUES (booking, 'capture', hold::text, h.organization_id, at,
            coalesce(billing_named_time(), now()),
            jsonb_build_object('job', h.job_id, 'images', images));
        INSERT INTO billing_ledger_entry (id, transaction_id, leg, account, organization_id, amount)
        VALUES (uuidv7(), booking, 0, 'wallet', h.organization_id, -charged),
               (uuidv7(), booking, 1, 'revenue', NULL, charged);
    END IF;
    IF h.windows <> '[]' THEN
        PERFORM billing_settle_windows(h.windows, h.amount, charged);
    END IF;
    UPDATE billing_wallet
    SET posted = posted - charged, held = held - h.amount, version = version + 1
    WHERE organization_id = h.organization_id AND (charged > 0 OR h.amount > 0);
END $$;

-- An open hold may be changed as before; a call of the function only where there is something to refuse.
DROP TRIGGER hold_resolves_once ON billing_hold;
CREATE TRIGGER hold_resolves_once BEFORE UPDATE ON billing_hold
    FOR EACH ROW WHEN (OLD.state <> 'open') EXECUTE FUNCTION billing_hold_resolves_once();

-- In place of the foreign key, which locked the one row of the price list in force in every hold. No
-- lock is needed: a published price list can be neither changed nor deleted.
CREATE FUNCTION billing_hold_has_published_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM billing_price_version p
                   WHERE p.id = NEW.price_version_id AND p.published_at IS NOT NULL) THEN
        RAISE EXCEPTION 'hold % names no published price list', NEW.id
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'hold_has_published_price';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_has_published_price BEFORE INSERT OR UPDATE OF price_version_id ON billing_hold
    FOR EACH ROW EXECUTE FUNCTION billing_hold_has_published_price();
