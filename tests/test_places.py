"""Photos, web servers, URLs, packing, browsing: what lies elsewhere is read as what lies here, or it is said why."""

import json
import sys
from pathlib import Path

import pytest
import streamlit as st
import tiny
from bucket import Bucket, Ranges, refused
from conftest import Command
from PIL import Image
from remote_stores import SMALL
from test_dashboard_pages import said, visit
from upath import UPath

from compute.errors import InputError
from compute.inputs import photos
from compute.store.files import open_regular, read_whole
from compute.store.manifest import MANIFEST
from compute.store.opening import Store, open_store
from compute.store.places import remote
from compute.store.places.place import place, scrubbed
from compute.store.schema import PUBLISHED
from compute.sweep.sweep import run_sweep
from dashboard import STORES_VARIABLE
from dashboard.launch import launch

pytestmark = pytest.mark.usefixtures("loud")


def test_photos_in_a_bucket_are_those_of_a_folder(s3: Bucket, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b #1?.png", "more/c.png")):
        Image.fromarray(tiny.photo(i)).save(folder / name)
    Image.new("L", (96, 80)).save(folder / "a.regions.png")
    (folder / "SOURCES.csv").write_text("file,licence\na.png,CC0\nb #1?.png,CC0\n")
    (folder / "notes.txt").write_text("")
    for path in folder.rglob("*.*"):
        UPath(f"s3://bucket/photos/{path.relative_to(folder)}", use_listings_cache=False).write_bytes(path.read_bytes())
    (here, passed), (there, likewise) = photos.find([str(folder)]), photos.find(["s3://bucket/photos/"])
    assert [(p.photo_id, p.licence) for p in here] == [(p.photo_id, p.licence) for p in there]
    assert [p.origin.replace("s3://bucket/photos", str(folder)) for p in there] == [p.origin for p in here]
    assert [(n.replace("s3://bucket/photos", str(folder)), reason) for n, reason in likewise] == passed
    one, two = photos.load(here[0], 64), photos.load(there[0], 64)
    assert (one.rgb == two.rgb).all() and two.regions is not None
    with s3.failing(refused(403, "AccessDenied", path="more/c.png")), pytest.raises(InputError, match="no permission"):
        photos.find(["s3://bucket/photos"])  # a sweep without it would be another one
    with s3.failing(refused(403, "AccessDenied", only="GET", path="a.png")), pytest.raises(InputError, match=r"a\.png"):
        run_sweep(tiny.config(tmp_path / "out", **SMALL), sources=there, classifier=tiny.classifier())
    for wrong, reason in {"bucket": "no such file or folder", "nobody": "cannot be read .NoSuchBucket"}.items():
        with pytest.raises(InputError, match=rf"--photos s3://{wrong}/nothing: {reason}"):
            photos.find([f"s3://{wrong}/nothing"])


def test_a_store_on_the_web_is_read_by_ranges(site: tuple[str, type[Ranges]], local: Store) -> None:
    address, server = site
    store = open_store(f"{address}/")
    assert tiny.facts(store) == tiny.facts(local)
    assert store.damaged() == []
    by_table = {t: [r for method, path, r in server.asked if method == "GET" and t in path] for t in PUBLISHED}
    assert all(found for found in by_table.values()) and all(by_table["images"])
    with open_regular(store.paths("images")[0]) as file:
        file.seek(1000)
        assert file.read(7) == read_whole(local.paths("images")[0], 2**30)[1000:1007]


@pytest.mark.parametrize("fault", ["cut", "503", "429"])
def test_what_fails_once_on_the_web_is_read_again(site: tuple[str, type[Ranges]], fault: str, local: Store) -> None:
    address, server = site
    server.faults["/attempts.parquet"] = ["", fault, fault]  # the first asks for its size
    assert open_store(address).tables["attempts"].equals(local.tables["attempts"])


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["404"] * 9, "missing; take another copy"),
        (["403"] * 9, "no permission"),
        (["503"] * 9, "503"),
        (["", *["cut"] * 9], "ClientPayloadError|IncompleteRead"),
        (["file:///etc/passwd"] * 9, "NonHttpUrlRedirect"),
        (["", *["file:///etc/passwd"] * 9], "NonHttpUrlRedirect"),
    ],
    ids=str,
)
def test_what_fails_for_good_on_the_web_is_said(site: tuple[str, type[Ranges]], faults: list[str], words: str) -> None:
    address, server = site
    server.faults["/attempts.parquet"] = faults
    with pytest.raises(InputError, match=rf"^{address}/attempts\.parquet: .*({words})"):
        open_store(address)


