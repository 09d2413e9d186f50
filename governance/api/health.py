"""Liveness and readiness for the stack, load balancers and people."""

from django.http import HttpRequest, JsonResponse

from governance.kernel.registry import health_checks

READY, NOT_READY = 200, 503


def healthz(_request: HttpRequest) -> JsonResponse:
    """The process answers; says nothing of its neighbours."""
    return JsonResponse({"ok": True})


def readyz(request: HttpRequest) -> JsonResponse:
    """Every registered part with its state; 503 until each required part is healthy.

    ``?part=database&part=redis`` asks for those alone: a load balancer keeps a web process that can
    take orders while no engine is there. A part that is not registered is not ready.
    """
    wanted = request.GET.getlist("part")
    asked = [check for check in health_checks.all() if not wanted or check.name in wanted]
    checks: dict[str, dict[str, object]] = {
        name: {"ok": False, "detail": "there is no such part"}
        for name in sorted(set(wanted) - {check.name for check in asked})
    }
    ready = not checks
    for check in asked:
        try:
            checks[check.name] = {"ok": True, "detail": check.probe()}
        except Exception as failure:  # noqa: BLE001 (a probe may fail in any way; each is reported)
            checks[check.name] = {"ok": False, "detail": str(failure) or type(failure).__name__}
            ready = ready and not check.required
    response = JsonResponse(
        {"ready": ready, "checks": checks}, status=READY if ready else NOT_READY
    )
    # "Not yet" is an answer, not an error: Django would log each one as a failure of the server.
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
    return response
