"""The operations of a request, carried out by the methods of the reference's interface."""

import base64
import binascii
from datetime import datetime, timezone

from _agent_memory_bridge import recency
from _agent_memory_bridge.busy_records import BusyRecords
from _agent_memory_bridge.conditions import Filter
from _agent_memory_bridge.failures import CallError
from _agent_memory_bridge.paging import exact_total, page
from _agent_memory_bridge.records import date_of, number_of, record_of, updated, values_of

IDS_AT_ONCE = 1000
COUNTED_FIELDS = frozenset(("namespace", "user_id", "session_id"))
HEALTHY = [{"component": "store", "reason": None, "version": None}]


class Operations:
    """Each operation takes the request of the schema and gives its answer."""

    NAMES = frozenset(("prepare", "add", "search", "list", "count", "remove", "update", "health", "drop"))

    def __init__(self, backend, metric):
        self._backend = backend
        self._metric = metric
        self._busy = BusyRecords()

    async def perform(self, name, request):
        if name not in self.NAMES:
            raise CallError("unsupported", f"there is no operation {name}")
        return await getattr(self, name)(request)

    async def prepare(self, request):
        if self._backend.has("prepare"):
            await self._backend.call("prepare")
        return {}

    async def drop(self, request):
        if not self._backend.has("drop"):
            raise CallError("unsupported", "the backend has no drop()")
        await self._backend.call("drop")
        return {}

    async def health(self, request):
        if not self._backend.has("health"):
            return {"components": HEALTHY}
        found = await self._backend.call("health")
        components = found.get("components") if isinstance(found, dict) else found
        if not isinstance(components, list) or not components:
            raise CallError("internal_error", 'health must answer a list of {"component", "reason", "version"}')
        return {"components": components}

    async def add(self, request):
        # Of an id that is there twice the last record counts (rule R2).
        last = {values["id"]: values for values in request["records"]}
        given = _bytes_given(last.values())
        async with self._busy.holding(last):
            ids = await self._backend.call("add_memories", [record_of(values) for values in last.values()], **given)
        if not isinstance(ids, (list, tuple)) or len(ids) != len(last):
            count = len(ids) if isinstance(ids, (list, tuple)) else "no list of"
            raise CallError("internal_error", f"add_memories answered {count} ids for {len(last)} records")
        return {"ids": [values["id"] for values in request["records"]]}

    async def remove(self, request):
        ids = list(dict.fromkeys(request["ids"]))
        if not ids:
            return {"deleted": 0}
        async with self._busy.holding(ids):
            return {"deleted": await self._backend.number("delete_memories", len(ids), ids)}

    async def update(self, request):
        updates = request["updates"]
        ids = list(dict.fromkeys(update["id"] for update in updates))
        async with self._busy.holding(ids):
            stored = await self._read(ids)
            changed, written, renewed = {}, set(), {}
            for update in updates:
                key = update["id"]
                before = changed.get(key, stored.get(key))
                after = updated(before, update) if before else None
                if after is not None:
                    changed[key] = after
                    if update["set"] or update["access"]:
                        written.add(key)
                    if "opaque_bytes" in update:
                        renewed[key] = update
            count = len(changed)
            if written:
                records = [record_of(changed[key]) for key in changed if key in written]
                # Those that are not named keep their bytes.
                given = _bytes_given(renewed.values())
                count += await self._backend.number("update_memories", len(records), records, **given) - len(records)
        return {"updated": count}

    async def count(self, request):
        return {"count": await self._count(Filter(request["filter"]))}

    async def list(self, request):
        condition = Filter(request["filter"])
        if condition.matches_nothing:
            return {"records": [], "total": 0}
        limit, offset = request["limit"], request["offset"]
        fetch = self._listing(condition)
        memories, said = await page(fetch, limit, offset)
        total = await exact_total(fetch, limit, offset, len(memories), said, "list_memories")
        return {"records": memories, "total": total}

    async def search(self, request):
        condition, ranking = Filter(request["filter"]), request["ranking"]
        if condition.matches_nothing:
            return {"hits": [], "total": 0}
        limit, offset = request["limit"], request["offset"]
        fetch = self._searching(request["text"], ranking, condition, request.get("opaque_bytes") is True)
        hits, said = await page(fetch, limit, offset)
        end = offset + len(hits)
        ranks_all = ranking["mode"].startswith("semantic") and ranking.get("distance_threshold") is None
        if ranks_all and said <= end and (len(hits) == limit or (not hits and said in (0, offset) and offset > 0)):
            # The total may be what was fetched. Every record that matches is a hit, and counting asks for no embedding.
            total = max(end if hits else 0, await self._count(condition))
        else:
            total = await exact_total(fetch, limit, offset, len(hits), said, "search_memories")
        return {"hits": hits, "total": total}

    async def _count(self, condition):
        if condition.matches_nothing:
            return 0
        values = condition.equalities()
        if values is not None and COUNTED_FIELDS.issuperset(values):
            if all(self._backend.takes("count_memories", field) for field in values):
                return await self._backend.number("count_memories", None, **values)
        fetch = self._listing(condition)
        memories, said = await page(fetch, 1, 0)
        return await exact_total(fetch, 1, 0, len(memories), said, "list_memories")

    async def _read(self, ids):
        """The stored records in JSON, by id."""
        stored = {}
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = ids[start : start + IDS_AT_ONCE]
            tag = {"all": [], "any": [some], "none": [], "startswith": None}
            fetch = self._listing(Filter({"tags": {"id": tag}, "dates": {}}))
            stored.update({values["id"]: values for values in (await page(fetch, len(some), 0))[0]})
        return stored

    def _listing(self, condition):
        arguments = self._filters(condition, "list_memories")

        async def fetch(limit, offset):
            memories, total = await self._fetched("list_memories", (), arguments, limit, offset)
            records = [values_of(memory, "list_memories") for memory in memories]
            for values in records:
                condition.check(values, "list_memories")
            return records, total

        return fetch

    def _searching(self, text, ranking, condition, with_bytes):
        arguments = self._filters(condition, "search_memories") | self._ranking(ranking)
        if with_bytes:
            arguments["opaque_bytes"] = True
        now = datetime.now(timezone.utc)

        async def fetch(limit, offset):
            memories, total = await self._fetched("search_memories", (text,), arguments, limit, offset)
            hits = [self._hit(memory, ranking, now) for memory in memories]
            if with_bytes:
                for hit, memory in zip(hits, memories):
                    hit["opaque_bytes"] = _bytes_answered(memory)
            for hit in hits:
                condition.check(hit["record"], "search_memories")
            return hits, total

        return fetch

    def _filters(self, condition, method):
        backend = self._backend
        return condition.arguments(method, lambda field: backend.takes(method, field), backend.combined_filters)

    def _ranking(self, ranking):
        """The parameters of a search in addition to its text and filters. Undeclared capabilities are never requested."""
        from agent_memory_server.models import SearchModeEnum

        mode = ranking["mode"].removesuffix("_with_recency")
        given = {}
        if mode != "semantic" or self._backend.names("search_memories", "search_mode"):
            given["search_mode"] = SearchModeEnum(mode)
        if ranking.get("distance_threshold") is not None:
            given["distance_threshold"] = float(ranking["distance_threshold"])
        if mode == "hybrid":
            given["hybrid_alpha"] = float(ranking["alpha"])
        if "scorer" in ranking and self._backend.takes("search_memories", "text_scorer"):
            given["text_scorer"] = ranking["scorer"]
        if ranking["mode"] == "semantic_with_recency":
            given["server_side_recency"] = True
            given["recency_params"] = {name: float(ranking[name]) for name in recency.DEFAULTS}
        for name in given:
            if not self._backend.takes("search_memories", name):
                raise CallError("unsupported", f"search_memories has no {name}", [name])
        return given

    async def _fetched(self, method, positional, arguments, limit, offset):
        """The memories of a page, and what is said to be the total. Where the method does not name an offset, the pages before
        are fetched with it and cut off."""
        if self._backend.names(method, "offset"):
            results = await self._backend.call(method, *positional, **arguments, limit=limit, offset=offset)
            skipped = 0
        else:
            results = await self._backend.call(method, *positional, **arguments, limit=limit + offset)
            skipped = offset
        memories, total = getattr(results, "memories", None), getattr(results, "total", None)
        if not isinstance(memories, (list, tuple)):
            raise CallError("internal_error", f"{method} answered a {type(results).__name__} without a list of memories")
        known = isinstance(total, int) and not isinstance(total, bool)
        return list(memories[skipped : skipped + limit]), total if known else 0

    def _hit(self, memory, ranking, now):
        values = values_of(memory, "search_memories")
        hit = {"record": values}
        distance = number_of(getattr(memory, "dist", None), "dist")
        score = number_of(getattr(memory, "score", None), "score")
        if distance is not None:
            hit["distance"] = distance
        elif ranking["mode"].startswith("semantic"):
            raise CallError("internal_error", "search_memories answered a record without dist")
        if ranking["mode"] == "semantic_with_recency":
            # The reference's backends give the similarity as score here; the rank value is what rule S7 asks for.
            dates = date_of(values["last_accessed"]), date_of(values["created_at"])
            hit["score"] = recency.score(distance, *dates, ranking, now, self._metric)
        elif ranking["mode"] != "semantic":
            if score is None and distance is None:
                raise CallError("internal_error", "search_memories answered a record without score")
            hit["score"] = min(1.0, max(0.0, 1 - distance if score is None else score))
        return hit


def _bytes_given(items):
    """The argument with the opaque bytes, by id, of the items that have the member; none where no item has it."""
    given = {item["id"]: item["opaque_bytes"] for item in items if "opaque_bytes" in item}
    if not given:
        return {}
    return {"opaque_bytes": {key: None if text is None else base64.b64decode(text) for key, text in given.items()}}


def _bytes_answered(memory):
    """The opaque bytes of a found memory as the server reads them."""
    value = getattr(memory, "opaque_bytes", None)
    if value is None:
        return None
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise CallError("internal_error", f"search_memories answered opaque_bytes that are a {type(value).__name__}")
    return binascii.b2a_base64(value, newline=False).decode()
