"""The stand-in's payment page: plainly labelled, no card number is asked for, no money moves."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from billing.gateways.fake import store, world

CARDS = (
    ("4242424242424242", "4242, pays"),
    ("4000000000000002", "0002, is declined"),
    ("4000000000000341", "0341, pays now and is declined when charged automatically"),
    ("4000000000000259", "0259, pays and is disputed afterwards"),
)


@login_required
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, session_id: str) -> HttpResponse:
    """Choose how the test card behaves. Does not exist where a Stripe key is configured."""
    session = store.find("checkout.session", session_id)
    if settings.STRIPE_SECRET_KEY or session is None:
        raise Http404
    if request.method == "POST" and session["status"] == "open":
        token = world.CARDS.get(request.POST.get("card", ""), "pm_card_chargeDeclined")
        session = world.pay_checkout(session_id, token)
        if session["status"] == "complete":
            return redirect(session["success_url"])
    return render(
        request,
        "billing/stand_in.html",
        {
            "session": session,
            "amount": session["amount_total"] * 10_000,
            "cards": CARDS,
            "declined": request.method == "POST",
        },
    )
