"""RedisVL opens the index that our server has made, and searches it.

    read_index.py REDIS_URL INDEX PREFIX
"""

import sys

import numpy
from redis import Redis
from redisvl.index import SearchIndex
from redisvl.query import CountQuery, FilterQuery, VectorQuery
from redisvl.query.filter import Num, Tag

url, name, prefix = sys.argv[1:4]
redis = Redis.from_url(url)
index = SearchIndex.from_existing(name, redis_client=redis)


def expect(what, got, expected):
    if got != expected:
        raise SystemExit(f"{what}: expected {expected!r}, got {got!r}")


expect("prefix", index.schema.index.prefix.rstrip(":"), prefix)
stored = redis.hget(f"{prefix}:a", "vector")
expect("length of the vector", len(stored), 64 * 4)
vector = numpy.frombuffer(stored, dtype=numpy.float32)
query = VectorQuery(
    vector=vector.tolist(), vector_field_name="vector", return_fields=["id_", "text", "user_id"], num_results=2
)
found = index.query(query)
expect("nearest", [hit["id_"] for hit in found], ["a", "b"])
expect("text", found[0]["text"], "the puppy has a fever")
expect("distance", abs(float(found[0]["vector_distance"])) < 1e-5, True)
query.set_filter(Tag("user_id") == "ben")
expect("with a filter", [hit["id_"] for hit in index.query(query)], ["b"])
expect("topics", index.query(CountQuery(Tag("topics") == "health")), 1)
expect("dates", len(index.query(FilterQuery(filter_expression=Num("created_at") > 0, return_fields=["id_"]))), 2)
print("all as expected")
