"""The licence, the notice and the policy at stable addresses (sections 3.1(a) and 3.1(c))."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import quote_etag
from django.utils.timezone import now

from governance.models import DocumentKind, TermsDocument, TermsVersion
from governance.queries.terms import terms_in_force


def current_document(request: HttpRequest, kind: str) -> HttpResponse:
    """The text in force now, as plain text; its SHA-256 is the entity tag."""
    return plain_text(request, getattr(terms_in_force(now()), kind))


def document_of_version(request: HttpRequest, label: str, kind: str) -> HttpResponse:
    """The text of one version, so that what was accepted can always be read again."""
    version = TermsVersion.objects.filter(label=label).first()
    if version is None or kind not in DocumentKind.values:
        raise Http404
    return plain_text(request, getattr(version, kind))


def plain_text(request: HttpRequest, document: TermsDocument) -> HttpResponse:
    """``document`` as UTF-8 text, or 304 where the reader has it."""
    etag = quote_etag(document.sha256)
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=300",
        "X-Document-SHA256": document.sha256,
        "X-Document-Official": "yes" if document.official else "no",
    }
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(document.text, content_type="text/plain; charset=utf-8", headers=headers)
