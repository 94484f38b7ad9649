"""The official Python client as agents use it: its LangChain tools, and ids with slashes, which it sends as they are."""

import asyncio
import sys
import warnings
from datetime import datetime, timezone

warnings.simplefilter("ignore")

from agent_memory_client import MemoryAPIClient, MemoryClientConfig
from agent_memory_client.exceptions import MemoryNotFoundError
from agent_memory_client.integrations.langchain import get_memory_tools
from agent_memory_client.models import ClientMemoryRecord, MemoryMessage


async def tools(client):
    """Some tools name the user and some do not, so that two sessions come to share an id."""
    by_name = {tool.name: tool for tool in get_memory_tools(client, session_id="talk", user_id="ann")}

    async def use(name, **arguments):
        return await by_name[name].ainvoke(arguments)

    for round in range(2):
        stored = await use("lazily_create_long_term_memory", text=f"Ann loves tea {round}", memory_type="semantic")
        assert stored.startswith("Successfully stored"), stored
        state = await use("get_or_create_working_memory")
        assert "messages" in state and "rror" not in state, state
        updated = await use("update_working_memory_data", data={"round": round})
        assert updated.startswith("Successfully updated"), updated
    plain = await client.get_working_memory("talk")
    assert (plain.user_id, len(plain.memories), plain.data) == (None, 2, {"round": 1}), plain
    assert (await client.get_working_memory("talk", user_id="ann")).memories == []

    created = await use("eagerly_create_long_term_memory", memories=[{"text": "Ann plays chess", "memory_type": "semantic"}])
    assert "1" in created, created
    found = await use("search_memory", query="chess", user_id="ann")
    assert "Ann plays chess" in found or "Found" in found, found

    await client.delete_working_memory("talk")
    assert (await client.get_working_memory("talk")).user_id == "ann"


async def slashes(client):
    message = MemoryMessage(role="user", content="hello", created_at=datetime.now(timezone.utc))
    for session_id in ("team/a", "team/a/messages", "a//b", "/a", "w\u00f6rk/1 2"):
        created, _ = await client.get_or_create_working_memory(session_id, user_id="ann")
        assert created, session_id
        memory = await client.append_messages_to_working_memory(session_id, [message], user_id="ann")
        assert (memory.session_id, len(memory.messages)) == (session_id, 1), memory
        await client.delete_working_memory(session_id, user_id="ann")
        try:
            await client.get_working_memory(session_id, user_id="ann")
            raise AssertionError(f"the session {session_id} is there")
        except MemoryNotFoundError:
            pass
    for memory_id in ("docs/a", "search/x", "docs//b"):
        await client.create_long_term_memory([ClientMemoryRecord(id=memory_id, text=f"text of {memory_id}")])
        assert (await client.get_long_term_memory(memory_id)).text == f"text of {memory_id}"
        assert (await client.edit_long_term_memory(memory_id, {"text": "new"})).text == "new"
        await client.delete_long_term_memories([memory_id])
        try:
            await client.get_long_term_memory(memory_id)
            raise AssertionError(f"the record {memory_id} is there")
        except MemoryNotFoundError:
            pass


async def main(url):
    client = MemoryAPIClient(MemoryClientConfig(base_url=url, timeout=60))
    await tools(client)
    await slashes(client)
    print("all as expected")


asyncio.run(main(sys.argv[1]))
