-- The journal's time is the transaction's, unless the transaction names another (billing.operations.past).
ALTER TABLE billing_ledger_transaction ALTER COLUMN booked_at SET DEFAULT
    coalesce(nullif(current_setting('licet.booked_at', true), '')::timestamptz, now());

-- As before, but the journal's time is the column's default.
CREATE OR REPLACE FUNCTION billing_capture_hold(
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
            (id, kind, external_reference, organization_id, event_at, facts)
        VALUES (booking, 'capture', hold::text, h.organization_id, at,
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
