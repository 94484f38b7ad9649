"""The translation of filters, against their meaning, on random conditions; and the stand-ins' own checks."""

import importlib.util
import itertools
import random
import sys
import types
import unittest
from datetime import datetime, timezone

from server import BRIDGE

# As the bootstrap names the modules.
bridge = types.ModuleType("_agent_memory_bridge")
bridge.__path__ = [str(BRIDGE)]
reference = types.ModuleType("agent_memory_server")
reference.__path__ = []
sys.modules |= {"_agent_memory_bridge": bridge, "agent_memory_server": reference}
for name in ("models", "filters", "memory_vector_db"):
    spec = importlib.util.spec_from_file_location(f"agent_memory_server.{name}", BRIDGE / f"shim_{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    setattr(reference, name, module)
    spec.loader.exec_module(module)

from _agent_memory_bridge import conditions, exact_json
from _agent_memory_bridge.failures import CallError
from _agent_memory_bridge.records import date_of, microseconds_of
from agent_memory_server import filters, models

REFERENCE_TAGS = {"eq", "ne", "any", "all", "startswith"}


def subsets(values, most):
    return [list(some) for count in range(most + 1) for some in itertools.combinations(values, count)]


class TagTests(unittest.TestCase):
    def check(self, field, tag, values_of_records):
        """The filter objects must say what the condition says; returns whether the reference's operators alone do."""
        condition = conditions.Filter({"tags": {field: tag}, "dates": {}})
        expected = [conditions._tag_matches(tag, conditions._tags(values)) for values in values_of_records]
        if condition.matches_nothing:
            self.assertNotIn(True, expected, tag)
            return True
        made = condition.arguments("list_memories", lambda field: True, combined=True)
        got = [all(each.matches(values) for each in made.values()) for values in values_of_records]
        self.assertEqual(got, expected, (tag, made))
        try:
            simple = condition.arguments("list_memories", lambda field: True, combined=False)
        except CallError as error:
            self.assertEqual((error.status, error.path), ("unsupported", [field]))
            return False
        for each in simple.values():
            given = {name for name in each.model_fields if name not in ("field", "enum_class")}
            given = {name for name in given if getattr(each, name) is not None}
            self.assertTrue(len(given) == 1 and given <= REFERENCE_TAGS, each)
        return True

    def test_random_conditions(self):
        chooser = random.Random(1)
        words = ["a", "ab", "b", "B", "é"]
        plain = 0
        for _ in range(20_000):
            field = chooser.choice(["user_id", "topics", "memory_type", "discrete_memory_extracted", "id"])
            values = {"memory_type": conditions.CLOSED["memory_type"], "discrete_memory_extracted": ["t", "f"]}
            values = values.get(field, words)

            def some(most):
                return chooser.sample(values, chooser.randint(0, min(most, len(values))))

            prefix = chooser.choice(["a", "ab", "x"]) if chooser.random() < 0.1 and values is words else None
            tag = {"all": some(2) if chooser.random() < 0.4 else [], "any": [], "none": some(2), "startswith": prefix}
            if prefix:
                tag |= {"all": [], "none": []}
            else:
                tag["any"] = [group for group in (some(3) for _ in range(chooser.randint(0, 2))) if group]
            records = subsets(words, 3) if field == "topics" else list(values)
            plain += self.check(field, tag, records + ([None] if field == "user_id" else []))
        # Most are brought down to one operator.
        self.assertGreater(plain, 10_000)

    def test_every_single_operator(self):
        empty = {"all": [], "any": [], "none": [], "startswith": None}
        for field in ("session_id", "topics", "id"):
            for part, expected in [
                ({"all": ["a"]}, {"eq": "a"}), ({"none": ["a"]}, {"ne": "a"}), ({"any": [["a", "b"]]}, {"any": ["a", "b"]}),
                ({"startswith": "a"}, {"startswith": "a"}),
            ]:
                made = conditions.Filter({"tags": {field: empty | part}, "dates": {}})
                made = made.arguments("list_memories", lambda field: True, combined=False)[field]
                self.assertEqual(type(made).__name__, conditions.CLASSES[field])
                self.assertEqual(made, type(made)(**expected))
        self.assertEqual(filters.Id(eq="a").field, "id_")


class DateTests(unittest.TestCase):
    def test_random_conditions(self):
        chooser = random.Random(2)
        edges = [conditions.EARLIEST, conditions.LATEST]
        plain = 0
        for _ in range(20_000):
            comparisons = chooser.choices(["gt", "gte", "lt", "lte", "eq", "ne"], k=chooser.randint(1, 3))
            values = [chooser.choice([*range(6), *edges]) for _ in comparisons]
            bounds = [{"comparison": name, "value": value} for name, value in zip(comparisons, values)]
            condition = conditions.Filter({"tags": {}, "dates": {"event_date": bounds}})
            records = [None, *range(-1, 7), *edges, edges[0] + 1, edges[1] - 1]
            expected = [all(conditions._bound_matches(bound, value) for bound in bounds) for value in records]
            if condition.matches_nothing:
                self.assertNotIn(True, expected, bounds)
                continue
            made = condition.arguments("list_memories", lambda field: True, combined=True)["event_date"]
            got = [made.matches(None if value is None else date_of(value)) for value in records]
            self.assertEqual(got, expected, (bounds, made))
            try:
                condition.arguments("list_memories", lambda field: True, combined=False)
                plain += 1
            except CallError as error:
                self.assertEqual(error.path, ["event_date"])
        self.assertGreater(plain, 5_000)

    def test_microseconds(self):
        for value in (conditions.EARLIEST, -1, 0, 1, 1_700_000_000_123_457, conditions.LATEST):
            self.assertEqual(microseconds_of(date_of(value)), value)
        self.assertEqual(microseconds_of(datetime(1970, 1, 1, 0, 0, 1)), 1_000_000)

    def test_matches(self):
        noon = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
        later = datetime(2024, 1, 2)
        for inclusive, first, last in [("both", 1, 1), ("neither", 0, 0), ("left", 1, 0), ("right", 0, 1)]:
            made = filters.EventDate(between=[noon, later], inclusive=inclusive)
            self.assertEqual((made.matches(noon), made.matches(later)), (bool(first), bool(last)))
        self.assertTrue(filters.EventDate(gt="2024-01-01T11:59:59.999999Z", lt=later).matches(noon))
        self.assertFalse(filters.EventDate(gt=noon).matches(None))


class StandInTests(unittest.TestCase):
    def test_filters_that_are_refused(self):
        for make in [
            lambda: filters.UserId(eq="a", ne="b"), lambda: filters.UserId(any=["a"], all=["b"]),
            lambda: filters.UserId(any=[]), lambda: filters.UserId(all=[]), lambda: filters.UserId(startswith=""),
            lambda: filters.UserId(startswith="a", eq="a"), lambda: filters.UserId(eq=3), lambda: filters.UserId(any="abc"),
            lambda: filters.MemoryType(eq="other"), lambda: filters.CreatedAt(between=[datetime.min]),
            lambda: filters.CreatedAt(between=[datetime.min] * 2, eq=datetime.min), lambda: filters.TagFilter(eq="a"),
        ]:
            self.assertRaises(ValueError, make)
        self.assertRaises(NotImplementedError, filters.UserId(eq="a").to_filter)

    def test_records(self):
        made = models.MemoryRecord(id="a", text="t", created_at="2024-01-01T00:00:00Z", memory_type="semantic", unknown=1)
        self.assertEqual(made.created_at, datetime(2024, 1, 1, tzinfo=timezone.utc))
        self.assertIs(made.memory_type, models.MemoryTypeEnum.SEMANTIC)
        self.assertEqual((made.topics, made.pinned, made.metadata, hasattr(made, "unknown")), (None, False, {}, False))
        self.assertIsNot(models.MemoryRecord(id="a", text="t").metadata, models.MemoryRecord(id="a", text="t").metadata)
        for values in [
            {}, {"id": "a"}, {"id": 1, "text": "t"}, {"id": "a", "text": "t", "topics": ["a,b"]},
            {"id": "a", "text": "t", "memory_type": "x"}, {"id": "a", "text": "t", "access_count": -1},
            {"id": "a", "text": "t", "created_at": "soon"}, {"id": "a", "text": "t", "topics": "a"},
        ]:
            self.assertRaises(ValueError, models.MemoryRecord, **values)
        self.assertRaises(ValueError, models.MemoryRecordResult, id="a", text="t")

    def test_dumps_and_copies(self):
        made = models.MemoryRecordResult(
            id="a", text="t", dist=0.25, created_at=0, last_accessed=0, updated_at=0, memory_type="episodic",
            metadata=exact_json.decode('{"n":1.00,"l":[{}]}'), topics=["x"],
        )
        self.assertEqual(made.model_dump()["memory_type"], models.MemoryTypeEnum.EPISODIC)
        dumped = made.model_dump(mode="json", exclude_none=True)
        self.assertEqual((dumped["memory_type"], dumped["created_at"]), ("episodic", "1970-01-01T00:00:00Z"))
        self.assertNotIn("user_id", dumped)
        self.assertIn('"metadata":{"n":1.00,"l":[{}]}', made.model_dump_json())
        self.assertEqual(models.MemoryRecordResult.model_validate_json(made.model_dump_json()), made)
        self.assertEqual(models.MemoryRecordResult.model_validate(made.model_dump()), made)
        copy = made.model_copy(update={"text": "u"}, deep=True)
        self.assertEqual((copy.text, made.text, copy == made), ("u", "t", False))
        self.assertEqual(copy.model_dump_json().count("1.00"), 1)
        self.assertIsNot(copy.metadata["l"], made.metadata["l"])
        page = models.MemoryRecordResults(memories=[made, made.model_dump()], total=2)
        self.assertEqual(page.memories, [made, made])

    def test_subclass(self):
        class Mine(models.MemoryRecord):
            colour: str = "red"

        self.assertEqual(Mine(id="a", text="t").model_dump()["colour"], "red")
        self.assertEqual(Mine(id="a", text="t", colour="blue").colour, "blue")


if __name__ == "__main__":
    unittest.main()
