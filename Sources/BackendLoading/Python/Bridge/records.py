"""Records between the server's JSON and the classes of agent_memory_server.models."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from enum import Enum

from _agent_memory_bridge.failures import CallError
from _agent_memory_bridge.matching import in_utc

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

DATES = ("created_at", "last_accessed", "updated_at", "persisted_at", "event_date")
LISTS = ("topics", "entities", "extracted_from")
OBJECTS = ("extraction_strategy_config", "metadata")
HASHED = ("memory_type", "namespace", "session_id", "text", "user_id")
# What an update can set.
SETTABLE = {*HASHED, *LISTS, "discrete_memory_extracted", "metadata", "pinned", "event_date", "updated_at"}


def date_of(microseconds):
    """The datetime, in UTC, of so many microseconds since 1970."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds_of(date):
    """Raises TypeError for a value that is not a datetime."""
    if not isinstance(date, datetime):
        raise TypeError(f"a datetime is needed, not {type(date).__name__}")
    return (in_utc(date) - EPOCH) // MICROSECOND


def record_of(values):
    """The MemoryRecord of a record in JSON."""
    from agent_memory_server.models import MemoryRecord, MemoryTypeEnum

    fields = {name: value for name, value in values.items() if name in MemoryRecord.model_fields}
    for name in DATES:
        if fields.get(name) is not None:
            fields[name] = date_of(fields[name])
    fields["memory_type"] = MemoryTypeEnum(values["memory_type"])
    return MemoryRecord(**fields)


def values_of(memory, method):
    """The record in JSON of an object with a record's attributes; what it lacks has the default of the models.

    Raises CallError that names `method` where an attribute is of the wrong kind.
    """
    try:
        return _values(memory)
    except (TypeError, ValueError, OverflowError) as error:
        raise CallError("internal_error", f"{method} answered a record that cannot be used: {error}") from error


def hash_of(memory):
    """The memory hash of an object with a record's attributes."""
    return hash_of_values({name: getattr(memory, name, None) for name in HASHED})


def hash_of_values(values):
    """The memory hash of a record in JSON (rule R8)."""
    hashed = {name: _plain(values[name]) for name in HASHED}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()


def updated(values, update):
    """What an update makes of a record in JSON; None where it leaves it alone."""
    changed = dict(values)
    if access := update["access"]:
        if values["last_accessed"] > access["at"] - access["minimum_interval_seconds"] * 1_000_000:
            return None
        changed["last_accessed"] = access["at"]
        changed["access_count"] += 1
    changed.update({name: value for name, value in update["set"].items() if name in SETTABLE})
    if not update["set"].keys().isdisjoint(HASHED):
        changed["memory_hash"] = hash_of_values(changed)
    return changed


def _values(memory):
    identity, text = _text(memory, "id"), _text(memory, "text")
    if identity is None or text is None:
        raise ValueError("it has no id" if identity is None else "it has no text")
    values = {"id": identity, "text": text}
    for name in ("session_id", "user_id", "namespace"):
        # Stores that keep strings alone have "" for None.
        values[name] = _text(memory, name) or None
    values["memory_type"] = _text(memory, "memory_type") or "message"
    for name in LISTS:
        items = getattr(memory, name, None)
        if isinstance(items, str):
            raise TypeError(f"{name} is one string instead of a list")
        values[name] = [_required_text(item, name) for item in items or []]
    mark = getattr(memory, "discrete_memory_extracted", None)
    values["discrete_memory_extracted"] = mark if mark in ("t", "f") else "t" if mark is True else "f"
    values["extraction_strategy"] = _text(memory, "extraction_strategy") or "discrete"
    for name in OBJECTS:
        value = getattr(memory, name, None)
        if value is not None and not isinstance(value, dict):
            raise TypeError(f"{name} is a {type(value).__name__} instead of a dictionary")
        values[name] = value or {}
    values["memory_hash"] = _text(memory, "memory_hash") or hash_of_values(values)
    values["pinned"] = bool(getattr(memory, "pinned", False))
    values["access_count"] = int(getattr(memory, "access_count", 0) or 0)
    for name in DATES:
        date = getattr(memory, name, None)
        if date is None and name in ("last_accessed", "updated_at"):
            date = getattr(memory, "created_at", None)
        if date is None and name == "created_at":
            raise ValueError("it has no created_at")
        values[name] = None if date is None else microseconds_of(date)
    return values


def number_of(value, what):
    """A finite float of a result's `what`, or None. Raises CallError."""
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not float("-inf") < number < float("inf"):
        raise CallError("internal_error", f"search_memories answered a {what} that is no number")
    return number


def _text(memory, name):
    value = getattr(memory, name, None)
    return None if value is None else _required_text(value, name)


def _required_text(value, name):
    value = _plain(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} is a {type(value).__name__} instead of a string")
    return value


def _plain(value):
    return value.value if isinstance(value, Enum) else value
