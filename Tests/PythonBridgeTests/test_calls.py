"""Calls other than the good case: errors, cancellation, the end, methods without `async`, totals, filters that are refused."""

import os
import signal
import unittest

from server import EXAMPLE, PATIENCE, Ended, Server, dates, everything, record, search, tags

PLAIN = """
import asyncio, os, threading, time
from agent_memory_server.models import MemoryRecordResult, MemoryRecordResults

STORED = {}

def results(limit, offset, **filters):
    found = [memory for memory in STORED.values()
             if all(condition.matches(getattr(memory, name)) for name, condition in filters.items())]
    return MemoryRecordResults(
        memories=[MemoryRecordResult(**memory.model_dump(), dist=0.5) for memory in found[offset:offset + limit]],
        total=len(found))

class Plain:
    def __init__(self, embeddings=None):
        self.embeddings = embeddings
    async def add_memories(self, memories):
        STORED.update({memory.id: memory for memory in memories})
        return [memory.id for memory in memories]
    async def search_memories(self, query, limit=10, offset=0, **filters):
        return results(limit, offset, **filters)
    async def list_memories(self, limit=10, offset=0, **filters):
        return results(limit, offset, **filters)
    async def count_memories(self, namespace=None, user_id=None, session_id=None):
        return len(STORED)
    async def delete_memories(self, memory_ids):
        return sum(STORED.pop(memory_id, None) is not None for memory_id in memory_ids)
    async def update_memories(self, memories):
        return len(await self.add_memories(memories))

create_my_backend = Plain
"""

KEEPING = PLAIN.replace("create_my_backend = Plain", "") + """
class Result(MemoryRecordResult):
    opaque_bytes: bytes | None = None

KEPT = {}

class Keeping(Plain):
    async def add_memories(self, memories, opaque_bytes=None):
        KEPT.update(opaque_bytes or {})
        return await super().add_memories(memories)
    async def update_memories(self, memories, opaque_bytes=None):
        KEPT.update(opaque_bytes or {})
        return len(await super().add_memories(memories))
    async def search_memories(self, query, limit=10, offset=0, opaque_bytes=False, **filters):
        found = results(limit, offset, **filters)
        if opaque_bytes:
            found.memories = [Result(**memory.model_dump(), opaque_bytes=KEPT.get(memory.id)) for memory in found.memories]
        return found

create_my_backend = Keeping
"""


