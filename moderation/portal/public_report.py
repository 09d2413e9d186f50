"""Report an image without an account, and read by its number how the report stands."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from governance.api.authentication import client_ip
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError
from moderation.models import Concern
from moderation.operations.intake import MOST_BYTES
from moderation.operations.public_reports import (
    Words,
    check_words,
    meant_image,
    number_hash,
    report_publicly,
)
from moderation.operations.visitor_rates import count_report
from moderation.queries.policies import active_bundle
from moderation.queries.public_reports import report_by_number_hash

LONGEST_NAME, LONGEST_CONTACT, LONGEST_NUMBER = 2000, 320, 40


@never_cache
@require_http_methods(["GET", "POST"])
def public_report(request: HttpRequest) -> HttpResponse:
    """Anybody reports an image of this service. The reply is the page of the report's state."""
    words, refusal = _words(request), None
    if request.method == "POST":
        try:
            return redirect("public-report-state", number=_taken(request, words))
        except DomainError as found:
            refusal = found
    context = {
        "items": [each for each in active_bundle().items.values() if each.key.isdecimal()],
        "concerns": Concern.choices,
        "words": words,
        "refusal": refusal,
        "wrong": refusal.facts.get("param") if refusal else None,
        "most_mib": MOST_BYTES >> 20,
    }
    status = refusal.status if refusal else 200
    return render(request, "moderation/public_report.html", context, status=status)


@never_cache
@require_GET
def find_report(request: HttpRequest) -> HttpResponse:
    """From a number that was typed to the page of its report."""
    number = request.GET.get("number", "").strip()[:LONGEST_NUMBER].replace("/", "")
    return redirect("public-report-state", number=number) if number else redirect("public-report")


@never_cache
@require_GET
def report_state(request: HttpRequest, number: str) -> HttpResponse:
    """How a report stands, for whoever has its number."""
    found = report_by_number_hash(number_hash(number))
    context = {
        "report": found,
        "number": number,
        "item": active_bundle().items.get(found.item) if found else None,
        "now": now(),
    }
    status = 200 if found else 404
    return render(request, "moderation/public_report_state.html", context, status=status)


def _words(request: HttpRequest) -> Words:
    sent = request.POST
    return Words(
        item=sent.get("item", ""),
        concern=sent.get("concern", ""),
        statement=sent.get("statement", ""),
        name=sent.get("name", "")[:LONGEST_NAME],
        contact=sent.get("contact", "").strip()[:LONGEST_CONTACT],
    )


def _taken(request: HttpRequest, words: Words) -> str:
    """The new report's number. The words first, since a picture is the dearest to look at."""
    address = client_ip(request)
    check_words(words)
    count_report(address)
    file = request.FILES.get("image")
    image = meant_image(name=words.name, data=file.read(MOST_BYTES + 1) if file else b"")
    visitor = Actor(
        kind="visitor", id="", ip=address, request_id=getattr(request, "request_id", "")
    )
    return report_publicly(image=image, words=words, actor=visitor, at=now())
