"""The inference app: one generation from request to image."""

from django.apps import AppConfig

from governance.kernel.registry import (
    HealthCheck,
    NavigationItem,
    call_weights,
    erasure_hooks,
    examinations,
    gauges,
    health_checks,
    navigation,
    operator_tiles,
    report_sections,
    revocation_hooks,
    search_sources,
    webhook_event_types,
)

EVENTS = {
    "generation.succeeded": "Images were delivered and charged.",
    "generation.blocked": "The acceptable-use gate refused it; nothing was charged.",
    "generation.failed": "It could not be made; nothing was charged.",
    "generation.cancelled": "It was cancelled; nothing was charged.",
    "training.completed": "The adapter is registered; the steps were charged.",
    "training.failed": "The training could not be done; nothing was charged.",
    "training.cancelled": "The training was cancelled; nothing was charged.",
}


class InferenceConfig(AppConfig):
    """Registers what the others must know of jobs and images without importing this app."""

    name = "inference"

    def ready(self) -> None:
        """Called once per process by Django."""
        from inference.queries.engines import probe_engine

        health_checks.register("engine", HealthCheck("engine", probe_engine))
        from billing.operations.resolution import register_evidence, register_job_states
        from inference.api.weights import image_weight
        from inference.operations.addresses import image_of_address
        from inference.operations.deleting import erase_image
        from inference.operations.revoking import image_bytes, void_release
        from inference.queries.generations import states_of
        from moderation.operations.removals import erasers, namers, readers
        from moderation.queries.decisions import jobs_without_release

        examinations.register("inference", "inference.operations.examining")
        register_job_states(states_of)
        from inference.operations.training_sweeping import void_trainings_of_release
        from inference.queries.training import training_states_of

        register_job_states(training_states_of)
        revocation_hooks.register("trainings", void_trainings_of_release)
        from inference.queries.gauges import job_gauges

        gauges.register("jobs", job_gauges)
        register_evidence("gate decision", jobs_without_release)
        revocation_hooks.register("generations", void_release)
        call_weights.register("images:write", image_weight)
        for event, meaning in EVENTS.items():
            webhook_event_types.register(event, meaning)
        erasers.register("artifacts", erase_image)
        readers.register("artifacts", image_bytes)
        namers.register("signed addresses", image_of_address)
        navigation.register("organization", NavigationItem("Overview", "organization", "home", 10))
        navigation.register(
            "generations", NavigationItem("Generations", "generation-list", "image", 20)
        )
        navigation.register(
            "playground",
            NavigationItem("Playground", "playground", "spark", 15, frozenset({"generate"})),
        )
        navigation.register("training", NavigationItem("Training", "training-home", "engine", 25))
        navigation.register(
            "engines", NavigationItem("Engines", "workers", "engine", 2, per_organization=False)
        )
        from inference.queries.search import generations_found

        search_sources.register("generations", generations_found)
        from inference.queries.overview import operator_figures

        operator_tiles.register("generations", operator_figures)
        from inference.reports import coverage

        report_sections.register("inference", coverage)
        from inference.operations.erasing import forget_person

        erasure_hooks.register("generations", forget_person)