class CallTests(unittest.TestCase):
    def start(self, source=PLAIN, **options):
        server = Server(source=source, **options)
        self.addCleanup(server.__exit__)
        server.started()
        return server

    def changed(self, method, **options):
        """A backend in which one method is another."""
        return self.start(PLAIN.replace("create_my_backend = Plain", "") + f"""
class Changed(Plain):
{method}
create_my_backend = Changed
""", **options)

    def wait_for_embeddings(self, server):
        while not server.embedded:
            server.embed(server.receive())

    # Errors.

    def test_exceptions(self):
        server = self.changed("""
    async def count_memories(self):
        exec(self.embeddings.errors.pop(0))
    async def prepare(self):
        self.embeddings.errors = [
            "raise ConnectionError('gone')", "raise OSError('disk')", "raise TimeoutError('slow')",
            "raise asyncio.TimeoutError()", "raise NotImplementedError('later')", "raise ValueError('wrong')",
            "raise TypeError('kind')", "raise SystemExit(4)", "raise asyncio.CancelledError()",
            "raise type('ConnectionError', (Exception,), {})('of a driver')", "raise KeyError('k') from OSError('inner')",
            "raise RuntimeError('x' * 9999 + chr(0xd800))",
        ]
""")
        server.call("prepare")
        for status, part in [
            ("store_unavailable", "ConnectionError: gone"), ("store_unavailable", "OSError: disk"),
            ("timed_out", "TimeoutError: slow"), ("timed_out", "TimeoutError"), ("unsupported", "NotImplementedError: later"),
            ("internal_error", "ValueError: wrong"), ("internal_error", "TypeError: kind"),
            ("internal_error", "SystemExit: 4"), ("cancelled", "CancelledError"),
            ("store_unavailable", "ConnectionError: of a driver"), ("store_unavailable", "OSError: inner"), ("internal_error", "RuntimeError: xxx"),
        ]:
            with self.subTest(part):
                frame = server.answer(server.begin("count", {"filter": everything()}))
                self.assertEqual(frame["status"], status)
                # Clients see what kind of exception it was; its text is for the log.
                kind, _, text = part.partition(": ")
                self.assertEqual(frame["message"], f"the backend raised {kind}")
                self.assertIn(text or kind, frame["detail"])
                self.assertLessEqual(len(frame["detail"]), 8003)

    def test_prepare_with_a_wrong_setting(self):
        server = self.changed("    async def prepare(self): raise ValueError('no such table')")
        self.assertEqual(server.failure("prepare"), ("misconfigured", "ValueError: no such table"))
        server = self.changed("    async def prepare(self): raise ValueError('x') from ConnectionError('down')")
        self.assertEqual(server.failure("prepare"), ("store_unavailable", "ConnectionError: down"))

    def test_answers_that_are_none(self):
        for method, operation, request, part in [
            ("async def add_memories(self, m): return ['a']", "add", {"records": [record("a"), record("b")]}, "1 ids for 2"),
            ("async def add_memories(self, m): pass", "add", {"records": [record("a")]}, "no list of ids for 1"),
            ("async def count_memories(self): pass", "count", {"filter": everything()}, "None instead of a number"),
            ("async def count_memories(self): return -1", "count", {"filter": everything()}, "-1"),
            ("async def delete_memories(self, ids): return 2", "remove", {"ids": ["a"]}, "2, which cannot be"),
            ("async def list_memories(self, **k): return []", "list", {"filter": everything(), "limit": 1, "offset": 0},
             "a list without a list of memories"),
            ("async def health(self): return True", "health", {}, "must answer a list"),
            ("async def health(self): return [{'component': {1}}]", "health", {}, "a set has no form in JSON"),
        ]:
            with self.subTest(method):
                status, message = self.changed(f"    {method}").failure(operation, request)
                self.assertEqual(status, "internal_error")
                self.assertIn(part, message)

    def test_opaque_bytes(self):
        with Server(source=PLAIN) as server:
            self.assertNotIn("opaque_bytes", server.started()["capabilities"])
        with Server(source=KEEPING) as server:
            self.assertIs(server.started()["capabilities"]["opaque_bytes"], True)

            def kept():
                hits = server.call("search", search("[1]") | {"opaque_bytes": True})["hits"]
                return {hit["record"]["id"]: hit["opaque_bytes"] for hit in hits}

            def update(identity, **members):
                server.call("update", {"updates": [{"id": identity, "set": {}, "access": None} | members]})

            server.call("add", {"records": [record("a") | {"opaque_bytes": "AAH/"}, record("b") | {"opaque_bytes": None}]})
            self.assertEqual(kept(), {"a": "AAH/", "b": None})
            update("a", set={"pinned": True})
            update("b", set={"text": "[1] new"}, opaque_bytes="AQ==")
            self.assertEqual(kept(), {"a": "AAH/", "b": "AQ=="})
            update("a", set={"text": "[1] newer"}, opaque_bytes=None)
            self.assertEqual(kept(), {"a": None, "b": "AQ=="})
            self.assertNotIn("opaque_bytes", server.call("search", search("[1]"))["hits"][0])

    def test_opaque_bytes_that_are_none(self):
        server = self.start(KEEPING.replace("opaque_bytes=KEPT.get(memory.id)", "opaque_bytes='text'"))
        server.add(record("a"))
        status, message = server.failure("search", search("[1]") | {"opaque_bytes": True})
        self.assertEqual((status, message), ("internal_error", "search_memories answered opaque_bytes that are a str"))

    def test_records_that_are_none(self):
        for change, part in [
            ("del memory.text", "no text"), ("memory.id = 3", "id is a int"), ("memory.created_at = None", "no created_at"),
            ("memory.created_at = 3", "a datetime is needed"), ("memory.topics = 'a,b'", "topics is one string"),
            ("memory.metadata = '{}'", "metadata is a str"), ("memory.metadata = {'a': float('nan')}", "no number nan"),
            ("memory.metadata = {1: 2}", "names in a JSON object"), ("memory.metadata = {'a': chr(0xd800)}", "surrogates"),
            ("memory.metadata = {'a': object()}", "a object has no form"), ("del memory.dist", "without dist"),
            ("memory.dist = float('nan')", "dist that is no number"),
        ]:
            with self.subTest(change):
                server = self.changed(f"""
    async def search_memories(self, query, limit=10, offset=0, **filters):
        found = results(limit, offset, **filters)
        memory = found.memories[0]
        {change}
        return found
""")
                server.add(record("a"))
                status, message = server.failure("search", search("[1]"))
                self.assertEqual(status, "internal_error")
                self.assertIn(part, message)

    def test_records_that_lack_something(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, **filters):
        from datetime import datetime
        from types import SimpleNamespace as Some
        return Some(memories=[Some(id="a", text="t", user_id="", created_at=datetime(1970, 1, 1, 0, 0, 1))][offset:], total=None)
