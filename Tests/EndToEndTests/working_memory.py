"""What users of the official Python client do with working memory and prompts."""

import asyncio
import sys
import warnings
from datetime import datetime, timezone

warnings.simplefilter("ignore")

from agent_memory_client import MemoryAPIClient, MemoryClientConfig
from agent_memory_client.exceptions import MemoryNotFoundError
from agent_memory_client.models import ClientMemoryRecord, MemoryMessage, WorkingMemory

WRITERS = 100


def message(text, role="user"):
    return MemoryMessage(role=role, content=text, created_at=datetime.now(timezone.utc))


async def main(url):
    client = MemoryAPIClient(MemoryClientConfig(base_url=url, timeout=60, default_namespace="e2e"))

    created, memory = await client.get_or_create_working_memory("talk", user_id="ann")
    assert created and memory.messages == []
    created, _ = await client.get_or_create_working_memory("talk", user_id="ann")
    assert not created
    for number in range(3):
        memory = await client.append_messages_to_working_memory(
            "talk", [message(f"message {number}")], user_id="ann"
        )
    assert [m.content for m in memory.messages] == ["message 0", "message 1", "message 2"]
    memory = await client.get_working_memory("talk", user_id="ann", context_window_max=8)
    assert [m.content for m in memory.messages] == ["message 2"], memory.messages
    assert memory.context_percentage_total_used > 0

    await client.set_working_memory_data("talk", {"a": 1})
    await client.update_working_memory_data("talk", {"b": {"c": 2}}, user_id="ann")
    memory = await client.get_working_memory("talk", user_id="ann")
    assert memory.data == {"a": 1, "b": {"c": 2}}, memory.data
    assert len(memory.messages) == 3

    # Structured memories go to long-term memory by themselves.
    await client.add_memories_to_working_memory(
        "talk", [ClientMemoryRecord(id="tea", text="Ann loves green tea", memory_type="semantic")]
    )
    for _ in range(600):
        try:
            record = await client.get_long_term_memory("tea")
            memory = await client.get_working_memory("talk", user_id="ann")
            if memory.memories[0].persisted_at:
                break
        except MemoryNotFoundError:
            pass
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the memory was not promoted")
    assert (record.user_id, record.namespace, record.session_id) == ("ann", "e2e", "talk"), record

    prompt = await client.memory_prompt(
        "green tea", session_id="talk", user_id="ann", long_term_search={"limit": 5}
    )
    texts = [m["content"]["text"] for m in prompt["messages"]]
    assert texts[:3] == ["message 0", "message 1", "message 2"], texts
    assert "Ann loves green tea (ID: tea)" in texts[3] and texts[4] == "green tea", texts
    assert [m["id"] for m in prompt["long_term_memories"]] == ["tea"]

    # Many writers that append at once, the first of them to a session that is not there.
    errors = []

    async def write(number):
        try:
            await client.append_messages_to_working_memory(
                "crowd", [message(f"writer {number}")], user_id="ann"
            )
        except Exception as error:
            errors.append((number, error))

    await asyncio.gather(*(write(number) for number in range(WRITERS)))
    memory = await client.get_working_memory("crowd", user_id="ann")
    stored = sorted(m.content for m in memory.messages)
    assert not errors, errors[:3]
    assert stored == sorted(f"writer {number}" for number in range(WRITERS)), len(stored)

    await client.put_working_memory(
        "brief", WorkingMemory(session_id="brief", namespace="e2e", messages=[message("x")], ttl_seconds=1)
    )
    sessions = await client.list_sessions(limit=100)
    assert set(sessions.sessions) >= {"talk", "crowd"}, sessions
    assert sessions.total == len(sessions.sessions)
    for _ in range(200):
        try:
            await client.get_working_memory("brief")
        except MemoryNotFoundError:
            break
        await asyncio.sleep(0.05)
    else:
        raise AssertionError("the session outlived its time to live")
    assert "brief" not in (await client.list_sessions(limit=100)).sessions

    await client.delete_working_memory("talk", user_id="ann")
    try:
        await client.get_working_memory("talk", user_id="ann")
        raise AssertionError("the deleted session is there")
    except MemoryNotFoundError:
        pass
    print("all as expected")


asyncio.run(main(sys.argv[1]))
