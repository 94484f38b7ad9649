"""JSON whose numbers keep their digits: 1.0, 0.1000 and 1e400 are written as they were read (rule R4)."""

import json
import math
from json.encoder import encode_basestring

# Python refuses to make an int of more digits than 4300, and needs long for as many.
LONGEST_INT = 4000


class ExactFloat(float):
    """A float that remembers how it was written; computing with it gives plain floats."""

    __slots__ = ("literal",)

    def __new__(cls, literal):
        number = super().__new__(cls, literal)
        number.literal = str(literal)
        return number

    def __getnewargs__(self):
        return (self.literal,)


def decode(data):
    """The value of JSON text (str or UTF-8 bytes). Raises ValueError for invalid JSON, NaN and Infinity included."""
    return json.loads(data, parse_float=ExactFloat, parse_int=_integer, parse_constant=_no_constant)


def encode(value):
    """The JSON text of a value without superfluous blanks. Raises ValueError or TypeError for what JSON does not have."""
    parts = []
    _write(value, parts.append)
    return "".join(parts)


def _integer(literal):
    # An int cannot tell -0 from 0.
    return int(literal) if len(literal) <= LONGEST_INT and literal != "-0" else ExactFloat(literal)


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _write(value, put):
    if value is None:
        put("null")
    elif isinstance(value, str):
        put(encode_basestring(value))
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif isinstance(value, int):
        put(int.__repr__(value))
    elif isinstance(value, ExactFloat):
        put(value.literal)
    elif isinstance(value, float):
        if math.isnan(value):
            raise ValueError("JSON has no number nan")
        # A number beyond a float's range, of which a backend has lost the digits: it stays one, and the record readable.
        put(float.__repr__(value).replace("inf", "1e999"))
    elif isinstance(value, dict):
        separator = "{"
        for name, member in value.items():
            if not isinstance(name, str):
                raise TypeError(f"the names in a JSON object are strings, not {type(name).__name__}")
            put(separator)
            put(encode_basestring(name))
            put(":")
            _write(member, put)
            separator = ","
        put("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        separator = "["
        for item in value:
            put(separator)
            _write(item, put)
            separator = ","
        put("]" if value else "[]")
    else:
        raise TypeError(f"a {type(value).__name__} has no form in JSON")
