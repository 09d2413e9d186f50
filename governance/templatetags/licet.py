"""The portal's components as template tags: icons, chips, bars, money."""

from dataclasses import dataclass

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from governance.kernel.money import format_usd

register = template.Library()

# Path data drawn on a 24 x 24 grid with strokes, one line each.
ICONS = {
    "check": "M5 12.5l4.5 4.5L19 7.5",
    "cross": "M6 6l12 12M18 6L6 18",
    "clock": "M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
    "shield": "M12 3l7 3v5c0 4.5-3 8.3-7 10-4-1.7-7-5.5-7-10V6z",
    "blocked": "M12 3l7 3v5c0 4.5-3 8.3-7 10-4-1.7-7-5.5-7-10V6zM9 9.5l6 5.5M15 9.5L9 15",
    "warning": "M12 4l9 16H3zM12 10v4M12 17v.2",
    "play": "M8 5.5v13l10.5-6.5z",
    "stop": "M7 7h10v10H7z",
    "image": "M4 5h16v14H4zM4 16l4.5-4.5L13 16l3-3 4 4M15.5 9.5v.2",
    "home": "M4 11l8-7 8 7v9H4zM10 20v-6h4v6",
    "people": "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.6 2.9-6 6.5-6s6.5 2.4 6.5 6M16 5a3 3 0 0 1 0 6",
    "key": "M14.5 9.5a4.5 4.5 0 1 1-4.3-4.5 4.5 4.5 0 0 1 4.3 4.5zM13.5 12.5L21 20M18 17l-2 2",
    "wallet": "M4 7h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2H4zM4 7V5h12v2M16 13.5h1.5",
    "chart": "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
    "list": "M8 6h12M8 12h12M8 18h12M4 6h.1M4 12h.1M4 18h.1",
    "box": "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
    "engine": "M7 7h10v10H7zM10 4v3M14 4v3M10 17v3M14 17v3M4 10h3M4 14h3M17 10h3M17 14h3",
    "info": "M12 11v6M12 7.5v.2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z",
    "document": "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
    "search": "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20",
}

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
    "enterprise": ("good", "check", "Enterprise"),
    "approaching": ("warn", "warning", "Near a limit"),
    "over_seats": ("warn", "warning", "Over the seat limit"),
    "attestation_due": ("warn", "clock", "Attestation due"),
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
    """A duration in s for people: 320 ms, 4.2 s, 3 min 5 s."""
    if duration < 1:
        return f"{duration * 1000:.0f} ms"
    if duration < 60:  # noqa: PLR2004 (seconds in a minute)
        return f"{duration:.1f} s"
    return f"{int(duration // 60)} min {int(duration % 60)} s"


@dataclass(frozen=True)
class Bar:
    """Where a bar ends, in percent of its width."""

    fill: float
    tone: str
    limit: float


@register.inclusion_tag("components/bar.html")
def limit_bar(used: int, limit: int, label: str, warn_percent: int = 80) -> dict[str, object]:
    """A bar of ``used`` against a limit line; the scale leaves room beyond the limit."""
    scale = max(limit * 1.15, used, 1)
    share = 100 * used / limit if limit else 100
    tone = "bad" if used > limit else "warn" if share >= warn_percent else ""
    bar = Bar(fill=100 * used / scale, tone=tone, limit=100 * limit / scale)
    return {"bar": bar, "label": label}


@register.inclusion_tag("components/meter.html")
def score_meter(score: float, block: float | None = None) -> dict[str, object]:
    """A classifier's score from 0 to 1, with the blocking threshold as a line."""
    return {
        "score": f"{100 * min(max(score, 0), 1):.1f}",
        "block": f"{100 * block:.1f}" if block is not None else None,
    }


@register.simple_tag
def local_time(moment: object) -> SafeString:
    """A time that the page shows in the reader's zone; without JavaScript it is UTC."""
    if moment is None:
        return mark_safe("")
    return format_html(
        '<time datetime="{}" data-local>{}</time>',
        moment.isoformat(),  # type: ignore[attr-defined]
        f"{moment:%Y-%m-%d %H:%M:%S} UTC",
    )
