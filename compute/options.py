"""Options of a command from fields of the configuration: types, bounds, panels and help come from `Config` alone."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from compute.sweep.config import Config, choices, option

Command = Callable[..., None]


def takes(names: Sequence[str], **defaults: Any) -> Callable[[Command], Command]:
    """Give a command an option for each of these fields; those that were given reach it as `options`, a dict.

    Args:
        names: fields of `Config`.
        defaults: what the help shows as a field's default where the command has its own.
    """

    def give(command: Command) -> Command:
        hints = get_type_hints(command, include_extras=True)
        own = [
            p.replace(annotation=hints[p.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for p in inspect.signature(command).parameters.values()
            if p.name != "options"
        ]
        added = [_parameter(name, Config.model_fields[name], defaults) for name in names]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            given = {name: value for name in names if (value := values.pop(name)) is not None}
            command(**values, options=given)

        signature = inspect.Signature([*added, *own])
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return run

    return give


def _parameter(name: str, field: FieldInfo, defaults: dict[str, Any]) -> inspect.Parameter:
    """A keyword of a command that is None unless its option was given."""
    extra = field.json_schema_extra
    assert isinstance(extra, dict)
    kind = list[str] if get_origin(field.annotation) is tuple else _plain(field.annotation)
    default = defaults.get(name, field.default)
    shown = ",".join(default) if isinstance(default, tuple) else "" if default is None else f"{default}"
    said = typer.Option(
        option(name),
        help=f"{field.description} (default: {shown})" if shown else field.description,
        rich_help_panel=str(extra["panel"]),
        metavar="|".join(choices(name)) or ("TEXT" if kind == list[str] else None),
        show_default=False,
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, said]
    )


def _plain(kind: Any) -> Any:
    """int, float or str: the type of a field without None and without its choices, which `Config` checks in words."""
    return next((t for t in (kind, *get_args(kind)) if t in (int, float)), str)
