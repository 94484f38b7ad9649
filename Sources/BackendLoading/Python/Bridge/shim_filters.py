"""Stands in for agent_memory_server.filters: the same classes and operators, without pydantic and redisvl.

More than the reference's: `none`, `also_any` and `matches`, see matching.py.
"""

from datetime import datetime
from enum import Enum

from _agent_memory_bridge.matching import DateMatching, TagMatching
from _agent_memory_bridge.plain_model import Model, moment, optional, text, texts


class _Filter(Model):
    def _reject(self, *names):
        if all(getattr(self, name) is not None for name in names):
            raise ValueError(f"{' and '.join(names)} cannot both be set")

    def to_filter(self):
        raise NotImplementedError("to_filter makes queries for RediSearch: install the reference's own package for it")


class TagFilter(TagMatching, _Filter):
    field: str
    eq: str | None = None
    ne: str | None = None
    any: list[str] | None = None
    all: list[str] | None = None
    startswith: str | None = None
    none: list[str] | None = None
    also_any: list[list[str]] | None = None

    converters = {
        **dict.fromkeys(("eq", "ne", "startswith"), optional(text)),
        **dict.fromkeys(("any", "all", "none"), optional(texts)),
        "also_any": optional(lambda groups: [texts(group) for group in groups]),
    }

    def check(self):
        self._reject("eq", "ne")
        self._reject("any", "all")
        for name in ("any", "all", "none", "also_any"):
            if getattr(self, name) == []:
                raise ValueError(f"{name} cannot be an empty list")
        if getattr(self, "startswith", None) == "":
            raise ValueError("startswith cannot be an empty string")
        if getattr(self, "startswith", None) is not None:
            for name in ("eq", "ne", "any", "all"):
                self._reject("startswith", name)


class EnumFilter(TagMatching, _Filter):
    """A filter on a field whose values are those of an enumeration."""

    field: str
    enum_class: type[Enum]
    eq: str | None = None
    ne: str | None = None
    any: list[str] | None = None
    all: list[str] | None = None
    none: list[str] | None = None
    also_any: list[list[str]] | None = None

    converters = TagFilter.converters

    def check(self):
        TagFilter.check(self)
        known = [member.value for member in self.enum_class]
        for name in ("eq", "ne", "any", "all", "none"):
            value = getattr(self, name)
            for item in [value] if isinstance(value, str) else value or []:
                if item not in known:
                    raise ValueError(f"{name} value {item!r} is none of {known}")


class _RangeFilter(DateMatching, _Filter):
    def check(self):
        if self.between is not None and len(self.between) != 2:
            raise ValueError("between must be a list of two")
        for name in ("eq", "ne", "gt", "lt", "gte"):
            self._reject("between", name)


class NumFilter(_RangeFilter):
    field: str
    gt: int | None = None
    lt: int | None = None
    gte: int | None = None
    lte: int | None = None
    eq: int | None = None
    ne: int | None = None
    between: list[float] | None = None
    inclusive: str = "both"


class DateTimeFilter(_RangeFilter):
    """A filter on a date."""

    field: str
    gt: datetime | None = None
    lt: datetime | None = None
    gte: datetime | None = None
    lte: datetime | None = None
    eq: datetime | None = None
    ne: datetime | None = None
    between: list[datetime] | None = None
    inclusive: str = "both"
    none: list[datetime] | None = None

    converters = {
        **dict.fromkeys(("gt", "lt", "gte", "lte", "eq", "ne"), optional(moment)),
        **dict.fromkeys(("between", "none"), optional(lambda dates: [moment(date) for date in dates])),
    }


class SessionId(TagFilter):
    field: str = "session_id"


class UserId(TagFilter):
    field: str = "user_id"


class Namespace(TagFilter):
    field: str = "namespace"


class CreatedAt(DateTimeFilter):
    field: str = "created_at"


class LastAccessed(DateTimeFilter):
    field: str = "last_accessed"


class Topics(TagFilter):
    field: str = "topics"


class Entities(TagFilter):
    field: str = "entities"


class MemoryType(EnumFilter):
    field: str = "memory_type"

    def __init__(self, **values):
        from agent_memory_server.models import MemoryTypeEnum

        super().__init__(**{**values, "enum_class": MemoryTypeEnum})


class ExtractionStrategy(TagFilter):
    field: str = "extraction_strategy"


class EventDate(DateTimeFilter):
    field: str = "event_date"


class MemoryHash(TagFilter):
    field: str = "memory_hash"


class Id(TagFilter):
    field: str = "id_"


class DiscreteMemoryExtracted(TagFilter):
    field: str = "discrete_memory_extracted"
