"""What users are meant to read: one exception, one warning."""


class InputError(Exception):
    """Something the user gave cannot be used; the message names it and says what to do."""


class Notice(UserWarning):
    """Something that users should know and need not mend; the command shows it in one line."""
