"""What backends use of pydantic's models, in plain Python: keywords with defaults and checks, dumps, copies, equality."""

import copy
import inspect
from datetime import date, datetime, timedelta, timezone
from enum import Enum

from _agent_memory_bridge import exact_json

REQUIRED = object()
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ValidationError(ValueError):
    """A value that a model does not take; pydantic's error of this name is a ValueError as well."""


class MadeBy:
    """The default of a field that is created for each model."""

    def __init__(self, make):
        self.make = make


class Model:
    """The base of the stand-ins for records and filters. Annotated attributes of the class are its fields.

    `converters` maps a field's name to a function that turns what is given into what is kept, or raises ValueError.
    """

    model_fields = {}
    converters = {}

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        fields = dict(cls.model_fields)
        for name, annotation in inspect.get_annotations(cls).items():
            if not name.startswith("_") and "ClassVar" not in str(annotation):
                fields[name] = cls.__dict__.get(name, REQUIRED)
                if name in cls.__dict__:
                    delattr(cls, name)
        cls.model_fields = fields

    def __init__(self, **values):
        for name, default in self.model_fields.items():
            if name in values:
                value = self._converted(name, values[name])
            elif default is REQUIRED:
                raise ValidationError(f"{type(self).__name__} needs {name}")
            else:
                value = default.make() if isinstance(default, MadeBy) else copy.copy(default)
            self.__dict__[name] = value
        self.check()

    def check(self):
        """Raises ValueError where fields do not go together."""

    @classmethod
    def _converted(cls, name, value):
        convert = cls.converters.get(name)
        try:
            return convert(value) if convert else value
        except (ValueError, TypeError, OverflowError) as error:
            raise ValidationError(f"{cls.__name__}.{name}: {error}") from None

    @classmethod
    def model_validate(cls, value):
        """A model from a dictionary, or the model itself."""
        if isinstance(value, cls):
            return value
        values = vars(value) if isinstance(value, Model) else value
        if not isinstance(values, dict):
            raise ValidationError(f"{cls.__name__} is made from a dictionary, not from {type(value).__name__}")
        return cls(**values)

    @classmethod
    def model_validate_json(cls, text):
        return cls.model_validate(exact_json.decode(text))

    def model_dump(self, *, mode="python", include=None, exclude=None, exclude_none=False):
        """The fields as a dictionary; mode "json" leaves nothing in it that JSON does not have."""
        return {
            name: _dumped(value, mode == "json")
            for name, value in self.__dict__.items()
            if (include is None or name in include)
            and (exclude is None or name not in exclude)
            and not (exclude_none and value is None)
        }

    def model_dump_json(self, *, include=None, exclude=None, exclude_none=False):
        return exact_json.encode(
            self.model_dump(mode="json", include=include, exclude=exclude, exclude_none=exclude_none)
        )

    def model_copy(self, *, update=None, deep=False):
        """A copy, with the values of `update`, which are not checked."""
        twin = copy.deepcopy(self) if deep else copy.copy(self)
        twin.__dict__.update(update or {})
        return twin

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None

    def __iter__(self):
        return iter(self.__dict__.items())

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def _dumped(value, as_json):
    if isinstance(value, Model):
        return value.model_dump(mode="json" if as_json else "python")
    if isinstance(value, dict):
        return {name: _dumped(member, as_json) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dumped(item, as_json) for item in value]
    if as_json and isinstance(value, Enum):
        return value.value
    if as_json and isinstance(value, (datetime, date)):
        return value.isoformat().replace("+00:00", "Z")
    return value


# Converters.


def text(value):
    if not isinstance(value, str):
        raise ValueError(f"a string is needed, not {type(value).__name__}")
    return value


def texts(value):
    if isinstance(value, str):
        raise ValueError("a list of strings is needed, not one string")
    return [text(item) for item in value]


def moment(value):
    """A datetime from a datetime, an ISO 8601 string, or seconds since 1970; what has no zone is left without."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith(("Z", "z")) else value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return EPOCH + timedelta(seconds=value)
    raise ValueError(f"a date is needed, not {type(value).__name__}")


def optional(convert):
    return lambda value: None if value is None else convert(value)