""")
        stored = server.record("a")
        self.assertEqual(len(stored.pop("memory_hash")), 64)
        expected = record("a", "t", memory_type="message", discrete_memory_extracted="f",
                          **dict.fromkeys(("created_at", "last_accessed", "updated_at"), 1_000_000))
        del expected["memory_hash"]
        self.assertEqual(stored, expected)

    def test_unknown_operation(self):
        server = self.start()
        for name in ("sing", "perform", "_count", "__class__"):
            self.assertEqual(server.failure(name)[0], "unsupported")

    def test_hidden_embedding_failure(self):
        server = self.changed("""
    async def search_memories(self, query, **filters):
        try:
            await self.embeddings.aembed_query(query)
        except Exception:
            return results(0, 0)
""")
        server.fault = "down"
        self.assertEqual(server.failure("search", search("[1]")), ("embedding_failed", "the embedding service is down"))

    # Embeddings.

    def test_blocking_embeddings(self):
        server = self.changed("""
    async def count_memories(self):
        return len(self.embeddings.embed_query("[1]"))
    def add_memories(self, memories):
        assert threading.current_thread() is not threading.main_thread()
        return self.embeddings.embed_documents([memory.text for memory in memories])
""")
        self.assertEqual(server.count(), 4)
        self.assertEqual(server.add(record("a"), record("b")), ["a", "b"])
        self.assertEqual([frame["call"] for frame in server.embedded], [1, 2])

    def test_embeddings_belong_to_their_calls(self):
        server = self.changed("""
    async def count_memories(self, **values):
        return len(await self.embeddings.aembed_documents([f"[1] {name}" for name in values.values()] + ["[2]"]))
""")
        frames = []
        server.fault = lambda server, frame: frames.append(frame)
        calls = [server.begin("count", {"filter": tags(user_id={"all": [name]})}) for name in ("a", "b", "c")]
        while len(frames) < 3:
            server.embed(server.receive())
        server.fault = None
        for frame in reversed(frames):
            server.embed(frame)
        self.assertEqual([server.answer(call)["answer"] for call in calls], [{"count": 2}] * 3)
        self.assertEqual({frame["call"] for frame in frames}, set(calls))

    # Cancellation and the end.

    def test_cancel(self):
        server = self.changed("""
    async def count_memories(self):
        await asyncio.Event().wait()
    async def search_memories(self, query, **filters):
        return await self.embeddings.aembed_query(query)
    def delete_memories(self, ids):
        self.ended.wait()
        return 0
    ended = threading.Event()
    async def health(self):
        self.ended.set()
        return [{"component": "store"}]
""")
        waiting = server.begin("count", {"filter": everything()})
        blocked = server.begin("remove", {"ids": ["a"]})
        server.fault = lambda server, frame: None
        embedding = server.begin("search", search("[1]"))
        self.wait_for_embeddings(server)
        at_once = server.begin("count", {"filter": everything()})
        for call in (at_once, waiting, blocked, embedding, 999):
            server.send({"type": "cancel", "call": call})
        for call in (waiting, blocked, embedding, at_once):
            self.assertEqual(server.answer(call)["status"], "cancelled")
        # A late answer to embeddings does no harm.
        server.fault = None
        server.embed(server.embedded[0])
        self.assertEqual(server.add(record("a")), ["a"])
        server.call("health")
        self.assertEqual(server.call("remove", {"ids": ["a"]}), {"deleted": 0})

    def test_cancelled_before_its_first_step(self):
        # The loop is blocked while both frames arrive, so that it learns of the call and of its end at once.
        server = self.changed("""
    async def health(self):
        self.embeddings.embed_query("[1]")
        return [{"component": "store"}]
