"""The command: what it says, where, and with which status."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from conftest import Command
from PIL import Image

from compute.store.opening import Store, open_store


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three made photos and a broken one, whose name is markup."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in (1, 2, 3):
        Image.fromarray(tiny.photo(i)).save(folder / f"{i}.png")
    (folder / "[red]bad.jpg").write_text("no picture")
    return folder


SMALL = ("--regions", "2", "--min-size", "40", "--lime-samples", "30", "--device", "cpu")


def test_a_sweep_ends_with_its_report(command: Command, photos: Path, tmp_path: Path) -> None:
    status, said, complained = command("sweep", "--photos", photos, *SMALL, "--out", tmp_path / "store", "--seed", 3)
    assert (status, complained) == (0, "")  # quiet where it is piped
    assert "R1" in said
    assert str(tmp_path / "store") in said
    config = open_store(tmp_path / "store").manifest["config"]
    assert (config["regions"], config["min_size"], config["lime_samples"], config["seed"]) == (2, 40, 30, 3)
    again = command("sweep", "--photos", photos, *SMALL, "--out", tmp_path / "store", "--seed", 3)
    assert again == (status, said, complained)


def test_a_sweep_takes_everything_from_a_file(command: Command, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        f"photos = ['{photos}']\nregions = 1\nmin_size = 40\nexplainers = ['random']\nout = '{tmp_path / 'store'}'\n"
    )
    status, _, _ = command("sweep", "--config", tmp_path / "a.toml", "--profile", "quick", "--regions", 2)
    assert status == 0
    config = open_store(tmp_path / "store").manifest["config"]
    assert (config["regions"], config["lime_samples"], config["explainers"]) == (2, 500, ["random"])


def test_shards_are_joined_by_publish(command: Command, photos: Path, tmp_path: Path) -> None:
    words = ("sweep", photos, *SMALL, "--group", 1, "--explainers", " saliency, random ", "--out", tmp_path / "store")
    for shard in ("1/2", "2/2"):
        status, said, _ = command(*words, "--shard", shard)
        assert status == 0
        assert f"Shard {shard} is done; when all are: wolfspider publish {tmp_path / 'store'}" in said
    status, said, _ = command("publish", tmp_path / "store")
    assert status == 0
    assert "saliency" in said
    assert open_store(tmp_path / "store").manifest["tables"]["photos"]["rows"] == 3


def test_report_is_text_or_json(command: Command, store: Store) -> None:
    status, said, _ = command("report", store.path)
    assert status == 0
    assert "Jaccard" in said
    status, said, _ = command("report", store.path, "--json")
    assert status == 0
    assert set(json.loads(said)["explainers"]) == {"saliency", "guided_backprop", "lime", "random"}


def test_show_tells_what_is_in_a_store(command: Command, photos: Path, tmp_path: Path) -> None:
    command("sweep", photos, *SMALL, "--explainers", "random", "--out", tmp_path / "store")
    status, said, _ = command("show", tmp_path / "store", "--verify")
    assert status == 0
    assert "All checksums match" in said
    for word in ("lime_samples", "weights_sha256", "torch", "wolf spider (2)", "not a readable image", "attack"):
        assert word in said
    assert "[red]bad.jpg" in said  # a name is no markup
    path = tmp_path / "store" / "images.parquet"
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    status, _, complained = command("show", tmp_path / "store", "--verify")
    assert status == 2
    assert "damaged tables: images" in complained


def test_list_names_what_is_known(command: Command) -> None:
    status, said, _ = command("list")
    assert status == 0
    words = ("efficientnet_lite0", "inception_v3", "resnet50", "guided_backprop", "random (baseline)", "quick:")
    for word in (*words, "momentum"):
        assert word in said


@pytest.mark.parametrize("words", [("--help",), ("sweep", "--help"), ("report", "--help"), ()])
def test_help_teaches(command: Command, words: tuple[str, ...]) -> None:
    status, said, complained = command(*words)
    assert status in {0, 2}
    assert "Usage" in said + complained
    assert "lime-samples" in said or "sweep" in said + complained or "Table 1" in said


BAD: dict[str, tuple[tuple[object, ...], str]] = {
    "photo": (("sweep", "nowhere.jpg"), "--photos nowhere.jpg: no such file or folder"),
    "profile": (("sweep", "--profile", "fast"), "--profile fast: unknown; known are quick, paper"),
    "explainer": (("sweep", "--explainers", "gradcam"), "--explainers gradcam: unknown"),
    "no explainer": (("sweep", "--explainers", ","), "--explainers: name at least one"),
    "target": (("sweep", "--target", "wolf spidr"), "did you mean 'wolf spider'"),
    "device": (("sweep", "--device", "tpu"), "--device tpu"),
    "shard": (("sweep", "--shard", "3/2"), "--shard 3/2: give i/n with 1 <= i <= n"),
    "shard words": (("sweep", "--shard", "half"), "--shard half: give i/n"),
    "config": (("sweep", "--config", "none.toml"), "--config none.toml: no such file"),
    "range": (("sweep", "--regions", "0"), "--regions 0: must lie between 1 and 99"),
    "no out": (("sweep", "--out", ""), "--out '': must be a text that is not empty"),
    "no weights": (("sweep", "--weights", ""), "--weights '': must be a text that is not empty"),
    "no photo": (("sweep", ""), "--photos '': must be a text that is not empty"),
    "store": (("report", "nowhere"), "nowhere: no such folder"),
    "no store": (("show", "."), "not a store"),
    "nothing to publish": (("publish", "."), "no sweep was started here"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(command: Command, in_folder: Path, name: str) -> None:
    words, reason = BAD[name]
    status, said, complained = command(*words)
    assert (status, said) == (2, "")
    assert complained.startswith("wolfspider: ")
    assert reason in complained
    assert complained.count("\n") == 1
    assert not (in_folder / "data").exists()


def test_an_empty_folder_is_bad_input(command: Command, in_folder: Path) -> None:
    (in_folder / "empty").mkdir()
    status, _, complained = command("sweep", "--photos", "empty")
    assert status == 2
    assert "--photos empty: no photo found (looked for ." in complained


@pytest.mark.parametrize("words", [("sweep", "--regions", "four"), ("sweep", "--speed", "9"), ("fly",)])
def test_wrong_usage_is_status_2(command: Command, words: tuple[Any, ...]) -> None:
    status, _, complained = command(*words)
    assert status == 2
    assert "Traceback" not in complained


def test_python_m_compute_is_the_command() -> None:
    tiny.in_fresh_process(
        "import runpy, sys; sys.argv = ['x', 'report', '--help']; runpy.run_module('compute', run_name='__main__')"
    )
