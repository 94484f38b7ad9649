"""What users of the official Python client do with what the server derives by a language model.

The service of the models is the tests' own: it answers what the test that starts this program has told it.
"""

import asyncio
import sys
import warnings
from datetime import datetime, timezone

warnings.simplefilter("ignore")

from agent_memory_client import MemoryAPIClient, MemoryClientConfig
from agent_memory_client.exceptions import MemoryNotFoundError, MemoryServerError
from agent_memory_client.filters import Namespace, UserId
from agent_memory_client.models import (
    ClientMemoryRecord,
    CreateSummaryViewRequest,
    MemoryMessage,
    MemoryStrategyConfig,
    WorkingMemory,
)


def message(text, number=0):
    return MemoryMessage(
        id=f"m{number}", role="user", content=text, created_at=datetime(2024, 5, 4, tzinfo=timezone.utc))


async def until(what, read, holds):
    for _ in range(600):
        value = await read()
        if holds(value):
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what}: {value}")


async def main(url):
    client = MemoryAPIClient(MemoryClientConfig(base_url=url, timeout=60, default_namespace="llm"))

    # Each strategy, with its configuration.
    strategies = {
        "discrete": {},
        "preferences": {},
        "summary": {"max_summary_length": 50},
        "custom": {"custom_prompt": "Extract the drinks in {message}. Answer like {\"memories\": []}."},
    }
    for name, config in strategies.items():
        await client.put_working_memory(
            name,
            WorkingMemory(
                session_id=name, namespace="llm", user_id=name, messages=[message("I like tea"), message("really", 1)],
                long_term_memory_strategy=MemoryStrategyConfig(strategy=name, config=config)))

    async def extracted(user):
        found = await client.search_long_term_memory(text="", user_id=UserId(eq=user), limit=10)
        return found.memories

    for name in strategies:
        memory = (await until(name, lambda name=name: extracted(name), lambda memories: len(memories) == 1))[0]
        assert memory.text == f"User likes tea ({name}).", memory
        assert (memory.namespace, memory.session_id, memory.user_id) == ("llm", name, name), memory
        assert memory.extracted_from == ["m0", "m1"], memory
        session = await until(
            f"the marks of {name}", lambda name=name: client.get_working_memory(name, user_id=name),
            lambda session: all(m.discrete_memory_extracted == "t" for m in session.messages))
        assert session.long_term_memory_strategy.strategy == name, session
    try:
        await client.put_working_memory(
            "bad", WorkingMemory(
                session_id="bad", namespace="llm", messages=[message("x")],
                long_term_memory_strategy=MemoryStrategyConfig(strategy="custom", config={})))
        raise AssertionError("a custom strategy without a prompt was accepted")
    except MemoryServerError:
        pass

    # The summary of a long session.
    long = [message(f"number {n} " + "word " * 50, n) for n in range(12)]
    await client.put_working_memory(
        "long", WorkingMemory(session_id="long", namespace="llm", messages=long), context_window_max=500)
    session = await until(
        "the summary", lambda: client.get_working_memory("long"), lambda session: session.context)
    assert session.context == "They spoke at length." and len(session.messages) == 12, session

    # Topics and entities, and memories of the same meaning. Without the mark the client asks for an extraction.
    def record(record_id, text, user, **more):
        return ClientMemoryRecord(
            id=record_id, text=text, user_id=user, memory_type="semantic", discrete_memory_extracted="t", **more)

    await client.create_long_term_memory([
        record("old", "Eve lives in Porto", "eve"), record("new", "Eve lives in Porto", "eve", topics=["x"]),
    ], deduplicate=False)
    old = await until("topics", lambda: client.get_long_term_memory("old"), lambda old: old.topics)
    assert old.topics == ["home"] and old.entities == ["Porto"], old
    await client.create_long_term_memory([
        record("twin1", "Tim owns a boat", "tim", topics=["boats"]),
        record("twin2", "tim owns a boat", "tim", topics=["sea"]),
    ])
    await client.create_long_term_memory([
        ClientMemoryRecord(
            id="due", text="I drink tea", user_id="ann", memory_type="semantic", topics=["tea"],
            discrete_memory_extracted="f")])
    await until(
        "what comes out of a memory", lambda: extracted("ann"),
        lambda memories: sorted(m.text for m in memories) == ["I drink tea", "User likes tea (discrete)."])

    async def present(record_id):
        try:
            return await client.get_long_term_memory(record_id)
        except MemoryNotFoundError:
            return None

    twin = await until(
        "the union", lambda: present("twin1"), lambda twin: twin and twin.text == "Tim owns a boat.")
    assert await present("twin2") is None and sorted(twin.topics) == ["boats", "sea"], twin

    # A rewritten query.
    found = await client.search_long_term_memory(
        text="where does she live", user_id=UserId(eq="eve"), namespace=Namespace(eq="llm"), optimize_query=True)
    assert found.total == 2, found
    prompt = await client.memory_prompt("where does she live", long_term_search={"limit": 3}, optimize_query=True)
    assert prompt["messages"], prompt

    # Views and tasks.
    view = await client.create_summary_view(
        CreateSummaryViewRequest(
            name="people", source="long_term", group_by=["user_id"], filters={"namespace": "llm"},
            time_window_days=None, continuous=False))
    assert view.name == "people" and view.group_by == ["user_id"] and view.id, view
    assert (await client.get_summary_view(view.id)).id == view.id
    assert await client.get_summary_view("nothing") is None
    assert [v.id for v in await client.list_summary_views()] == [view.id]
    partition = await client.run_summary_view_partition(view.id, {"user_id": "eve"})
    assert partition.summary == "A person who likes tea." and partition.memory_count == 2, partition
    task = await client.run_summary_view(view.id, force=True)
    assert task.status == "pending" and task.view_id == view.id, task
    task = await until("the task", lambda: client.get_task(task.id), lambda task: task.status == "success")
    assert task.completed_at and not task.error_message, task
    assert await client.get_task("nothing") is None
    partitions = await client.list_summary_view_partitions(view.id)
    assert {p.group["user_id"] for p in partitions} >= {"eve", "tim", *strategies}, partitions
    only = await client.list_summary_view_partitions(view.id, user_id="eve")
    assert [p.group["user_id"] for p in only] == ["eve"], only
    assert (await client.delete_summary_view(view.id)).status == "ok"
    assert await client.get_summary_view(view.id) is None
    print("all as expected")


asyncio.run(main(sys.argv[1]))