""")
        held = []
        server.fault = lambda server, frame: held.append(frame)
        health = server.begin("health")
        while not held:
            server.embed(server.receive())
        call = server.begin("count", {"filter": everything()})
        server.send({"type": "cancel", "call": call})
        server.fault = None
        server.embed(held[0])
        self.assertEqual(server.answer(health)["status"], "ok")
        self.assertEqual(server.answer(call)["status"], "cancelled")

    def test_close_ends_calls_and_the_backend(self):
        server = self.changed("""
    async def count_memories(self):
        await asyncio.Event().wait()
    async def aclose(self):
        print("closed by", len(self.embeddings.embed_query("[1]")))
    def close(self):
        print("too much")
""")
        call = server.begin("count", {"filter": everything()})
        self.assertEqual(server.close(), 0)
        self.assertEqual(server.answer(call)["status"], "cancelled")
        self.assertEqual(server.printed(), "closed by 4\n")

    def test_close_that_fails_or_is_stuck(self):
        server = self.changed("    def close(self): raise ValueError('late')")
        self.assertEqual(server.close(), 0)
        self.assertIn("ValueError: late", server.logs[-1]["message"])
        server = self.changed("    def count_memories(self): self.embeddings.embed_query('x')")
        server.fault = lambda server, frame: None
        server.begin("count", {"filter": everything()})
        self.wait_for_embeddings(server)
        self.assertEqual(server.close(), 0)

    def test_end_of_the_server(self):
        for method in [
            "async def count_memories(self): time.sleep(len(self.embeddings.embed_query('x')) * 999)",
            "def count_memories(self): time.sleep(len(self.embeddings.embed_query('x')) * 999)",
            "async def count_memories(self): self.embeddings.embed_query('x'); self.embeddings.embed_query('y')",
        ]:
            with self.subTest(method):
                server = self.changed(f"    {method}")
                server.begin("count", {"filter": everything()})
                self.wait_for_embeddings(server)
                server.hang_up()
                self.assertEqual(server.process.wait(PATIENCE), 0)

    def test_signals_of_the_group(self):
        server = self.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(server.process.pid, number)
        self.assertEqual(server.add(record("a")), ["a"])
        self.assertEqual(server.close(), 0)

    def test_crash(self):
        server = self.changed("    async def count_memories(self): import ctypes; ctypes.string_at(0)")
        server.begin("count", {"filter": everything()})
        with self.assertRaises(Ended):
            server.next()
        self.assertLess(server.process.wait(PATIENCE), 0)
        self.assertIn("count_memories", server.printed())

    # Methods without async.

    def test_plain_methods_run_one_at_a_time(self):
        server = self.changed("""
    inside = most = 0
    def add_memories(self, memories):
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.02)
        self.inside -= 1
        return memories
    def count_memories(self):
        return self.most
""")
        calls = [server.begin("add", {"records": [record(str(number))]}) for number in range(4)]
        self.assertEqual([server.answer(call)["status"] for call in calls], ["ok"] * 4)
        self.assertEqual(server.count(), 1)

    def test_plain_methods_that_may_run_together(self):
        server = self.changed("""
    thread_safe = True
    both = threading.Barrier(2, timeout=60)
    def add_memories(self, memories):
        self.both.wait()
        return memories
""")
        calls = [server.begin("add", {"records": [record(str(number))]}) for number in range(4)]
        self.assertEqual([server.answer(call)["status"] for call in calls], ["ok"] * 4)

    # Writes.

    def test_updates_of_one_record_lose_nothing(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, **filters):
        found = results(limit, offset, **filters)
        await asyncio.sleep(0.01)
        return found
""")
        server.add(record("a", access_count=0), record("b"))
        access = {"at": 0, "minimum_interval_seconds": 0}
        fields = [{"user_id": "u"}, {"session_id": "s"}, {"namespace": "n"}, {"topics": ["t"]}, {"pinned": True}]
        updates = [[{"id": "a", "set": {}, "access": access}, {"id": "b", "set": field, "access": None}] for field in fields]
        calls = [server.begin("update", {"updates": update}) for update in updates]
        self.assertEqual([server.answer(call)["answer"] for call in calls], [{"updated": 2}] * 5)
        self.assertEqual(server.record("a")["access_count"], 5)
        b = server.record("b")
        self.assertEqual((b["user_id"], b["session_id"], b["namespace"], b["topics"], b["pinned"]), ("u", "s", "n", ["t"], True))

    def test_removed_while_it_is_updated(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, **filters):
        found = results(limit, offset, **filters)
        await asyncio.sleep(0.05)
        return found
