"""What filters mean (rules F1 to F7), as a mixin of the filter classes: `filter.matches(value)` is the whole of it."""

from datetime import datetime, timezone
from enum import Enum


class TagMatching:
    """A filter on strings. In addition to the reference's operators it can have `none` (a list: has none of these) and `also_any`
    (a list of lists: has at least one of each of them). All operators that are set apply together."""

    def matches(self, value):
        """Whether a field with this value (a string, a list of strings, or None) passes."""
        values = _texts(value)
        excluded = [*(getattr(self, "none", None) or []), *([] if self.ne is None else [self.ne])]
        required = [*(self.all or []), *([] if self.eq is None else [self.eq])]
        groups = [*(getattr(self, "also_any", None) or []), *([] if self.any is None else [self.any])]
        prefix = getattr(self, "startswith", None)
        return (
            values.issuperset(required)
            and values.isdisjoint(excluded)
            and not any(values.isdisjoint(group) for group in groups)
            and (prefix is None or any(text.startswith(prefix) for text in values))
        )


class DateMatching:
    """A filter on dates. In addition to the reference's operators it can have `none`, a list of excluded dates.
    All operators that are set apply together."""

    def matches(self, value):
        """Whether a field with this value (a datetime, or None) passes; a date without a zone is in UTC."""
        excluded = [*(getattr(self, "none", None) or []), *([] if self.ne is None else [self.ne])]
        bounds = [self.gt, self.gte, self.lt, self.lte, self.eq, self.between]
        if value is None:
            return bounds == [None] * len(bounds)
        date = in_utc(value)
        if date in map(in_utc, excluded):
            return False
        if self.between is not None:
            low, high = map(in_utc, self.between)
            if not low <= date <= high:
                return False
            if (date == low and self.inclusive in ("neither", "right")) or (
                date == high and self.inclusive in ("neither", "left")
            ):
                return False
        return (
            (self.gt is None or date > in_utc(self.gt))
            and (self.gte is None or date >= in_utc(self.gte))
            and (self.lt is None or date < in_utc(self.lt))
            and (self.lte is None or date <= in_utc(self.lte))
            and (self.eq is None or date == in_utc(self.eq))
        )


def in_utc(date):
    """The date with a zone: UTC, where it has none."""
    return date.replace(tzinfo=timezone.utc) if isinstance(date, datetime) and date.tzinfo is None else date


def _texts(value):
    if value is None:
        return set()
    values = [value] if isinstance(value, str) else value
    return {item.value if isinstance(item, Enum) else item for item in values}
