"""Stands in for agent_memory_server.models, as far as memory backends use it."""

from datetime import datetime, timezone
from enum import Enum
from typing import Any

from _agent_memory_bridge.plain_model import Model, MadeBy, moment, optional, text, texts

JSONTypes = str | float | int | bool | list | dict | None


class MemoryTypeEnum(str, Enum):
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    MESSAGE = "message"


class SearchModeEnum(str, Enum):
    SEMANTIC = "semantic"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


class SearchScoreTypeEnum(str, Enum):
    """How the score of a result was made."""

    SEMANTIC = "semantic"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


def _now():
    return datetime.now(timezone.utc)


def _tags(value):
    for item in texts(value):
        if "," in item:
            raise ValueError(f"{item!r} contains a comma")
    return list(value)


def _count(value):
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise ValueError("a whole number from 0 on is needed")
    return int(value)


def _flag(value):
    if value not in (0, 1):
        raise ValueError("True or False is needed")
    return bool(value)


def _mark(value):
    if value not in ("t", "f"):
        raise ValueError("t or f is needed")
    return value


def _object(value):
    if not isinstance(value, dict):
        raise ValueError(f"a dictionary is needed, not {type(value).__name__}")
    return value


class MemoryRecord(Model):
    """A memory."""

    id: str
    text: str
    session_id: str | None = None
    user_id: str | None = None
    namespace: str | None = None
    last_accessed: datetime = MadeBy(_now)
    created_at: datetime = MadeBy(_now)
    updated_at: datetime = MadeBy(_now)
    pinned: bool = False
    access_count: int = 0
    topics: list[str] | None = None
    entities: list[str] | None = None
    memory_hash: str | None = None
    discrete_memory_extracted: str = "f"
    memory_type: MemoryTypeEnum = MemoryTypeEnum.MESSAGE
    persisted_at: datetime | None = None
    extracted_from: list[str] | None = None
    event_date: datetime | None = None
    extraction_strategy: str = "discrete"
    extraction_strategy_config: dict[str, Any] = MadeBy(dict)
    metadata: dict[str, JSONTypes] = MadeBy(dict)

    converters = {
        **dict.fromkeys(("id", "text", "extraction_strategy"), text),
        **dict.fromkeys(("session_id", "user_id", "namespace", "memory_hash"), optional(text)),
        **dict.fromkeys(("last_accessed", "created_at", "updated_at"), moment),
        **dict.fromkeys(("persisted_at", "event_date"), optional(moment)),
        **dict.fromkeys(("topics", "entities", "extracted_from"), optional(_tags)),
        **dict.fromkeys(("extraction_strategy_config", "metadata"), _object),
        "pinned": _flag,
        "access_count": _count,
        "discrete_memory_extracted": _mark,
        "memory_type": MemoryTypeEnum,
    }


class ExtractedMemoryRecord(MemoryRecord):
    """A memory from which nothing is left to extract."""

    discrete_memory_extracted: str = "t"
    memory_type: MemoryTypeEnum = MemoryTypeEnum.SEMANTIC


class MemoryRecordResult(MemoryRecord):
    """A memory that was found, with its distance (0: the same) and, where it was ranked, its score."""

    dist: float
    score: float | None = None
    score_type: SearchScoreTypeEnum | None = None

    converters = {
        **MemoryRecord.converters,
        "dist": float,
        "score": optional(float),
        "score_type": optional(SearchScoreTypeEnum),
    }


class MemoryRecordResults(Model):
    """A page of results; `total` is how many there are on all pages."""

    memories: list[MemoryRecordResult]
    total: int
    next_offset: int | None = None

    converters = {
        "memories": lambda items: [MemoryRecordResult.model_validate(item) for item in items],
        "total": _count,
        "next_offset": optional(_count),
    }
