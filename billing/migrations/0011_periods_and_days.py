"""What Django cannot declare: closed periods stay closed, days are found without a costly index."""

from django.db import migrations

RULES = """
-- The journal's time is the transaction's start; only a booking that claims another time is looked at,
-- so the path of a generation pays nothing for this rule.
CREATE FUNCTION billing_period_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM billing_statement
               WHERE organization_id = NEW.organization_id AND ends_at > NEW.booked_at) THEN
        RAISE EXCEPTION 'the period of % is closed', NEW.booked_at
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_period_is_open';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_period_is_open BEFORE INSERT ON billing_ledger_transaction
    FOR EACH ROW WHEN (NEW.booked_at <> now()) EXECUTE FUNCTION billing_period_is_open();

-- Rows lie in the order of their time, so a block range index of a few pages finds a day.
CREATE INDEX ledger_by_time ON billing_ledger_transaction USING brin (booked_at) WITH (pages_per_range = 16);
CREATE INDEX hold_by_end ON billing_hold USING brin (resolved_at) WITH (pages_per_range = 16);
"""

UNRULED = """
DROP INDEX hold_by_end;
DROP INDEX ledger_by_time;
DROP TRIGGER ledger_period_is_open ON billing_ledger_transaction;
DROP FUNCTION billing_period_is_open();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0010_money_in_and_statements")]

    operations = [migrations.RunSQL(RULES, UNRULED)]
