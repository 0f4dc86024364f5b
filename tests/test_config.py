"""The configuration: one frozen value from defaults, profile, file and options, in that order."""

import inspect
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute import cli
from compute.errors import InputError
from compute.sweep.config import ATTACKS, PROFILES, Config, configure, digest, option


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("regions = 7\nlime_samples = 70\nscale = 50\nphotos = ['a', 'b']\n")
    found = configure(profile="quick", file=file, options={"lime_samples": 99})
    assert (found.regions, found.lime_samples, found.scale) == (7, 99, 50)
    assert found.photos == ("a", "b")
    assert found.step == Config().step
    assert configure(profile="quick") == Config(**PROFILES["quick"])
    assert configure() == Config()


def test_every_field_can_be_written_in_toml(tmp_path: Path) -> None:
    """The whole configuration, written as TOML and read back, is the same."""
    lines = []
    wanted = Config().but(photos=("x",), weights="w.pth", seed=5)
    for name, value in dict(wanted).items():
        text = [*value] if isinstance(value, tuple) else value
        lines.append(f"{name} = {text!r}")
    file = tmp_path / "all.toml"
    file.write_text("\n".join(lines))
    assert configure(file=file) == wanted


def test_every_field_is_an_option_of_sweep_and_described() -> None:
    given_names = inspect.signature(cli.sweep).parameters
    for name, field in Config.model_fields.items():
        assert name in given_names
        assert field.description


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("regions = 'four'", "a.toml: --regions 'four': must be a whole number"),
        ("regions = 2.5", "--regions 2.5: must be a whole number"),
        ("regions = true", "must be a whole number"),
        ("explainers = 7", "--explainers 7: must be a list of texts"),
        ("photos = [1]", "--photos 1: must be a text"),
        ("photos = 'a'", "must be a list of texts"),
        ("speed = 9", "no option 'speed'; known are photos, classifier"),
        ("regions = ", "not a readable TOML file"),
        ("regions = 1000", "--regions 1000: must lie between 1 and 99"),
        ("scale = nan", "--scale nan: must lie between"),
        ("[regions]\na = 1", "must be a whole number"),
        ("out = 'a\\u0000b'".replace("'", '"'), "must be a text that is not empty, without NUL bytes"),
        ("weights = ''", "--weights '': must be a text that is not empty"),
        ("photos = " + "[" * 3000, "not a readable TOML file"),
        ("a." * 3000 + "a = 1", "a.toml: "),
        ("regions = 0x" + "f" * 9000, "a.toml: "),
        ("regions = " + "9" * 9000, "a.toml: "),
        ("regions = 2020-01-01", "--regions datetime.date(2020, 1, 1): must be a whole number"),
        ("regions.a = 1", "--regions {'a': 1}: must be a whole number"),
        ("'' = 1", "no option ''"),
        ("scale = inf", "--scale inf: must lie between"),
        ("regions = 1\nregions = 2", "not a readable TOML file"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_fault(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        configure(file=file)
    assert reason in str(error.value)


def test_a_missing_or_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        configure(file=tmp_path / "none.toml")
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="no such file"):
            configure(file=other)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a readable TOML file"):
        configure(file=tmp_path / "b.toml")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"regions": 0}, "--regions 0"),
        ({"lime_samples": 9}, "--lime-samples 9"),
        ({"step": 256}, "--step 256"),
        ({"budget": 0}, "--budget 0"),
        ({"confidence": 1.5}, "--confidence 1.5"),
        ({"seed": -1}, "--seed -1"),
        ({"engine": "warp"}, "--engine 'warp': must be one of auto, eager, compiled, onnxruntime"),
        ({"precision": "int8"}, "--precision 'int8': must be one of"),
        ({"engine": "onnxruntime", "precision": "bfloat16"}, "--precision bfloat16: the engine onnxruntime knows only"),
        ({"explainers": ()}, "--explainers: name at least one"),
    ],
)
def test_values_out_of_range_name_their_option(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError) as error:
        configure(options=options)
    assert reason in str(error.value)


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("regions = 7", encoding="utf-8-sig")
    assert configure(file=tmp_path / "a.toml").regions == 7


def test_names_come_one_by_one_or_with_commas() -> None:
    for given_ in (" lime, saliency ", ["lime", "saliency"], ("lime,saliency",)):
        assert configure(options={"explainers": given_}).explainers == ("lime", "saliency")


def test_an_attack_is_settings_that_others_override(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("iterations = 7")
    found = configure(profile="quick", attack="authors", file=tmp_path / "a.toml", options={"confidence": 0.5})
    assert (found.step, found.iterations, found.confidence, found.regions) == (1, 7, 0.5, 4)
    assert configure(attack="confident") == Config()
    for name in ATTACKS:
        assert configure(attack=name)
    with pytest.raises(InputError, match="--attack strong: unknown; known are argmax, confident"):
        configure(attack="strong")


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(InputError, match="--profile fast: unknown; known are quick, paper"):
        configure(profile="fast")


def test_science_is_everything_but_places() -> None:
    apart = {"photos", "device", "out", "weights", "time_limit", "keep"}
    assert set(Config().science()) == set(Config.model_fields) - apart


def test_options_are_spelt_with_hyphens() -> None:
    assert option("lime_samples") == "--lime-samples"


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.integers())))
def test_a_digest_does_not_depend_on_the_order_of_keys(content: dict[str, Any]) -> None:
    assert digest(content) == digest(dict(reversed(content.items())))
    assert digest(content) != digest({**content, "one more": 1})