def test_a_server_sends_no_more_than_was_asked_for(site: tuple[str, type[Ranges]]) -> None:
    address, server = site
    server.faults["/attempts.parquet"] = ["", "endless"]
    assert open_store(address).damaged() == []
    server.faults["/images.parquet"] = ["", "no ranges", "no ranges"]
    with pytest.raises(InputError, match=r"images\.parquet: .*larger than 10 bytes"):
        read_whole(place(f"{address}/images.parquet"), 10)


def test_a_server_without_ranges_is_said(site: tuple[str, type[Ranges]]) -> None:
    address, server = site
    server.faults["/images.parquet"] = ["", *["no ranges"] * 9]
    with pytest.raises(InputError, match=r"images\.parquet: .*does not answer requests for a range of bytes"):
        open_store(address)


def test_nobody_waits_for_a_server_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:9/x/manifest\.json: cannot be read"):
        open_store("http://127.0.0.1:9/x")
    with pytest.raises(InputError, match=r"--out http://127\.0\.0\.1:9/x: can only be read"):
        tiny.sweep("http://127.0.0.1:9/x")


SCRET = "hunter2"
REFUSED = {
    f"https://me:{SCRET}@example.org/board": "https://example.org/board: credentials, queries",
    f"https://example.org/board?token={SCRET}": "https://example.org/board: credentials, queries",
    f"s3://AKID:{SCRET}@bucket/board": "s3://bucket/board: credentials, queries",
    f"ftp://me:{SCRET}@example.org/x": "ftp://example.org/x: cannot be read; known are paths, s3://",
    "http://example.org/board": "http://example.org/board: cannot be read; .*http:// of this machine alone",
    "file://elsewhere/x": "cannot be read; known are paths",
    "https://[bad/x": "not a URL",
    "s3://": "cannot be read",
}


@pytest.mark.parametrize("url", REFUSED)
def test_urls_that_are_none_of_ours_are_refused_without_their_secrets(url: str) -> None:
    with pytest.raises(InputError, match=REFUSED[url]) as refusal:
        place(url)
    assert SCRET not in str(refusal.value)


def test_paths_and_urls() -> None:
    assert place("data/store") == Path("data/store")
    assert place("file:///tmp/a%20b") == Path("/tmp/a b")
    assert str(place("https://example.org/board/") / MANIFEST) == f"https://example.org/board/{MANIFEST}"
    assert place(Path("x")) == Path("x")


def test_messages_of_libraries_lose_what_their_urls_hold_beside_the_path() -> None:
    said = f"403, url='https://me:{SCRET}@cdn.example.org/a/b?X-Amz-Signature={SCRET}#{SCRET}' (s3://k:{SCRET}@b/c)"
    assert scrubbed(said) == "403, url='https://cdn.example.org/a/b' (s3://b/c)"


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(InputError, match=r"az://box/x: needs the library for az://: pip install 'wolfspider\[cloud\]'"):
        place("az://box/x")