""")
        server.add(record("a"))
        update = server.begin("update", {"updates": [{"id": "a", "set": {"pinned": True}, "access": None}]})
        remove = server.begin("remove", {"ids": ["a"]})
        self.assertEqual(server.answer(update)["answer"], {"updated": 1})
        self.assertEqual(server.answer(remove)["answer"], {"deleted": 1})
        self.assertEqual(server.listed(), ([], 0))

    # Totals and pages.

    def test_totals_of_what_was_fetched(self):
        for body in (
            "found = results(limit, offset, **filters); found.total = offset + len(found.memories); return found",
            "found = results(limit, offset, **filters); found.total = len(found.memories); return found",
        ):
            server = self.changed(f"""
    async def list_memories(self, limit=10, offset=0, **filters):
        {body}
    async def search_memories(self, query, distance_threshold=None, limit=10, offset=0, **filters):
        {body}
""")
            server.add(*(record(f"{number:04}", user_id="u" if number < 7 else "v") for number in range(2100)))
            some = tags(user_id={"startswith": "u"})
            for limit, offset, ids in [(3, 0, 3), (7, 0, 7), (3, 6, 1), (100, 0, 7), (1, 6, 1), (5, 7, 0), (5, 90, 0)]:
                with self.subTest(body=body, limit=limit, offset=offset):
                    found, total = server.listed(some, limit, offset)
                    self.assertEqual((len(found), total), (ids, 7))
                    for options in ({}, {"distance_threshold": 1}):
                        found = server.call("search", search("q", filter=some, limit=limit, offset=offset, **options))
                        self.assertEqual((len(found["hits"]), found["total"]), (ids, 7))
            self.assertEqual(server.count(some), 7)
            self.assertEqual(server.count(tags(user_id={"startswith": "v"})), 2093)
            self.assertTrue(any("slow" in line["message"] for line in server.logs))

    def test_pages_that_are_cut_short(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, **filters):
        return results(min(limit, 10), offset, **filters)
""")
        server.add(*(record(f"{number:02}") for number in range(35)))
        self.assertEqual(server.listed(limit=100), ([f"{number:02}" for number in range(35)], 35))
        self.assertEqual(server.listed(limit=20, offset=30), ([f"{number:02}" for number in range(30, 35)], 35))

    def test_methods_without_an_offset(self):
        server = self.changed("""
    async def list_memories(self, limit=10, **filters):
        assert "offset" not in filters
        return results(limit, 0, **filters)
""")
        server.add(*(record(f"{number:02}") for number in range(9)))
        self.assertEqual(server.listed(limit=2, offset=3), (["03", "04"], 9))

    # What backends are not asked.

    def test_filters_that_are_refused(self):
        server = self.start()
        server.add(record("a"))
        for condition, field in [
            (tags(user_id={"none": ["a", "b"]}), "user_id"), (tags(topics={"all": ["a"], "none": ["b"]}), "topics"),
            (tags(topics={"any": [["a", "b"], ["c", "d"]]}), "topics"),
            (tags(entities={"any": [["a", "b"]], "none": ["c"]}), "entities"),
            (dates(event_date=[("gte", 1), ("lte", 9), ("ne", 5)]), "event_date"),
            (dates(event_date=[("ne", 1), ("ne", 2)]), "event_date"),
        ]:
            for operation, request in [
                ("list", {"filter": condition, "limit": 1, "offset": 0}), ("count", {"filter": condition}),
                ("search", search("[1]", filter=condition)),
            ]:
                with self.subTest(operation=operation, condition=condition):
                    frame = server.answer(server.begin(operation, request))
                    self.assertEqual((frame["status"], frame.get("path")), ("unsupported", [field]))
                    self.assertIn(field, frame["message"])

    def test_filters_that_a_method_does_not_have(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, user_id=None, id=None):
        return results(limit, offset, **({"user_id": user_id} if user_id else {}))
    async def count_memories(self):
        return 0
""")
        server.add(record("a", user_id="u"), record("b"))
        self.assertEqual(server.listed(tags(user_id={"all": ["u"]})), (["a"], 1))
        self.assertEqual(server.count(tags(user_id={"all": ["u"]})), 1)
        self.assertEqual(server.failure("count", {"filter": tags(topics={"all": ["u"]})}),
                         ("unsupported", "list_memories has no filter on topics"))

    def test_relaxed_filters_are_noticed(self):
        server = self.changed("""
    async def list_memories(self, limit=10, offset=0, **filters): return results(limit, offset)
    async def search_memories(self, query, limit=10, offset=0, **filters): return results(limit, offset)
