"""What an exception means to the server: a status, a sentence for people, and a traceback for the log."""

import asyncio
import linecache
import os
import sysconfig
import traceback

LONGEST_MESSAGE = 300
LONGEST_DETAIL = 8000


class EmbeddingError(RuntimeError):
    """The server's embedding service failed, or its vectors cannot be used. Let it pass: nothing may have been written."""


class CallError(Exception):
    """The bridge's own refusal of a call."""

    def __init__(self, status, message, path=None):
        super().__init__(message)
        self.status = status
        self.path = path


class Refusal(Exception):
    """There is no backend; `failure` is one of the four reasons."""

    def __init__(self, failure, message):
        super().__init__(message)
        self.failure = failure


def bounded(text, limit=LONGEST_MESSAGE):
    """The text without what UTF-8 cannot carry, cut where it is longer than `limit` characters."""
    text = str(text).encode("utf-8", "replace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def named(error):
    """The exception's type and text."""
    return bounded(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def answer(error, operation):
    """The members of an answer that reports the exception with which a call ended."""
    for cause in _causes(error):
        if status := _status(cause):
            break
    else:
        cause = error
        status = "misconfigured" if operation == "prepare" and isinstance(error, ValueError) else "internal_error"
    # The texts of other exceptions may hold addresses, queries and stored texts: they are for the log, and in prepare for the operator.
    own = isinstance(cause, (CallError, EmbeddingError))
    message = bounded(cause) if own else named(cause) if operation == "prepare" else f"the backend raised {type(cause).__name__}"
    members = {"status": status, "message": message or status, "detail": detail(error)}
    if isinstance(cause, CallError) and cause.path is not None:
        members["path"] = cause.path
    return members


def detail(error):
    """The traceback; of a long one, its beginning and its end."""
    text = bounded("".join(traceback.format_exception(type(error), error, error.__traceback__)), 10 * LONGEST_DETAIL)
    half = LONGEST_DETAIL // 2
    return text if len(text) <= LONGEST_DETAIL else f"{text[:half]}\n…\n{text[-half:]}"


def users_line(error):
    """Where in the user's own code it happened, as far as that can be told: "my_backends.py, line 3, in create: `…`"."""
    frames = [frame for frame in traceback.walk_tb(error.__traceback__) if not _is_bridge(frame[0].f_code.co_filename)]
    own = [frame for frame in frames if not _is_installed(frame[0].f_code.co_filename)]
    if not (own or frames):
        return None
    frame, line = (own or frames)[-1]
    file = frame.f_code.co_filename
    place = f"{os.path.basename(file)}, line {line}, in {frame.f_code.co_name}"
    text = linecache.getline(file, line).strip()
    return bounded(f"{place}: `{text}`" if text else place)


def _causes(error):
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        for inner in getattr(error, "exceptions", ()):  # Of an exception group.
            yield from _causes(inner)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _status(error):
    if isinstance(error, CallError):
        return error.status
    if isinstance(error, EmbeddingError):
        return "embedding_failed"
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    # Drivers have errors of these names that are not Python's own, such as redis.exceptions.ConnectionError.
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, (TimeoutError, asyncio.TimeoutError)) or "TimeoutError" in names:
        return "timed_out"
    if isinstance(error, OSError) or "ConnectionError" in names:
        return "store_unavailable"
    if isinstance(error, NotImplementedError):
        return "unsupported"
    return None


def _is_bridge(file):
    return file.startswith(("<agent-memory/", "<frozen ", "<string>"))


def _is_installed(file):
    standard = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))
    return file.startswith(standard) or "/site-packages/" in file or "/dist-packages/" in file
