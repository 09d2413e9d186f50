"""What Prometheus is told: the health of each part as the doctor finds it, and the apps' gauges."""

from datetime import datetime

from governance.kernel.diagnosis import Health
from governance.kernel.registry import Gauge, Metric, gauges
from governance.operations.examining import examine_all

LEVELS = {Health.OK: 0.0, Health.WARNING: 1.0, Health.BROKEN: 2.0}
HEALTH, ABOUT_HEALTH = "licet_part_health", "0 ok, 1 warning, 2 broken; as manage.py doctor"


def metrics_now(*, at: datetime) -> list[Metric]:
    """Every metric. An app whose figures cannot be read is left out, and the database is broken then."""
    findings = examine_all(at=at, slow=False)
    told: list[Metric] = [
        Gauge(HEALTH, ABOUT_HEALTH, LEVELS[each.health], {"part": each.name}) for each in findings
    ]
    if any(each.name == "database" and each.health is Health.BROKEN for each in findings):
        return told
    return [*told, *(gauge for source in gauges.all() for gauge in source(at))]
