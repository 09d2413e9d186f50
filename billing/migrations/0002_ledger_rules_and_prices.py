"""The rules that Django cannot declare, and the first price list."""

from datetime import UTC, datetime

from django.db import migrations

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

MEGAPIXEL = 1024 * 1024
# Example prices in µUSD, near what resellers of the open weights ask; an operator publishes their own.
FIRST_LIST = {
    "models": {
        "turbo": {
            "included_steps": 8,
            "sizes": [
                {"up_to_pixels": MEGAPIXEL // 4, "microusd": 4_000},
                {"up_to_pixels": MEGAPIXEL, "microusd": 15_000},
                {"up_to_pixels": 4 * MEGAPIXEL, "microusd": 45_000},
            ],
        },
        "raw": {
            "included_steps": 52,
            "sizes": [
                {"up_to_pixels": MEGAPIXEL // 4, "microusd": 12_000},
                {"up_to_pixels": MEGAPIXEL, "microusd": 40_000},
                {"up_to_pixels": 4 * MEGAPIXEL, "microusd": 160_000},
            ],
        },
    },
    "adapter_microusd": 1_000,
    "style_reference_microusd": 5_000,
}


def publish_first_list(apps, schema_editor):
    """An installation has prices from its first minute."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    apps.get_model("billing", "PriceVersion").objects.create(
        label="Example prices",
        effective_from=at,
        published_at=at,
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
