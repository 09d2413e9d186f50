"""Style references and moodboards over the API."""

import base64

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from governance.kernel.canonical import sha256_hex
from governance.operations.api_keys import CreatedKey
from tests.inference.conftest import Upload, picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def headers(api_key: CreatedKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key.secret}"}


class TestReferencesApi:
    def test_uploads_shows_lists_and_deletes(self, client: Client, headers: dict[str, str]) -> None:
        body = {"image": SimpleUploadedFile("look.png", picture()), "name": "Aurora"}

        made = client.post("/v1/style_references", body, headers=headers)

        assert made.status_code == 201, made.content
        address = made.headers["Location"]
        assert client.get("/v1/style_references", headers=headers).json()["data"] == [made.json()]
        shown = client.get(f"{address}/content", headers=headers)
        assert sha256_hex(shown.content) == made.json()["sha256"]
        assert client.delete(address, headers=headers).status_code == 204
        assert client.get(address, headers=headers).status_code == 404

    @pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
    def test_takes_base64_and_data_urls(
        self, client: Client, headers: dict[str, str], prefix: str
    ) -> None:
        body = {"image": prefix + base64.b64encode(picture()).decode()}

        made = client.post(
            "/v1/style_references", body, content_type="application/json", headers=headers
        )

        assert made.json()["uploaded_sha256"] == sha256_hex(picture())

    def test_takes_the_picture_as_the_body(self, client: Client, headers: dict[str, str]) -> None:
        made = client.post(
            "/v1/style_references", picture(), content_type="image/png", headers=headers
        )

        assert made.status_code == 201, made.content

    def test_fetches_nothing_from_other_addresses(
        self, client: Client, headers: dict[str, str]
    ) -> None:
        refused = client.post(
            "/v1/style_references",
            {"image": "https://169.254.169.254/latest"},
            content_type="application/json",
            headers=headers,
        )

        assert refused.status_code == 400
        assert "not fetched" in refused.json()["detail"]

    def test_puts_references_on_a_moodboard(
        self, client: Client, headers: dict[str, str], upload: Upload
    ) -> None:
        body = {"name": "Autumn", "references": [{"id": str(upload().id), "weight": 0.5}]}

        made = client.post("/v1/moodboards", body, content_type="application/json", headers=headers)

        assert made.status_code == 201, made.content
        assert client.get(made.headers["Location"], headers=headers).json() == made.json()
        assert client.get("/v1/moodboards", headers=headers).json()["data"] == [made.json()]
        assert client.delete(made.headers["Location"], headers=headers).status_code == 204
