"""The server's filters: as the reference's filter objects, and what they mean.

An operator of the reference says one thing, and backends look at one operator of a filter: so a condition is brought down to
one operator where that is possible. Where it is not, only backends that declare `combined_filters = True` get it; the others
refuse it: a filter is never relaxed (rule S8).
"""

from _agent_memory_bridge.failures import CallError
from _agent_memory_bridge.matching import DateMatching, TagMatching
from _agent_memory_bridge.records import date_of

CLASSES = {
    "id": "Id",
    "session_id": "SessionId",
    "user_id": "UserId",
    "namespace": "Namespace",
    "memory_type": "MemoryType",
    "extraction_strategy": "ExtractionStrategy",
    "memory_hash": "MemoryHash",
    "discrete_memory_extracted": "DiscreteMemoryExtracted",
    "topics": "Topics",
    "entities": "Entities",
    "created_at": "CreatedAt",
    "last_accessed": "LastAccessed",
    "event_date": "EventDate",
}
MULTIPLE = ("topics", "entities")
# Fields that are never absent, with all the values that they can have.
CLOSED = {"memory_type": ["episodic", "semantic", "message"], "discrete_memory_extracted": ["t", "f"]}
EARLIEST, LATEST = -62_135_596_800_000_000, 253_402_300_799_999_999
# Operators that the reference's filters have.
KNOWN = frozenset(("eq", "ne", "any", "all", "startswith", "gt", "gte", "lt", "lte", "between"))

_extended = {}


class Filter:
    """A filter of a request."""

    def __init__(self, condition):
        self._condition = condition
        plans = {field: _tag_operators(field, tag) for field, tag in condition["tags"].items()}
        plans |= {field: _date_operators(bounds) for field, bounds in condition["dates"].items()}
        # Whether no record at all can match.
        self.matches_nothing = None in plans.values()
        self._plans = {field: operators for field, operators in plans.items() if operators}

    def equalities(self):
        """The values by field, if the filter asks for nothing but one value each; else None."""
        if all(operators.keys() == {"eq"} for operators in self._plans.values()):
            return {field: operators["eq"] for field, operators in self._plans.items()}
        return None

    def arguments(self, method, accepts, combined):
        """The reference's filter objects by field.

        `accepts(field)` tells whether the method has such a parameter, `combined` whether it applies all operators of a filter.
        Raises CallError with the status unsupported, naming the field, for what the method cannot be asked.
        """
        found = {}
        for field, operators in self._plans.items():
            if not accepts(field):
                raise _unsupported(f"{method} has no filter on {field}", field)
            if not combined and (len(operators) > 1 or not KNOWN.issuperset(operators)):
                raise _unsupported(f"this backend cannot combine such conditions on {field}", field)
            try:
                found[field] = _filter_class(field)(**operators)
            except ValueError:
                raise _unsupported(f"the reference's filters cannot combine such conditions on {field}", field) from None
        return found

    def check(self, values, method):
        """Raises CallError if the record in JSON does not match: `method` must not have answered it."""
        for field, tag in self._condition["tags"].items():
            if not _tag_matches(tag, _tags(values[field])):
                raise _relaxed(method, field)
        for field, bounds in self._condition["dates"].items():
            if not all(_bound_matches(bound, values[field]) for bound in bounds):
                raise _relaxed(method, field)


def _unsupported(message, field):
    return CallError("unsupported", message, [field])


def _relaxed(method, field):
    return CallError("internal_error", f"{method} answered a record that the filter on {field} leaves out")


