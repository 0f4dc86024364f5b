"""The one exception that users are meant to read."""


class InputError(Exception):
    """Something the user gave cannot be used; the message names it and says what to do."""