def test_the_command_takes_urls(command: Command, s3: Bucket, sent: str, tmp_path: Path) -> None:
    assert command("report", sent, "--csv")[0] == 0
    status, said, _ = command("show", sent, "--verify")
    assert status == 0 and "All checksums match." in said
    assert command("pack", sent, tmp_path / "copy", "--no-images")[:2] == (0, f"Store: {tmp_path / 'copy'}\n")
    status, _, complained = command("report", "s3://bucket/nothing")
    assert (status, complained) == (2, "wolfspider: s3://bucket/nothing: not a store: it has no manifest.json\n")
    status, _, complained = command("dashboard", "s3://bucket/nothing")
    assert status == 2 and "no store lies there" in complained


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("out", ["{here}/deep/packed", "s3://bucket/packed"])
def test_a_packed_store_is_whole(
    s3: Bucket, command: Command, local: Store, tmp_path: Path, out: str, images: bool
) -> None:
    out = out.format(here=tmp_path) + str(images)
    assert command("pack", local.path, out, *([] if images else ["--no-images"]))[0] == 0
    packed = open_store(out)
    assert packed.damaged() == []
    kept = {t: tiny.rows(local, t) for t in PUBLISHED if images or t != "images"}
    assert {t: tiny.rows(packed, t) for t in PUBLISHED} == {"images": [], **kept}
    changed = {} if images else {"given": packed.manifest["given"], "tables": packed.manifest["tables"]}
    assert packed.manifest == {**local.manifest, **changed}
    assert packed.manifest["given"]["keep"] == ("images" if images else "none")
    status, _, complained = command("pack", local.path, out)
    assert status == 2 and "choose another place" in complained


def test_a_damaged_store_is_not_packed(s3: Bucket, command: Command, local: Store, tmp_path: Path) -> None:
    assert command("pack", local.path, tmp_path / "damaged")[0] == 0
    path = tmp_path / "damaged" / "images.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    for out in (tmp_path / "copy", "s3://bucket/damaged"):
        status, _, complained = command("pack", tmp_path / "damaged", out)
        assert status == 2 and f"{tmp_path / 'damaged'}: damaged tables: images; nothing was packed" in complained
    assert [path.name for path in tmp_path.iterdir()] == ["damaged"] and s3.names("damaged") == set()


def test_manifests_are_sent_last(s3: Bucket, local: Store) -> None:
    first = len(s3.asked)
    remote.send(Path(str(local.path)), UPath("s3://bucket/last", use_listings_cache=False), last=MANIFEST)
    put = [path for method, path in s3.asked[first:] if method == "PUT"]
    assert len(put) > len(PUBLISHED) and put[-1].endswith(MANIFEST)
    assert json.loads(UPath(f"s3://bucket/last/{MANIFEST}").read_bytes()) == local.manifest


@pytest.fixture
def no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing remembered of what lies behind URLs."""
    monkeypatch.setenv(STORES_VARIABLE, "")
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.mark.usefixtures("no_board")
def test_a_board_on_the_web_is_browsed(site: tuple[str, type[Ranges]]) -> None:
    address, server = site
    for page in ("overview", "run"):
        app = visit(place(address), page)
        assert app.title and not app.error and not app.info
    read = len(server.asked)
    app.run()
    assert len(server.asked) == read  # nothing is read twice
    app = visit(place(address), "case")
    assert not app.error and "no pictures" not in said(app)
    assert {path for _, path, _ in server.asked[read:]} == {"/images.parquet"}


@pytest.mark.usefixtures("no_board")
def test_boards_in_a_bucket_are_listed(s3: Bucket, sent: str) -> None:
    remote.create(UPath("s3://bucket/boards/begun/run.json"), b"{}")
    remote.create(UPath("s3://bucket/boards/notes/readme.txt"), b"{}")
    app = visit(place("s3://bucket/boards"), "run", store="sent")
    assert app.selectbox[0].options == ["begun", "sent"]
    assert sent in said(app)


@pytest.mark.usefixtures("no_board")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/board", "cannot be read"),
        ("{site}/nothing", "web servers list none"),
        ("s3://box", "Bucket"),
    ],
)
def test_what_cannot_be_browsed_is_said(s3: Bucket, site: tuple[str, type[Ranges]], url: str, words: str) -> None:
    address = place(url.format(site=site[0]))
    app = visit(address, "overview")
    assert "No store can be reached" in said(app) and words in said(app)
    with pytest.raises(InputError, match=words):
        launch(address)
