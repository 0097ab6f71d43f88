"""Media by id: whatever a URL says, nothing but a few files of planned cells is sent, whole or in ranges."""

import shutil
from urllib.parse import quote

import pytest
from findings import folder
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import media
from dashboard.settings import VARIABLE, Settings

CELL = "plain-00-0"
DATA = bytes(range(256)) * 40


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A folder with one run, a secret beside it, and a file that the run holds but nobody may see."""
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    place = tmp_path / "runs"
    shutil.copytree(folder("awkward"), place / "shop")
    cell = place / "shop" / "cells" / CELL
    (cell / "video.mp4").write_bytes(DATA)
    (cell / "trace.jsonl").write_text("private")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr("dashboard.runs.settings", lambda: Settings(runs=str(place)))
    return place


@pytest.fixture
def client():
    return TestClient(Starlette(routes=media.ROUTES), raise_server_exceptions=False)


def test_a_video_comes_whole(runs, client):
    answer = client.get(media.url("shop", CELL))
    assert answer.status_code == 200
    assert answer.content == DATA
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-9", DATA[:10]), ("bytes=100-", DATA[100:]), ("bytes=-7", DATA[-7:]), ("bytes=5-99999999", DATA[5:])],
)
def test_a_player_gets_the_range_that_it_asks_for(runs, client, asked, part):
    answer = client.get(media.url("shop", CELL), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == part
    assert answer.headers["content-range"].endswith(f"/{len(DATA)}")


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=9-3", "nonsense", "bytes=a-b"])
def test_a_range_of_nonsense_is_refused_without_a_crash(runs, client, asked):
    answer = client.get(media.url("shop", CELL), headers={"Range": asked})
    assert answer.status_code in (200, 400, 416)
    assert str(runs) not in answer.text


ATTACKS = [
    "/cells/shop/../../secret.mp4", "/cells/shop/..%2f..%2f..%2fsecret.mp4/video.mp4",
    "/cells/..%2f/secret/video.mp4", "/cells/%2e%2e/shop/video.mp4", "/cells/shop/%2e%2e/video.mp4",
    f"/cells/shop/{CELL}/trace.jsonl", f"/cells/shop/{CELL}/record.json", f"/cells/shop/{CELL}/..%2frecord.json",
    f"/cells/shop/{CELL}/%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fsecret.mp4", f"/cells/shop/{CELL}/video.mp4%00",
    f"/cells/shop/{CELL}%00/video.mp4", f"/cells/shop%00/{CELL}/video.mp4", f"/cells/shop/{CELL}/video.mp4/",
    "/cells/shop/..%252f..%252fsecret/video.mp4", "/cells/shop/..%5c..%5csecret/video.mp4",
    "/cells//etc/passwd", "/cells/%2fetc%2fpasswd/x/video.mp4", f"/cells/nobody/{CELL}/video.mp4",
    "/cells/shop/nobody/video.mp4", f"/cells/shop/{'a' * 5000}/video.mp4", "/cells/shop/%ff%fe/video.mp4",
    f"/cells/shop/{CELL.upper()}/video.mp4", f"/cells/shop/{CELL}/VIDEO.MP4", f"/cells/shop/{CELL}/search.png",
    "/blind/nobody/video.mp4", "/blind/..%2f..%2fsecret.mp4/video.mp4",
]  # fmt: skip


@pytest.mark.parametrize("path", ATTACKS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_nothing_else_is_sent_and_no_path_is_told(runs, client, path, method):
    answer = client.request(method, path, follow_redirects=False)
    assert answer.status_code in (307, 404)  # Starlette sends one with a slash too many to the one without
    for secret in (b"secret", b"private", str(runs).encode(), b"Traceback"):
        assert secret not in answer.content


def test_an_absolute_path_from_a_plan_is_no_cell(runs, client):
    """A run of somebody else may name cells that are paths."""
    plan = runs / "shop" / "plan.json"
    plan.write_text(plan.read_text("utf-8").replace(f'"{CELL}"', '"../../../evil"'), "utf-8")
    evil = runs.parent / "evil"
    evil.mkdir()
    (evil / "video.mp4").write_bytes(b"secret")
    assert client.get(f"/cells/shop/{quote('../../../evil', safe='')}/video.mp4").status_code == 404


def test_a_linked_video_plays_and_a_linked_secret_does_not(runs, client):
    """`poc import --no-copy` leaves links."""
    cell = runs / "shop" / "cells" / CELL
    (cell / "video.mp4").unlink()
    (cell / "video.mp4").symlink_to(runs.parent / "secret.mp4")
    assert client.get(media.url("shop", CELL)).content == b"secret"
    passwords = runs.parent / "passwords.txt"
    passwords.write_text("private")
    (cell / "contact_sheet.png").unlink(missing_ok=True)
    (cell / "contact_sheet.png").symlink_to(passwords)
    assert client.get(media.url("shop", CELL, "contact_sheet.png")).status_code == 404
    (runs.parent / "secret.mp4").unlink()
    assert client.get(media.url("shop", CELL)).status_code == 404


def test_gone_folders_are_no_crash(runs, client):
    shutil.rmtree(runs / "shop" / "cells")
    assert client.get(media.url("shop", CELL)).status_code == 404
    shutil.rmtree(runs)
    answer = client.get(media.url("shop", CELL))
    assert answer.status_code == 404
    assert answer.text == "no such file"


def test_a_broken_plan_is_no_crash(runs, client):
    (runs / "shop" / "plan.json").write_text("{", "utf-8")
    assert client.get(media.url("shop", CELL)).status_code == 404
