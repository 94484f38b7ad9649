"""The user's backend as the bridge calls it: with or without `async`, and only with parameters that its methods have."""

import asyncio
import concurrent.futures
import contextvars
import inspect

from _agent_memory_bridge.failures import CallError

OPERATIONS = (
    "add_memories",
    "search_memories",
    "delete_memories",
    "update_memories",
    "count_memories",
    "list_memories",
)


class Backend:
    """Calls the methods of what the factory returned.

    Methods made by `async def` run in the event loop. Others run on a thread, one at a time, unless the backend says
    `thread_safe = True`.
    """

    def __init__(self, instance):
        self.instance = instance
        self.combined_filters = getattr(instance, "combined_filters", False) is True
        threads = 8 if getattr(instance, "thread_safe", False) is True else 1
        self._executor = concurrent.futures.ThreadPoolExecutor(threads, "backend")
        self._parameters = {name: _parameters(getattr(instance, name)) for name in OPERATIONS}

    def has(self, method):
        return callable(getattr(self.instance, method, None))

    def names(self, method, parameter):
        """Whether the method has a parameter of that name: a promise to honour it."""
        return parameter in self._parameters[method][0]

    def takes(self, method, parameter):
        """Whether the method can be given the argument, if only by its `**kwargs`."""
        names, others = self._parameters[method]
        return others or parameter in names

    async def call(self, name, *arguments, **keywords):
        method = getattr(self.instance, name)
        if inspect.iscoroutinefunction(method):
            return await method(*arguments, **keywords)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        result = await loop.run_in_executor(self._executor, lambda: context.run(method, *arguments, **keywords))
        return await result if inspect.isawaitable(result) else result

    async def number(self, name, most, *arguments, **keywords):
        """The count that a method answers, checked to be from 0 to `most`."""
        count = await self.call(name, *arguments, **keywords)
        if isinstance(count, bool) or not hasattr(count, "__index__"):
            raise CallError("internal_error", f"{name} answered {_kind(count)} instead of a number")
        count = count.__index__()
        if count < 0 or (most is not None and count > most):
            raise CallError("internal_error", f"{name} answered {count}, which cannot be")
        return count

    def end(self):
        self._executor.shutdown(wait=False, cancel_futures=True)


def _kind(value):
    return "None" if value is None else f"a {type(value).__name__}"


def _parameters(method):
    """The names that can be given by keyword, and whether all others are taken, too."""
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return frozenset(), True
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return (
        frozenset(parameter.name for parameter in parameters if parameter.kind in by_name),
        any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters),
    )
