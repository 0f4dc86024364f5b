"""What `run.json` and `manifest.json` must hold: types and bounds, since both may come from anywhere."""

from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from compute.errors import InputError
from compute.store.files import read_json
from compute.store.places.place import Place
from compute.store.schema import PUBLISHED, SCHEMA_VERSION, file_name

RUN, MANIFEST = "run.json", "manifest.json"

Text = Annotated[str, Field(max_length=4096)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Value = Text | Annotated[int, Field(ge=-(2**53), le=2**53)] | float | bool | None
Settings = dict[Text, Value | Annotated[list[Value], Field(max_length=100_000)]]


class _Record(BaseModel):
    """Strictly typed; keys that no version here knows are left alone."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Config(_Record):
    __pydantic_extra__: Settings
    group: int = Field(ge=1)


class _Classifier(_Record):
    name: Text
    size: int = Field(ge=1, le=2**15)
    weights_sha256: Text


class _Target(_Record):
    index: Count | None
    """None where each photo has a target of its own."""
    name: Text


class _Explainer(_Record):
    name: Text
    baseline: bool


class _File(_Record):
    name: Text
    rows: Count
    bytes: Count
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    least: Text
    greatest: Text


class _Table(_Record):
    rows: Count
    files: list[_File] = Field(min_length=1, max_length=100_000)


class Run(_Record):
    """The record of a run (compute/sweep/run.py)."""

    config: _Config
    config_hash: Text
    environment: Settings
    given: Settings
    device: Settings
    classifier: _Classifier
    target: _Target
    explainers: list[_Explainer] = Field(max_length=256)
    sizes: Text
    photos: list[Annotated[str, Field(pattern="^[^/]+$", max_length=4096)]]

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        if len({explainer.name for explainer in self.explainers}) < len(self.explainers):
            raise ValueError("an explainer stands twice")
        return self


class Manifest(Run):
    """The record of a published store."""

    created: Text
    seconds: dict[Text, float]
    tables: dict[Text, _Table]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := set(PUBLISHED) - set(self.tables):
            raise ValueError(f"no table {', '.join(sorted(missing))}")
        for table, entry in self.tables.items():
            if [file.name for file in entry.files] != [file_name(table, i) for i in range(len(entry.files))]:
                raise ValueError(f"files of {table} have other names")
            if sum(file.rows for file in entry.files) != entry.rows:
                raise ValueError(f"files of {table} have other rows than it")
        return self


_Model = TypeVar("_Model", bound=BaseModel)


def read_run(root: Place) -> dict[str, Any]:
    """The record of the run that a folder was claimed for.

    Raises:
        InputError: no sweep was started there, or its record is not one.
    """
    try:
        return _checked(Run, read_json(root / RUN), root / RUN)
    except InputError as error:
        raise InputError(f"{root}: no sweep was started here ({error})") from error


def read_manifest(root: Place) -> dict[str, Any]:
    """The manifest of a published store.

    Raises:
        InputError: not a manifest, or of another schema version.
    """
    path = root / MANIFEST
    found = read_json(path)
    version = found.get("schema_version") if isinstance(found, dict) else None
    if type(version) is not int:
        raise InputError(f"{path}: not a readable manifest (it has no schema_version)")
    if version != SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise InputError(
            f"{path}: schema version {version} comes from {age} wolfspider; this one reads version {SCHEMA_VERSION}"
        )
    return _checked(Manifest, found, path)


def _checked(model: type[_Model], found: Any, path: Place) -> dict[str, Any]:
    try:
        model.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        whole = said if first["type"] == "value_error" else "is no JSON object"
        raise InputError(f"{path}: " + (f"lacks or garbles '{where}' ({said})" if where else whole)) from error
    return dict(found)
