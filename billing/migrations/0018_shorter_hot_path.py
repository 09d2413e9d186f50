"""Less work in a hold and a capture: four indexes that repeated others, one foreign key, the functions."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

FUNCTIONS = (Path(__file__).parent / "sql" / "0018_hot_path.sql").read_text()
# The functions stay when going back: they answer the same, on either schema.
BACK = """
DROP TRIGGER hold_has_published_price ON billing_hold;
DROP FUNCTION billing_hold_has_published_price();
DROP TRIGGER hold_resolves_once ON billing_hold;
CREATE TRIGGER hold_resolves_once BEFORE UPDATE ON billing_hold
    FOR EACH ROW EXECUTE FUNCTION billing_hold_resolves_once();
"""


def key(to: str, **options: object) -> "models.ForeignKey[object, object]":
    """A protected foreign key without an index of its own."""
    return models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.PROTECT, to=to, **options
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0017_row_level_security")]

    operations = [
        # First: no hold may come between the end of the foreign key and its successor.
        migrations.RunSQL(FUNCTIONS, BACK),
        migrations.AlterField("hold", "organization", key("governance.organization", related_name="+")),
        migrations.AlterField(
            "hold",
            "price_version",
            key("billing.priceversion", related_name="+", db_constraint=False),
        ),
        migrations.AlterField(
            "ledgertransaction",
            "organization",
            key("governance.organization", related_name="+", null=True),
        ),
        migrations.AlterField(
            "ledgerentry",
            "transaction",
            key("billing.ledgertransaction", related_name="entries"),
        ),
    ]
