"""What django-allauth writes to people, as letters of the house through the outbox."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils.timezone import now

from governance.kernel.letters import Letter
from governance.operations.mail import post_letter


class AccountLetters(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth decides what is written to whom; the outbox delivers it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 (allauth's signature)
        """Nobody signs up alone: people come by invitation, directory or their own sign-on."""
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Render allauth's text and post it; the code of a sign-in stands alone, easy to copy."""
        code = context.get("code")
        rendered = self.render_mail(template_prefix, email, context)
        paragraphs = tuple(" ".join(part.split()) for part in rendered.body.split("\n\n") if part)
        post_letter(
            Letter(
                kind=template_prefix.rpartition("/")[2],
                subject=rendered.subject,
                heading=rendered.subject.removeprefix("Licet: "),
                paragraphs=tuple(text for text in paragraphs if text != code),
                facts=(("Code", str(code)),) if code else (),
                small_print="If you did not ask for this, somebody typed your address.",
            ),
            to=[email],
            at=now(),
        )