""")
        server.add(record("a", user_id="alice"))
        condition = tags(user_id={"all": ["Alice"]})
        for operation, request in [
            ("list", {"filter": condition, "limit": 1, "offset": 0}), ("search", search("[1]", filter=condition)),
            ("update", {"updates": [{"id": "b", "set": {"pinned": True}, "access": None}]}),
        ]:
            status, message = server.failure(operation, request)
            self.assertEqual(status, "internal_error")
            self.assertIn("leaves out", message)

    def test_filters_that_nothing_matches_are_not_asked(self):
        server = self.changed("    async def list_memories(self, **k): raise ValueError")
        condition = tags(user_id={"all": ["a", "b"]})
        self.assertEqual(server.listed(condition), ([], 0))
        self.assertEqual(server.count(condition), 0)
        self.assertEqual(server.call("search", search("[1]", filter=condition)), {"hits": [], "total": 0})

    def test_rankings(self):
        server = self.changed("""
    async def search_memories(self, query, search_mode="unset", hybrid_alpha=None, text_scorer=None,
                              server_side_recency=None, recency_params=None, distance_threshold=None, limit=10, offset=0):
        self.asked = (query, search_mode.value, hybrid_alpha, text_scorer, server_side_recency, recency_params, distance_threshold)
        found = results(limit, offset)
        if search_mode == "keyword":
            found.memories[0].score = 0.75
        return found
    async def health(self):
        return [{"component": "store", "version": repr(self.asked)}]
""")
        server.add(record("a", created_at=0, last_accessed=0))
        weights = {"semantic_weight": 0.5, "recency_weight": 0.5, "freshness_weight": 1, "novelty_weight": 0,
                   "half_life_last_access_days": 1, "half_life_created_days": 1}
        plain = {name: float(value) for name, value in weights.items()}
        lexical = {"scorer": "TFIDF", "words": ["q"], "phrases": []}
        for request, asked, hit in [
            (search("q"), ("q", "semantic", None, None, None, None, None), {"distance": 0.5}),
            (search("q", distance_threshold=1), ("q", "semantic", None, None, None, None, 1.0), {"distance": 0.5}),
            (search("q", "keyword", **lexical), ("q", "keyword", None, "TFIDF", None, None, None),
             {"distance": 0.5, "score": 0.75}),
            (search("q", "hybrid", alpha=0.25, **lexical), ("q", "hybrid", 0.25, "TFIDF", None, None, None),
             {"distance": 0.5, "score": 0.5}),
            (search("q", "semantic_with_recency", **weights), ("q", "semantic", None, None, True, plain, None),
             {"distance": 0.5, "score": 0.375}),
        ]:
            with self.subTest(request["ranking"]["mode"]):
                found = server.call("search", request)["hits"][0]
                self.assertEqual(found.pop("record")["id"], "a")
                self.assertEqual(found, hit)
                self.assertEqual(server.call("health")["components"][0]["version"], repr(asked))

    def test_optional_operations(self):
        server = self.start()
        self.assertEqual(server.call("prepare"), {})
        self.assertEqual(server.failure("drop")[0], "unsupported")
        self.assertEqual(server.call("health"), {"components": [{"component": "store", "reason": None, "version": None}]})
        server = self.changed("""
    def prepare(self): print("prepared")
    async def drop(self): print("dropped", flush=True)
    def health(self): return {"components": [{"component": "store", "reason": "full"}]}
""")
        server.call("prepare")
        server.call("drop")
        self.assertEqual(server.call("health")["components"][0]["reason"], "full")
        self.assertEqual(server.close(), 0)
        self.assertEqual(sorted(server.printed().split()), ["dropped", "prepared"])

    def test_large_frames(self):
        with Server(path=[EXAMPLE]) as server:
            server.started()
            text = "[1] " + "é🙂" * 200_000
            server.add(*(record(str(number), text) for number in range(8)))
            found = server.call("search", search("[1]"))
            self.assertEqual([hit["record"]["text"] == text for hit in found["hits"]], [True] * 8)


if __name__ == "__main__":
    unittest.main()
