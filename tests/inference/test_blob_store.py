"""Blobs in a folder and in a bucket: what is promised of images and references holds on both."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils.timezone import now

from governance.blob_store import blob_store
from governance.kernel.canonical import sha256_hex
from governance.kernel.errors import NotFound
from governance.models import Organization
from governance.operations.backup import blob_folder
from governance.operations.examining_servers import look_at_storage
from inference.models import Artifact, Generation
from inference.operations.addresses import image_address
from inference.operations.deleting import delete_image, expire_images, set_image_retention
from inference.operations.leases import claim_next
from inference.operations.reference_files import read_reference
from inference.operations.references import delete_reference, upload_reference
from inference.operations.running import run_attempt
from inference.operations.storage import read_image
from moderation.operations.release import ReceiptInvalid
from tests.factories import SYSTEM
from tests.inference.conftest import WORKER, SketchEngine
from tests.inference.test_references import picture

pytestmark = pytest.mark.django_db
NO_STORAGES = "the extra s3 is not installed (make venv)"


@pytest.fixture(scope="session")
def bucket_server() -> Iterator[str]:
    """An S3 service in this process."""
    pytest.importorskip("storages", reason=NO_STORAGES)
    server = pytest.importorskip("moto.server", reason=NO_STORAGES)
    started = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A bucket of its own, as LICET_STORAGE would name it."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    name = f"licet-{uuid4().hex}"
    client = boto3.client("s3", endpoint_url=bucket_server, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    return blob_store(
        f"s3://{name}/blobs", default=Path(), endpoint=bucket_server, region="us-east-1"
    )


@pytest.fixture(params=["a folder", "a bucket"])
def blobs(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> str:
    """The blob store, one after the other."""
    where = (
        request.getfixturevalue("bucket")
        if request.param == "a bucket"
        else blob_store(str(tmp_path / "blobs"), default=Path())
    )
    settings.STORAGES = {**settings.STORAGES, "default": where}
    return str(request.param)


@pytest.fixture
def image(blobs: str, submit: Callable[..., Generation], releases: list[UUID]) -> Artifact:
    """A delivered image."""
    submit()
    lease = claim_next(worker=WORKER, release_ids=releases, at=now())
    assert lease is not None
    assert run_attempt(lease=lease, engine=SketchEngine(), actor=WORKER) == "succeeded"
    return Artifact.objects.get()


class TestABlobStore:
    def test_gives_an_image_back_byte_for_byte(self, image: Artifact) -> None:
        assert sha256_hex(read_image(image)) == image.sha256

    def test_keeps_two_files_of_one_name_apart(self, blobs: str) -> None:
        first = default_storage.save("a/b.txt", ContentFile(b"first"))
        second = default_storage.save("a/b.txt", ContentFile(b"second"))

        assert first != second
        with default_storage.open(first) as stream:
            assert stream.read() == b"first"

    def test_says_that_a_file_is_gone(self, image: Artifact) -> None:
        default_storage.delete(image.blob)

        with pytest.raises(NotFound):
            read_image(image)

    def test_hands_out_nothing_that_was_changed_behind_its_back(self, image: Artifact) -> None:
        default_storage.delete(image.blob)
        default_storage.save(image.blob, ContentFile(b"another picture"))

        with pytest.raises(ReceiptInvalid):
            read_image(image)

    def test_deleting_twice_does_no_harm(self, image: Artifact) -> None:
        default_storage.delete(image.blob)

        default_storage.delete(image.blob)

        assert not default_storage.exists(image.blob)

    def test_serves_a_download_whole_and_in_ranges(self, image: Artifact, client: Client) -> None:
        address = image_address(image.id, image.organization_id)

        whole = client.get(address)
        part = client.get(address, headers={"Range": "bytes=10-19"})
        beyond = client.get(address, headers={"Range": f"bytes={image.size_bytes}-"})

        assert (whole.status_code, sha256_hex(whole.content)) == (200, image.sha256)
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["Content-Range"] == f"bytes 10-19/{image.size_bytes}"
        assert beyond.status_code == 416

    def test_lets_an_image_go_with_its_owners_wish(
        self, image: Artifact, client: Client, django_capture_on_commit_callbacks: Any
    ) -> None:
        address = image_address(image.id, image.organization_id)

        with django_capture_on_commit_callbacks(execute=True):
            delete_image(
                organization_id=image.organization_id,
                generation_id=image.generation_id,
                index=0,
                actor=SYSTEM,
                at=now(),
            )

        assert not default_storage.exists(image.blob)
        assert client.get(address).status_code == 404

    def test_lets_an_image_go_after_its_organizations_days(
        self, image: Artifact, django_capture_on_commit_callbacks: Any
    ) -> None:
        set_image_retention(organization_id=image.organization_id, days=1, actor=SYSTEM, at=now())

        with django_capture_on_commit_callbacks(execute=True):
            expire_images(at=now() + timedelta(days=2))

        assert not default_storage.exists(image.blob)

    def test_keeps_and_forgets_a_style_reference(
        self, blobs: str, organization: Organization, django_capture_on_commit_callbacks: Any
    ) -> None:
        reference = upload_reference(
            data=picture(), name="", organization_id=organization.id, actor=SYSTEM, at=now()
        )

        kept = read_reference(reference)
        with django_capture_on_commit_callbacks(execute=True):
            delete_reference(
                organization_id=organization.id, reference_id=reference.id, actor=SYSTEM, at=now()
            )

        assert sha256_hex(kept) == reference.sha256
        assert not default_storage.exists(reference.blob)

    def test_passes_the_doctors_examination(self, blobs: str) -> None:
        assert look_at_storage(now()).detail == "writes, reads and deletes"

    def test_is_in_the_backup_only_where_it_is_a_folder(self, blobs: str) -> None:
        assert (blob_folder() is None) == (blobs == "a bucket")


class TestItsAddress:
    def test_is_the_default_folder_unless_one_is_named(self, tmp_path: Path) -> None:
        default, named = blob_store("", default=tmp_path), blob_store("/srv/x", default=tmp_path)

        assert default["OPTIONS"]["location"] == str(tmp_path)
        assert named["OPTIONS"]["location"] == "/srv/x"

    @pytest.mark.parametrize("address", ["gs://bucket", "http://host/bucket", "s3://", "s3:///x"])
    def test_of_another_kind_is_refused_with_what_is_taken(self, address: str) -> None:
        with pytest.raises(ValueError, match="s3://bucket/prefix"):
            blob_store(address, default=Path())

    def test_names_bucket_prefix_and_service(self, bucket: dict[str, Any]) -> None:
        options = bucket["OPTIONS"]

        assert options["location"] == "blobs"
        assert options["endpoint_url"].startswith("http://127.0.0.1:")
        assert not options["file_overwrite"]
