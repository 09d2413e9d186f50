"""Uploaded evidence: its name is only shown, never a path and never a header."""

from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from governance.portal.licence.files import download, stored

NAMES = (
    "../../etc/passwd",
    "..\\..\\boot.ini",
    'a"\r\nX-Injected: 1',
    "{{7*7}}.pdf",
    "/etc/passwd",
)


# A closed reply ends the request, which looks at the database connections.
@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_no_path_and_no_header(name: str) -> None:
    folder = uuid4().hex
    upload = SimpleUploadedFile("x", b"evidence")
    # Past Django's own cleaning, as if it were not there.
    upload._name = name

    kept = stored(upload, folder)
    assert kept is not None
    reply = download(kept.path, kept.name, kept.sha256)

    assert kept.path.startswith(f"evidence/{folder}/")
    assert "." not in kept.path
    assert default_storage.listdir(f"evidence/{folder}")[1] == [kept.path.rpartition("/")[2]]
    assert b"".join(reply.streaming_content) == b"evidence"
    reply.close()
    assert not any("\r" in value or "\n" in value for _, value in reply.items())
    assert "X-Injected" not in reply
