"""A memory vector database in Python: brute force over all records, in memory, gone with the process.

    MEMORY_VECTOR_DB_FACTORY=python:my_backends.create_my_backend PYTHONPATH=Examples/python-backend agent-memory api
"""

import math
from datetime import datetime, timezone
from operator import mul

from agent_memory_server.memory_vector_db import MemoryVectorDatabase
from agent_memory_server.models import (
    MemoryRecord,
    MemoryRecordResult,
    MemoryRecordResults,
    SearchScoreTypeEnum,
)

FILTERS = (
    "session_id",
    "user_id",
    "namespace",
    "created_at",
    "last_accessed",
    "topics",
    "entities",
    "memory_type",
    "extraction_strategy",
    "event_date",
    "memory_hash",
    "id",
    "discrete_memory_extracted",
)
LATEST = datetime.max.replace(tzinfo=timezone.utc)


class BruteForceDatabase(MemoryVectorDatabase):
    """Every search looks at every record. Writes have no `await` in them, so readers see whole calls."""

    name = "brute force in Python"
    version = "1.0"
    # The filters are read by their `matches`, which applies all that is in them.
    combined_filters = True

    def __init__(self, embeddings):
        self._embeddings = embeddings
        # By id: the record and its vector, of length 1.
        self._stored: dict[str, tuple[MemoryRecord, list[float]]] = {}

    async def add_memories(self, memories: list[MemoryRecord]) -> list[str]:
        vectors = await self._embeddings.aembed_documents([memory.text for memory in memories])
        for memory, vector in zip(memories, vectors):
            self._stored[memory.id] = (memory, unit(vector))
        return [memory.id for memory in memories]

    async def search_memories(
        self, query: str, distance_threshold: float | None = None, limit: int = 10, offset: int = 0, **filters
    ) -> MemoryRecordResults:
        wanted = unit(await self._embeddings.aembed_query(query))
        found = []
        for memory, vector in self._matching(filters):
            distance = max(0.0, 1 - sum(map(mul, wanted, vector)))
            if distance_threshold is None or distance <= distance_threshold:
                found.append((distance, memory))
        found.sort(key=lambda hit: (hit[0], hit[1].id.encode()))
        return page(found, limit, offset, ranked=True)

    async def list_memories(self, limit: int = 10, offset: int = 0, **filters) -> MemoryRecordResults:
        found = [(0.0, memory) for memory, _ in self._matching(filters)]
        found.sort(key=lambda hit: (LATEST - hit[1].created_at, hit[1].id.encode()))
        return page(found, limit, offset, ranked=False)

    async def count_memories(
        self, namespace: str | None = None, user_id: str | None = None, session_id: str | None = None
    ) -> int:
        wanted = {"namespace": namespace, "user_id": user_id, "session_id": session_id}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return sum(
            all(getattr(memory, name) == value for name, value in wanted.items()) for memory, _ in self._stored.values()
        )

    async def delete_memories(self, memory_ids: list[str]) -> int:
        return sum(self._stored.pop(memory_id, None) is not None for memory_id in memory_ids)

    async def update_memories(self, memories: list[MemoryRecord]) -> int:
        # Only new texts are embedded, and before anything is written.
        changed = [memory for memory in memories if self._text(memory.id) not in (None, memory.text)]
        vectors = await self._embeddings.aembed_documents([memory.text for memory in changed])
        new = {memory.id: unit(vector) for memory, vector in zip(changed, vectors)}
        count = 0
        for memory in memories:
            if memory.id in self._stored:
                self._stored[memory.id] = (memory, new.get(memory.id, self._stored[memory.id][1]))
                count += 1
        return count

    def _text(self, memory_id):
        return self._stored[memory_id][0].text if memory_id in self._stored else None

    def _matching(self, filters):
        given = {name: filters[name] for name in FILTERS if filters.get(name) is not None}
        return [
            (memory, vector)
            for memory, vector in self._stored.values()
            if all(condition.matches(getattr(memory, name)) for name, condition in given.items())
        ]


def unit(vector):
    length = math.sqrt(sum(map(mul, vector, vector)))
    return [number / length for number in vector]


def page(found, limit, offset, ranked):
    """A page of pairs of a distance and a record; the total is that of all pages."""
    memories = [
        MemoryRecordResult(
            **memory.model_dump(),
            dist=distance,
            score=max(0.0, 1 - distance) if ranked else None,
            score_type=SearchScoreTypeEnum.SEMANTIC if ranked else None,
        )
        for distance, memory in found[offset : offset + limit]
    ]
    end = offset + len(memories)
    return MemoryRecordResults(memories=memories, total=len(found), next_offset=end if end < len(found) else None)


def create_my_backend(embeddings) -> MemoryVectorDatabase:
    """The factory."""
    metric = getattr(embeddings, "distance_metric", "COSINE")
    if metric != "COSINE":
        raise ValueError(f"this backend measures distances by COSINE only, and {metric} is configured")
    return BruteForceDatabase(embeddings)
