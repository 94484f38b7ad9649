"""The example backend through the bridge: the contract's core rules."""

import hashlib
import json
import unittest

from server import EXAMPLE, Server, dates, everything, record, search, tags


class ExampleTests(unittest.TestCase):
    def setUp(self):
        self.server = Server(path=[EXAMPLE])
        self.addCleanup(self.server.__exit__)
        self.description = self.server.started()

    def test_description(self):
        self.assertEqual(self.description["name"], "brute force in Python")
        self.assertEqual(
            self.description["capabilities"],
            {"keyword_search": False, "hybrid_search": False, "server_side_recency": False, "distance_threshold": True},
        )

    def test_round_trip(self):
        full = record(
            "full", "[1] é e\u0301 🙂\n\"q\"", session_id="s", user_id="u|1", namespace="n,1", memory_type="episodic",
            topics=["b", "a"], entities=["E", "e"], extracted_from=["m"], discrete_memory_extracted="f",
            extraction_strategy="custom", extraction_strategy_config={"n": [1, 2.5]}, pinned=True, access_count=42,
            metadata={"a": None, "b": True, "c": {"d": [1, "2", 3.25]}, "big": 12345678901234567890, "é": "e\u0301"},
            created_at=-62135596800000000, last_accessed=253402300799999999, updated_at=1_700_000_000_123_457,
            persisted_at=-1, event_date=8_589_934_592_000_001,
        )
        bare = record("bare")
        self.assertEqual(self.server.add(full, bare), ["full", "bare"])
        self.assertEqual(self.server.record("full"), full)
        self.assertEqual(self.server.record("bare"), bare)
        hit = self.server.call("search", search("[1] q", filter=tags(id={"all": ["full"]})))["hits"][0]
        self.assertEqual(hit["record"], full)

    def test_last_of_a_call_wins(self):
        ids = self.server.add(record("a", "[1] first"), record("b"), record("a", "[1] last"))
        self.assertEqual(ids, ["a", "b", "a"])
        self.assertEqual(self.server.record("a")["text"], "[1] last")
        self.assertEqual(self.server.count(), 2)

    def test_search(self):
        texts = {"same": "[1]", "near": "[1, 0.5]", "right": "[0, 1]", "far": "[-1, 0.2]", "opposite": "[-2]"}
        self.server.add(*(record(identity, text) for identity, text in texts.items()))
        self.server.add(record("right2", "[0, 3]"))
        answer = self.server.call("search", search("[3] q"))
        self.assertEqual(
            [hit["record"]["id"] for hit in answer["hits"]], ["same", "near", "right", "right2", "far", "opposite"]
        )
        for hit, expected in zip(answer["hits"], [0, 0.105573, 1, 1, 1.980581, 2]):
            self.assertAlmostEqual(hit["distance"], expected, 5)
        self.assertEqual(answer["total"], 6)
        answer = self.server.call("search", search("[3] q", distance_threshold=1, limit=2, offset=1))
        self.assertEqual([hit["record"]["id"] for hit in answer["hits"]], ["near", "right"])
        self.assertEqual(answer["total"], 4)

    def test_list_order_and_pages(self):
        self.server.add(*(record(identity, created_at=at) for identity, at in [("é", 5), ("z", 5), ("B", 5), ("a", 9)]))
        self.assertEqual(self.server.listed(), (["a", "B", "z", "é"], 4))
        self.assertEqual(self.server.listed(limit=2, offset=1), (["B", "z"], 4))
        self.assertEqual(self.server.listed(limit=2, offset=9), ([], 4))

    def test_filters(self):
        self.server.add(
            record("1", user_id="ada", topics=["tea"], created_at=10),
            record("2", user_id="Ada", topics=["tea", "milk"], created_at=11),
            record("3", topics=["milk", "sugar"], created_at=12, event_date=7),
        )
        for condition, expected in [
            (tags(user_id={"all": ["ada"]}), "1"),
            (tags(user_id={"none": ["ada"]}), "23"),
            (tags(user_id={"none": ["ada", "Ada"]}), "3"),
            (tags(user_id={"any": [["ada", "Ada"]], "none": ["Ada"]}), "1"),
            (tags(user_id={"all": ["ada", "Ada"]}), ""),
            (tags(user_id={"startswith": "a"}), "1"),
            (tags(topics={"all": ["tea", "milk"]}), "2"),
            (tags(topics={"any": [["tea", "x"], ["sugar", "milk"]]}), "2"),
            (tags(topics={"all": ["milk"], "none": ["sugar"]}), "2"),
            (tags(topics={"none": ["sugar", "x"]}, user_id={"none": ["ada"]}), "2"),
            (tags(id={"any": [["1", "3", "9"]]}), "13"),
            (dates(created_at=[("gt", 10), ("lte", 12)]), "23"),
            (dates(created_at=[("gte", 10), ("lt", 12), ("ne", 11)]), "1"),
            (dates(created_at=[("eq", 11)]), "2"),
            (dates(event_date=[("ne", 7)]), "12"),
            (dates(event_date=[("lt", 100)]), "3"),
        ]:
            with self.subTest(condition):
                self.assertEqual(sorted(self.server.listed(condition)[0]), list(expected))
                self.assertEqual(self.server.count(condition), len(expected))
                found = self.server.call("search", search("[1]", filter=condition))
                self.assertEqual(sorted(hit["record"]["id"] for hit in found["hits"]), list(expected))
                self.assertEqual(found["total"], len(expected))

    def test_partial_update(self):
        before = record("a", user_id="u", topics=["t"], metadata={"k": 1.0}, event_date=4)
        self.server.add(before, record("b"))
        asked = len(self.server.embedded)
        changes = {"user_id": None, "topics": [], "event_date": None, "updated_at": 99, "text": "[1] text"}
        self.assertEqual(self.server.update({"id": "a", "set": changes}, {"id": "nope", "set": changes}), 1)
        self.assertEqual(len(self.server.embedded), asked)
        hashed = {key: {**before, **changes}[key] for key in ("memory_type", "namespace", "session_id", "text", "user_id")}
        digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
        self.assertEqual(self.server.record("a"), before | changes | {"memory_hash": digest})
        self.assertIsNone(self.server.record("nope"))
        self.assertEqual(self.server.update({"id": "a"}, {"id": "nope"}), 1)

    def test_same_record_twice_in_an_update(self):
        self.server.add(record("a", topics=["t"]), record("b"))
        updates = [
            {"id": "a", "set": {"text": "[1] first", "user_id": "u"}},
            {"id": "b", "set": {"pinned": True}},
            {"id": "a", "set": {"text": "[0, 1] second"}},
        ]
        self.assertEqual(self.server.update(*updates), 2)
        self.assertEqual(self.server.embedded[-1]["texts"], ["[0, 1] second"])
        stored = self.server.record("a")
        self.assertEqual((stored["text"], stored["user_id"], stored["topics"]), ("[0, 1] second", "u", ["t"]))
        self.assertEqual(self.server.call("search", search("[0, 1]"))["hits"][0]["record"]["id"], "a")

    def test_access(self):
        self.server.add(record("due", last_accessed=0), record("early", last_accessed=200_000_000))
        access = {"at": 1_000_000_000, "minimum_interval_seconds": 900}
        updates = [{"id": identity, "access": access} for identity in ("due", "early", "nope")]
        self.assertEqual(self.server.update(*updates), 1)
        self.assertEqual(self.server.update(*updates), 0)
        self.assertEqual(self.server.update({"id": "early", "access": access, "set": {"text": "[1] other"}}), 0)
        due = self.server.record("due")
        self.assertEqual((due["last_accessed"], due["access_count"]), (1_000_000_000, 1))
        self.assertEqual(self.server.record("early")["text"], "[1] text")

    def test_remove(self):
        self.server.add(record("a"), record("b"), record("c"))
        self.assertEqual(self.server.call("remove", {"ids": ["a", "b", "a", "nope"]})["deleted"], 2)
        self.assertEqual(self.server.call("remove", {"ids": []})["deleted"], 0)
        self.assertEqual(self.server.listed(), (["c"], 1))

    def test_failed_embeddings_write_nothing(self):
        self.server.add(record("a"), record("b"))
        for fault, said in [("down", "is down"), ("length", "5 dimensions, and 4"), ("zero", "zero"), ("nan", "finite")]:
            self.server.fault = fault
            for operation, request in [
                ("add", {"records": [record("a", "[1] other"), record("c")]}),
                ("search", search("[1] q")),
                ("update", {"updates": [{"id": "b", "set": {"topics": ["t"]}, "access": None},
                                        {"id": "a", "set": {"text": "[1] new"}, "access": None}]}),
            ]:
                with self.subTest(fault=fault, operation=operation):
                    status, message = self.server.failure(operation, request)
                    self.assertEqual(status, "embedding_failed")
                    self.assertIn(said, message)
        self.server.fault = None
        self.assertEqual(self.server.listed(), (["a", "b"], 2))
        self.assertEqual(self.server.record("b")["topics"], [])

    def test_numbers_keep_their_digits(self):
        metadata = '{"a":1.0,"b":0.1000,"c":1e400,"d":-0,"e":1E2,"f":' + "7" * 5000 + ',"g":[12345678901234567.25]}'
        request = json.dumps({"records": [record("a", metadata="M", extraction_strategy_config="M")]})
        request = request.replace('"M"', metadata)
        self.server.send(f'{{"type":"call","call":900,"operation":"add","timeout_ms":1,"request":{request}}}')
        self.server.answer(900)
        self.server.update({"id": "a", "set": {"pinned": True}})
        self.server.send({"type": "call", "call": 901, "operation": "list", "timeout_ms": 1,
                          "request": {"filter": everything(), "limit": 1, "offset": 0}})
        text = self.server.receive_text()
        self.assertEqual(text.count(metadata), 2, text)

    def test_other_metrics_are_refused(self):
        with Server(path=[EXAMPLE], settings={"distance_metric": "L2"}) as server:
            failure, message = server.refused()
        self.assertEqual(failure, "runtime_error")
        self.assertIn("COSINE only", message)

    def test_close(self):
        self.assertEqual(self.server.close(), 0)
        self.assertEqual(self.server.printed(), "")


if __name__ == "__main__":
    unittest.main()
