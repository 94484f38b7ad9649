"""The rank value of rule S7: similarity and age."""

from datetime import datetime, timezone

from _agent_memory_bridge.matching import in_utc

DEFAULTS = {
    "semantic_weight": 0.8,
    "recency_weight": 0.2,
    "freshness_weight": 0.6,
    "novelty_weight": 0.4,
    "half_life_last_access_days": 7.0,
    "half_life_created_days": 30.0,
}


def score(distance, last_accessed, created_at, parameters, now, metric="COSINE"):
    """The rank value of a result; what `parameters` lacks has its default."""
    given = {name: float(parameters.get(name, default)) for name, default in DEFAULTS.items()}
    freshness = _remaining(last_accessed, now, given["half_life_last_access_days"])
    novelty = _remaining(created_at, now, given["half_life_created_days"])
    recency = given["freshness_weight"] * freshness + given["novelty_weight"] * novelty
    similarity = 1 / (1 + max(0.0, distance)) if metric == "L2" else min(1.0, max(0.0, 1 - distance / 2))
    return given["semantic_weight"] * similarity + given["recency_weight"] * recency


def reranked(memories, parameters):
    """The results by their rank value, best first."""
    now = datetime.now(timezone.utc)

    def rank(memory):
        value = score(float(memory.dist), memory.last_accessed, memory.created_at, parameters, now)
        return -value, memory.id.encode()

    return sorted(memories, key=rank)


def _remaining(date, now, half_life):
    days = max(0.0, (now - in_utc(date)).total_seconds() / 86_400)
    return 2.0 ** -min(days / half_life, 1074.0)