def _tags(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _tag_matches(tag, values):
    return (
        all(value in values for value in tag["all"])
        and all(any(value in values for value in group) for group in tag["any"])
        and not any(value in values for value in tag["none"])
        and (tag["startswith"] is None or any(value.startswith(tag["startswith"]) for value in values))
    )


def _bound_matches(bound, value):
    comparison, other = bound["comparison"], bound["value"]
    if value is None:
        return comparison == "ne"
    return {
        "gt": value > other,
        "gte": value >= other,
        "lt": value < other,
        "lte": value <= other,
        "eq": value == other,
        "ne": value != other,
    }[comparison]


def _tag_operators(field, tag):
    """As few operators as say the same; {} for none, None if nothing matches."""
    excluded, prefix = list(dict.fromkeys(tag["none"])), tag["startswith"]
    if field in MULTIPLE:
        return _multiple(tag, excluded, prefix)
    sets = [[value] for value in tag["all"]] + tag["any"]
    if field in CLOSED and (sets or prefix is not None or len(excluded) > 1):
        sets.append(CLOSED[field])
    if not sets:
        if prefix is None:
            return _exclusion(excluded)
        return {"startswith": prefix} | ({"none": excluded} if excluded else {})
    values = [
        value
        for value in dict.fromkeys(sets[0])
        if all(value in others for others in sets)
        and value not in excluded
        and (prefix is None or value.startswith(prefix))
    ]
    if not values:
        return None
    return {"eq": values[0]} if len(values) == 1 else {"any": values}


def _multiple(tag, excluded, prefix):
    groups = [[value for value in dict.fromkeys(group) if value not in excluded] for group in tag["any"]]
    required = list(dict.fromkeys(tag["all"] + [group[0] for group in groups if len(group) == 1]))
    if [] in groups or any(value in excluded for value in required):
        return None
    groups = [group for group in groups if not any(value in required for value in group)]
    operators = {}
    if required:
        operators = {"eq": required[0]} if len(required) == 1 else {"all": required}
    # The reference's filters have one list of `any`, and not together with `all`.
    if groups and "all" not in operators:
        operators["any"] = groups.pop(0)
    if groups:
        operators["also_any"] = groups
    if prefix is not None and not any(value.startswith(prefix) for value in required):
        operators["startswith"] = prefix
    exclusion = _exclusion(excluded)
    # They refuse `ne` with `eq`, and any other operator with `startswith`.
    if "ne" in exclusion and ("eq" in operators or "startswith" in operators):
        exclusion = {"none": excluded}
    return operators | exclusion


def _exclusion(excluded):
    if not excluded:
        return {}
    return {"ne": excluded[0]} if len(excluded) == 1 else {"none": excluded}


def _date_operators(bounds):
    low, high, ranged = EARLIEST, LATEST, False
    excluded = {bound["value"] for bound in bounds if bound["comparison"] == "ne"}
    for bound in bounds:
        comparison, value = bound["comparison"], bound["value"]
        ranged = ranged or comparison != "ne"
        if comparison in ("gt", "gte", "eq"):
            low = max(low, value + (comparison == "gt"))
        if comparison in ("lt", "lte", "eq"):
            high = min(high, value - (comparison == "lt"))
    if not ranged:
        dates = [date_of(value) for value in sorted(excluded)]
        return {"ne": dates[0]} if len(dates) == 1 else {"none": dates}
    while low in excluded:
        low += 1
    while high in excluded:
        high -= 1
    if low > high:
        return None
    if low == high:
        return {"eq": date_of(low)}
    inside = [date_of(value) for value in sorted(excluded) if low < value < high]
    operators = {"none": inside} if inside else {}
    if high == LATEST:
        return operators | {"gte": date_of(low)}
    if low == EARLIEST:
        return operators | {"lte": date_of(high)}
    return operators | {"between": [date_of(low), date_of(high)]}


def _filter_class(field):
    """The class of agent_memory_server.filters; where that is the reference's own, with `matches` and what it means added."""
    from agent_memory_server import filters

    given = getattr(filters, CLASSES[field])
    if issubclass(given, (TagMatching, DateMatching)):
        return given
    if given not in _extended:
        _extended[given] = _with_dates(given) if "gt" in given.model_fields else _with_tags(given)
    return _extended[given]


def _with_tags(given):
    class Extended(TagMatching, given):
        none: list[str] | None = None
        also_any: list[list[str]] | None = None

    Extended.__name__ = given.__name__
    return Extended


def _with_dates(given):
    class Extended(DateMatching, given):
        none: list | None = None

    Extended.__name__ = given.__name__
    return Extended
