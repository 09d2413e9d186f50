"""The moderation app: the acceptable-use gate and the people behind it."""

from django.apps import AppConfig

from governance.kernel.registry import (
    HealthCheck,
    NavigationItem,
    erasure_hooks,
    examinations,
    gauges,
    health_checks,
    navigation,
    report_projections,
    report_sections,
)


class ModerationConfig(AppConfig):
    """Registers what moderation contributes to the house."""

    name = "moderation"
    verbose_name = "Moderation"

    def ready(self) -> None:
        """Called once per process by Django."""
        from moderation.queries.marks_chapter import marks_chapter
        from moderation.reports import gate

        report_sections.register("moderation", gate)
        from moderation.queries.projections import projections

        report_projections.register("moderation", projections)
        from moderation.operations.erasing import forget_person

        erasure_hooks.register("moderation", forget_person)
        report_sections.register("marks", marks_chapter)
        examinations.register("moderation", "moderation.operations.examining")
        from moderation.queries.gauges import gate_metrics

        gauges.register("gate", gate_metrics)
        health_checks.register("gate", HealthCheck("gate", probe_text_gate))
        navigation.register(
            "decisions", NavigationItem("Filter decisions", "moderation-decisions", "shield", 30)
        )
        navigation.register(
            "moderation",
            NavigationItem("Moderation", "moderation-queue", "flag", 60, per_organization=False),
        )


def probe_text_gate() -> str:
    """The text stage's self-test; raises while a required classifier fails."""
    from moderation.operations.readiness import probe

    return probe("web")
