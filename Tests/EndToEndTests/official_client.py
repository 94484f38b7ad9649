"""The official Python client against a running server: what its users call, with answers checked.

    official_client.py URL [--core]

--core: the backend has semantic search alone; what else is asked for must be refused.
"""

import asyncio
import sys
from datetime import datetime, timezone

from agent_memory_client import MemoryAPIClient, MemoryClientConfig
from agent_memory_client.exceptions import MemoryNotFoundError, MemoryServerError
from agent_memory_client.filters import CreatedAt, Entities, MemoryType, Namespace, SessionId, Topics, UserId
from agent_memory_client.models import ClientMemoryRecord, ForgetPolicy, MemoryTypeEnum, RecencyConfig


def expect(what, got, expected):
    if got != expected:
        raise SystemExit(f"{what}: expected {expected!r}, got {got!r}")


def date(day):
    return datetime(2024, 1, day, tzinfo=timezone.utc)


async def check(url, core):
    async with MemoryAPIClient(MemoryClientConfig(base_url=url, default_namespace="client")) as client:
        health = await client.health_check()
        expect("health", abs(health.now / 1000 - datetime.now().timestamp()) < 60, True)

        memories = [
            ClientMemoryRecord(
                id=f"c{i}",
                text=f"note {i} about {'tea' if i % 2 else 'coffee'}",
                user_id="ada" if i % 3 else "auth0|ben",
                session_id=f"s{i % 4}",
                topics=["drinks"] + (["odd"] if i % 2 else []),
                entities=[f"e{i % 5}"],
                memory_type=MemoryTypeEnum.EPISODIC if i % 7 == 0 else MemoryTypeEnum.SEMANTIC,
                event_date=date(1 + i % 28),
                created_at=date(1 + i % 28),
            )
            for i in range(60)
        ]
        expect("create", (await client.create_long_term_memory(memories)).status, "ok")
        expect("the same again", (await client.create_long_term_memory(memories[:5])).status, "ok")

        async def total(**filters):
            return (await client.search_long_term_memory(text="tea", limit=5, **filters)).total

        def count(condition):
            return sum(1 for i in range(60) if condition(i))

        expect("all", await total(), 60)
        expect("user eq", await total(user_id=UserId(eq="auth0|ben")), count(lambda i: i % 3 == 0))
        expect("user not_eq", await total(user_id=UserId(not_eq="auth0|ben")), count(lambda i: i % 3 != 0))
        expect("session in_", await total(session_id=SessionId(in_=["s1", "s2"])), count(lambda i: i % 4 in (1, 2)))
        expect("session not_in", await total(session_id=SessionId(not_in=["s1", "s2"])), count(lambda i: i % 4 in (0, 3)))
        expect("topics all", await total(topics=Topics(all=["drinks", "odd"])), count(lambda i: i % 2))
        expect("topics none", await total(topics=Topics(none=["odd"])), count(lambda i: i % 2 == 0))
        expect("entities any", await total(entities=Entities(any=["e0", "e1"])), count(lambda i: i % 5 < 2))
        expect("type", await total(memory_type=MemoryType(eq="episodic")), count(lambda i: i % 7 == 0))
        expect("type in_", await total(memory_type=MemoryType(in_=["episodic", "message"])), count(lambda i: i % 7 == 0))
        expect(
            "created_at", await total(created_at=CreatedAt(gte=date(5), lte=date(9))), count(lambda i: 5 <= 1 + i % 28 <= 9)
        )
        expect("another namespace", await total(namespace=Namespace(eq="elsewhere")), 0)
        expect(
            "two filters",
            await total(user_id=UserId(eq="ada"), topics=Topics(any=["odd"])),
            count(lambda i: i % 3 != 0 and i % 2),
        )

        hit = (await client.search_long_term_memory(text="note 7 about tea", limit=1, recency=RecencyConfig(recency_boost=False)))
        expect("the nearest", hit.memories[0].id, "c7")
        expect("its distance", hit.memories[0].dist < 1e-5, True)
        expect("next_offset", hit.next_offset, 1)
        recency = RecencyConfig(server_side_recency=True)
        if core:
            try:
                await client.search_long_term_memory(text="tea", recency=recency)
                raise SystemExit("what the backend cannot do was not refused")
            except MemoryServerError as error:
                expect("the refusal", error.status_code, 422)
        else:
            fresh = await client.search_long_term_memory(text="tea", recency=recency)
            expect("server-side recency", len(fresh.memories), 10)

        for batch in (7, 50):
            seen = [m.id async for m in client.search_all_long_term_memories(text="tea", batch_size=batch)]
            expect(f"pages of {batch}: nothing twice", len(seen), len(set(seen)))
            expect(f"pages of {batch}: all", sorted(seen), sorted(m.id for m in memories))
        seen = [m.id async for m in client.search_all_long_term_memories(text="", batch_size=9, topics=Topics(any=["odd"]))]
        expect("pages of a list", sorted(seen), sorted(f"c{i}" for i in range(60) if i % 2))

        record = await client.get_long_term_memory("c1")
        expect("get", (record.text, record.user_id, record.topics, record.created_at), ("note 1 about tea", "ada", ["drinks", "odd"], date(2)))
        edited = await client.edit_long_term_memory("c1", {"text": "note 1 about cocoa", "topics": ["sweet"], "pinned": True})
        expect("edit", (edited.text, edited.topics, edited.user_id), ("note 1 about cocoa", ["sweet"], "ada"))
        expect("found by the new text", (await client.search_long_term_memory(text="cocoa", limit=1)).memories[0].id, "c1")
        try:
            await client.edit_long_term_memory("nope", {"text": "x"})
            raise SystemExit("editing an unknown memory succeeded")
        except MemoryNotFoundError:
            pass

        expect("delete", (await client.delete_long_term_memories(["c0", "c1", "c1", "nope"])).status, "ok, deleted 2 memories")
        try:
            await client.get_long_term_memory("c1")
            raise SystemExit("a deleted memory came back")
        except MemoryNotFoundError:
            pass
        expect("all after the delete", await total(), 58)
        bulk = [[ClientMemoryRecord(id=f"b{i}", text=f"bulk {i}") for i in range(20)]]
        expect("bulk", [a.status for a in await client.bulk_create_long_term_memories(bulk, batch_size=10, delay_between_batches=0)], ["ok", "ok"])
        expect("all after the bulk", await total(), 78)

        if not core:
            now = datetime.now(timezone.utc)
            aged = [
                ClientMemoryRecord(
                    id=f"f{i}", text=f"aged {i}", namespace="forget", created_at=date(1) if i < 4 else now,
                    last_accessed=date(1) if i < 4 else now,
                )
                for i in range(6)
            ]
            await client.create_long_term_memory(aged)
            forget = client.forget_long_term_memories
            preview = await forget(ForgetPolicy(max_age_days=30), namespace="forget", dry_run=True, pinned_ids=["f0"])
            expect("a preview", (preview.scanned, preview.deleted, preview.dry_run), (6, 3, True))
            expect("its ids", sorted(preview.deleted_ids), ["f1", "f2", "f3"])
            # The client leaves dry_run=False out, and then a pass is a preview, here as in the reference.
            expect("a pass", (await forget(ForgetPolicy(budget=5), namespace="forget")).dry_run, True)
            # A search with recency is an access, and what is accessed during a pass stays.
            left = await client.search_long_term_memory(
                text="aged", namespace=Namespace(eq="forget"), recency=RecencyConfig(recency_boost=False)
            )
            expect("nothing is forgotten yet", left.total, 6)
            body = {"policy": {"budget": 2}}
            params = {"namespace": "forget", "dry_run": "false"}
            done = (await client._client.post("/v1/long-term-memory/forget", params=params, json=body)).json()
            expect("forgotten", sorted(done["deleted_ids"]), ["f0", "f1", "f2", "f3"])
            undone = (await client._client.post(f"/v1/operations/{done['operation']}/undo")).json()
            expect("and back", undone["undone"], 4)
            expect("all after the pass", await total(), 78)


asyncio.run(check(sys.argv[1], "--core" in sys.argv))
print("all as expected")
