"""Stands in for agent_memory_server.llm.embeddings, whose class factories name in their annotations."""

from _agent_memory_bridge.embeddings import Embeddings as LiteLLMEmbeddings

__all__ = ["LiteLLMEmbeddings"]
