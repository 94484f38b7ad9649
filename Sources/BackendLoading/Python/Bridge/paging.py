"""Pages with exact totals, from backends that may count only what they have fetched (as the reference's do)."""

import asyncio
import logging

from _agent_memory_bridge.failures import CallError

LARGE_PAGE = 1000
logger = logging.getLogger("agent-memory")


async def page(fetch, limit, offset):
    """The items of a page, and what the backend says how many there are in all.

    `fetch(limit, offset)` gives the items of a page and what is said to be the total.
    """
    items = []
    while True:
        found, said = await fetch(limit - len(items), offset + len(items))
        items += found
        if not found or len(items) >= limit or said <= offset + len(items):
            return items, said


async def exact_total(fetch, limit, offset, count, said, name):
    """How many there are in all, given a page of `count` items and what the backend said.

    A total beyond the page is believed. One that ends with the page, or is 0, may be no more than what was fetched: where the
    page is full, the next item is asked for, and if there is one, all are counted.
    """
    end = offset + count
    if said > end or (count == 0 and 0 < said < offset):
        return said
    if count == 0:
        at_the_end = offset == 0 or (await fetch(1, offset - 1))[0]
        return offset if at_the_end else await _counted(fetch, 0, name)
    if count < limit or not (await fetch(1, end))[0]:
        return end
    logger.warning("%s answers as total how many it fetched: all pages are read to count them, which is slow", name)
    return await _counted(fetch, end, name)


async def _counted(fetch, offset, name):
    first = None
    while True:
        found, _ = await fetch(LARGE_PAGE, offset)
        if not found:
            return offset
        if found[0] == first:
            raise CallError("internal_error", f"{name} gives the same page whatever the offset is")
        first = found[0]
        offset += len(found)
        await asyncio.sleep(0)  # A backend that never waits would not let a cancellation in.
