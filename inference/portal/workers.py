"""The operator's page of the engines."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now

from inference.queries.workers import backlog_by_release, last_failures, workers


@login_required
def workers_page(request: HttpRequest) -> HttpResponse:
    """Engines with their device, release, jobs and last self-test; backlog and errors below."""
    if not request.user.is_staff:
        raise Http404
    at = now()
    found = workers(at=at)
    return render(
        request,
        "inference/workers.html",
        {
            "workers": found,
            "alive": sum(worker.alive for worker in found),
            "backlog": backlog_by_release(at=at),
            "failures": last_failures(),
        },
    )
