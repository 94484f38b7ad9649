"""Stands in for agent_memory_server.memory_vector_db: the class that backends derive from."""

import re
from abc import ABC, abstractmethod

from _agent_memory_bridge.records import hash_of
from _agent_memory_bridge.recency import reranked
from agent_memory_server.models import SearchModeEnum


class MemoryVectorDatabase(ABC):
    """Six operations over memories. What they mean is the server's contract; README.md says what is called when."""

    @abstractmethod
    async def add_memories(self, memories):
        """Stores records; the same id replaces. Returns their ids."""

    @abstractmethod
    async def search_memories(
        self,
        query,
        search_mode=SearchModeEnum.SEMANTIC,
        hybrid_alpha=0.7,
        text_scorer="BM25STD",
        session_id=None,
        user_id=None,
        namespace=None,
        created_at=None,
        last_accessed=None,
        topics=None,
        entities=None,
        memory_type=None,
        extraction_strategy=None,
        event_date=None,
        memory_hash=None,
        id=None,
        discrete_memory_extracted=None,
        distance_threshold=None,
        server_side_recency=None,
        recency_params=None,
        limit=10,
        offset=0,
    ):
        """The matching records, best first, as MemoryRecordResults. An implementation has the parameters that it honours."""

    @abstractmethod
    async def delete_memories(self, memory_ids):
        """Removes records. Returns how many there were."""

    @abstractmethod
    async def update_memories(self, memories):
        """Replaces records that are there by whole new ones. Returns how many."""

    @abstractmethod
    async def count_memories(self, namespace=None, user_id=None, session_id=None):
        """How many records have these values; None: any."""

    @abstractmethod
    async def list_memories(
        self,
        session_id=None,
        user_id=None,
        namespace=None,
        created_at=None,
        last_accessed=None,
        topics=None,
        entities=None,
        memory_type=None,
        extraction_strategy=None,
        event_date=None,
        memory_hash=None,
        id=None,
        discrete_memory_extracted=None,
        limit=10,
        offset=0,
    ):
        """The matching records as MemoryRecordResults, newest first by created_at, then by id."""

    def generate_memory_hash(self, memory):
        """The hash of the record's text and scope (rule R8)."""
        return hash_of(memory)

    def _parse_list_field(self, field_value):
        if isinstance(field_value, str):
            field_value = re.split("[,|]", field_value)
        return [text for text in (str(item).strip() for item in field_value or []) if text]

    def _apply_client_side_recency_reranking(self, memory_results, recency_params):
        return reranked(memory_results, recency_params or {})
