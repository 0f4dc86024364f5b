"""What users are meant to read: one exception, one warning, and the words of other exceptions."""

from compute.text import brief


class InputError(Exception):
    """Something the user gave cannot be used; the message names it and says what to do."""


class Notice(UserWarning):
    """Something that users should know and need not mend; the command shows it in one line."""


def in_words(error: BaseException) -> str:
    """The kind and the message of whatever was raised, in one line; also of an exception that cannot be printed."""
    try:
        said = str(error)
    except BaseException:
        said = "its message cannot be printed"
    return brief(f"{type(error).__name__}: {said}" if said else type(error).__name__)
