"""The portal's components as template tags: icons, chips, tiles, bars, money, times."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from governance.kernel.money import format_usd
from governance.portal.icons import ICONS

register = template.Library()

MINUTE = 60
HOUR = 3600

# Tone, icon and word of every state that the portal shows.
STATES = {
    "queued": ("info", "clock", "Queued"),
    "running": ("info", "play", "Running"),
    "succeeded": ("good", "check", "Delivered"),
    "blocked": ("bad", "blocked", "Blocked"),
    "failed": ("warn", "warning", "Failed"),
    "cancelled": ("", "stop", "Cancelled"),
}
STANDINGS = {
    "community": ("good", "check", "Within the licence"),
    "enterprise": ("good", "check", "Enterprise licence"),
    "approaching": ("warn", "warning", "Near a limit"),
    "over_seats": ("warn", "warning", "Over the seat limit"),
    "attestation_due": ("warn", "clock", "Declarations due"),
    "commercial_suspended": ("bad", "blocked", "Commercial use suspended"),
    "notice_running": ("warn", "clock", "Notice running"),
    "terminated": ("bad", "blocked", "Licence ended"),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon that only decorates; the word beside it carries the meaning."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{}"/></svg>',
        ICONS[name],
    )


@register.simple_tag
def chip(tone: str, icon_name: str, word: str) -> SafeString:
    """A status: colour, icon and word."""
    return format_html('<span class="chip {}">{}{}</span>', tone, icon(icon_name), word)


@register.simple_tag
def state_chip(state: str) -> SafeString:
    """The chip of a generation's state."""
    return chip(*STATES.get(state, ("", "info", state)))


@register.filter
def state_icon(state: str) -> str:
    """The icon's name of a generation's state."""
    return STATES.get(state, ("", "info", state))[1]


@register.filter
def state_tone(state: str) -> str:
    """The tone of a generation's state."""
    return STATES.get(state, ("", "info", state))[0]


@register.simple_tag
def standing_chip(status: str) -> SafeString:
    """The chip of an organization's licence standing."""
    return chip(*STANDINGS.get(str(status).lower(), ("", "info", str(status))))


@register.filter
def usd(amount: int) -> str:
    """µUSD as dollars: 15000 is $0.015."""
    return format_usd(int(amount))


@register.filter
def seconds(duration: float) -> str:
    """A duration in s for people: 320 ms, 4.2 s, 3 min 5 s, 2 h 4 min."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < MINUTE:
        return f"{duration:.1f} s"
    if duration < HOUR:
        return f"{int(duration // MINUTE)} min {int(duration % MINUTE)} s"
    return f"{int(duration // HOUR)} h {int(duration % HOUR // MINUTE)} min"


@register.filter
def initials(user: Any) -> str:
    """The one or two letters that stand for a person."""
    words = str(getattr(user, "name", "") or getattr(user, "email", "")).split()
    return "".join(word[0] for word in [*words[:1], *words[1:][-1:]]).upper()


@register.filter
def plain(text: object) -> str:
    """An identifier as words: sexual_minors is sexual minors."""
    return str(text).replace("_", " ").replace(".", " ")


@register.filter
def item_of(mapping: Mapping[Any, Any], key: Any) -> Any:
    """The entry of a mapping for a key that is itself a variable."""
    return mapping.get(key)


@register.filter
def sentence(text: object) -> str:
    """The text with a capital at its start and a full stop at its end."""
    words = str(text).strip()
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}"


@register.inclusion_tag("components/tile.html")
def tile(label: str, value: object, **more: Any) -> dict[str, Any]:
    """One figure that leads to its evidence; ``unit``, ``about``, ``url``, ``tone`` where known."""
    return {"label": label, "value": value, **more}


@register.inclusion_tag("components/bar.html")
def limit_bar(used: int, limit: int, label: str, warn_percent: int = 80) -> dict[str, object]:
    """A bar of ``used`` against a limit line; the scale leaves room beyond the limit."""
    scale = max(limit * 1.15, used, 1)
    share = 100 * used / limit if limit else 100
    tone = "bad" if used > limit else "warn" if share >= warn_percent else ""
    return {
        "fill": f"{100 * used / scale:.2f}",
        "line": f"{100 * limit / scale:.2f}",
        "tone": tone,
        "label": label,
    }


@register.inclusion_tag("components/meter.html")
def score_meter(score: float, block: float | None = None) -> dict[str, object]:
    """A classifier's score from 0 to 1, with the blocking threshold as a line."""
    return {
        "score": f"{100 * min(max(score, 0), 1):.1f}",
        "block": f"{100 * block:.1f}" if block is not None else None,
        "tone": "bad" if block is not None and score >= block else "",
    }


@register.simple_tag
def local_time(moment: datetime | None, detail: str = "minutes") -> SafeString:
    """A time that the page shows in the reader's zone; without JavaScript it is UTC.

    ``detail`` is "minutes" or "seconds".
    """
    if moment is None:
        return mark_safe("")
    shown = (
        f"{moment:%Y-%m-%d %H:%M:%S} UTC" if detail == "seconds" else f"{moment:%Y-%m-%d %H:%M} UTC"
    )
    return format_html(
        '<time datetime="{}" data-local="{}">{}</time>', moment.isoformat(), detail, shown
    )


@register.simple_tag(takes_context=True)
def address_with(context: template.Context, **changes: object) -> str:
    """The present address's query with some parameters changed; empty ones are left out."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        query.pop(name, None)
        if value not in (None, ""):
            query[name] = str(value)
    return f"?{query.urlencode()}"
