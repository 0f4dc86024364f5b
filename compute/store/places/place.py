"""Where a store or a photo lies: a path of this machine, or a URL. What is done with either is written once."""

import ipaddress
import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from upath import UPath

from compute.errors import InputError, in_words

Place = Path | UPath
SCHEMES = ("s3", "gs", "az", "https")
READ_ONLY = ("http", "https")


def place(text: str | Place) -> Place:
    """A path, or a path behind a URL (s3://, gs://, az://, https://; file:// is a path).

    Credentials are found as the libraries for each kind of storage find them, and can be no part of the URL: so they
    are in no message, and in no record of a run.

    Raises:
        InputError: another kind of URL, one with credentials in it, or one whose library is missing or not set up.
    """
    if not isinstance(text, str):
        return text
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text):
        return Path(text)
    try:
        url = urlsplit(text)
        plain = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{url.path.rstrip('/')}"
        if url.scheme == "file" and url.netloc in ("", "localhost"):
            return Path(unquote(url.path))
    except ValueError as error:
        raise InputError(f"not a URL ({error})") from None
    if not url.netloc or not (url.scheme in SCHEMES or (url.scheme == "http" and _of_this_machine(url))):
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise InputError(f"{plain}: cannot be read; known are paths, {known}, and http:// of this machine alone")
    if plain != text.rstrip("/"):
        raise InputError(
            f"{plain}: credentials, queries and fragments cannot be part of a URL; set credentials up as its library "
            "finds them (environment, profile, ~/.netrc)"
        )
    return _behind(url.scheme, plain)


def _behind(scheme: str, plain: str) -> UPath:
    try:
        found: UPath = UPath(plain, **_options(scheme))
        found.fs  # noqa: B018 (made now, so that what is missing is said now)
    except ImportError:
        raise InputError(f"{plain}: needs the library for {scheme}://: pip install 'wolfspider[cloud]'") from None
    except Exception as error:  # each library's own, where it finds no account or no project
        raise InputError(f"{plain}: cannot be read ({scrubbed(in_words(error))})") from None
    return found


def _options(scheme: str) -> dict[str, Any]:
    """How a file system is set up; buckets and their libraries have timeouts and repetitions of their own."""
    if scheme not in READ_ONLY:
        return {"use_listings_cache": False}  # other processes write too
    from aiohttp import ClientTimeout

    client = {"trust_env": True, "timeout": ClientTimeout(total=900, sock_connect=10, sock_read=30)}
    return {"client_kwargs": client, "headers": {"Accept-Encoding": "identity"}}  # ranges are of the bytes themselves


def _of_this_machine(url: SplitResult) -> bool:
    """Whether nobody between could change what is read."""
    host = url.hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def scrubbed(text: str) -> str:
    """A library's message without what its URLs may hold beside the path: credentials, signatures."""
    return re.sub(r"(\w+://)(?:[^/\s@]*@)?([^\s?#'\"]*)[^\s'\"]*", r"\1\2", text)
