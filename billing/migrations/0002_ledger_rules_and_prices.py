"""The rules that Django cannot declare, and the first price list."""

from django.db import migrations

from billing.kernel.example_prices import FIRST_LIST, FROM
from governance.kernel.canonical import fingerprint

BALANCED = """
CREATE FUNCTION billing_legs_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE total numeric;
BEGIN
    SELECT sum(amount) INTO total FROM billing_ledger_entry WHERE transaction_id = NEW.transaction_id;
    IF total <> 0 THEN
        RAISE EXCEPTION 'the legs of ledger transaction % sum to %', NEW.transaction_id, total
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_legs_sum_to_zero';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_legs_sum_to_zero
    AFTER INSERT ON billing_ledger_entry
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION billing_legs_sum_to_zero();

CREATE FUNCTION billing_hold_resolves_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' AND (NEW.state, NEW.captured, NEW.amount) IS DISTINCT FROM
                               (OLD.state, OLD.captured, OLD.amount) THEN
        RAISE EXCEPTION 'hold % is already %', OLD.id, OLD.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'hold_resolves_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER hold_resolves_once BEFORE UPDATE ON billing_hold
    FOR EACH ROW EXECUTE FUNCTION billing_hold_resolves_once();
"""

UNBALANCED = """
DROP TRIGGER hold_resolves_once ON billing_hold;
DROP FUNCTION billing_hold_resolves_once();
DROP TRIGGER ledger_legs_sum_to_zero ON billing_ledger_entry;
DROP FUNCTION billing_legs_sum_to_zero();
"""

def publish_first_list(apps, schema_editor):
    """An installation has prices from its first minute."""
    apps.get_model("billing", "PriceVersion").objects.create(
        label="Example prices",
        effective_from=FROM,
        published_at=FROM,
        body=FIRST_LIST,
        sha256=fingerprint(FIRST_LIST),
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [
        migrations.RunSQL(BALANCED, UNBALANCED),
        # No way back: a published price list is immutable, and dropping the table drops it.
        migrations.RunPython(publish_first_list, migrations.RunPython.noop),
    ]
