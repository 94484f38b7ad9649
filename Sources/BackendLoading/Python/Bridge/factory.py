"""Finds the user's factory, calls it, and looks at what it returned: the backend, or one of four failures."""

import importlib
import inspect
import os
import sys

from _agent_memory_bridge.backend import OPERATIONS
from _agent_memory_bridge.failures import Refusal, bounded, named, users_line

CAPABILITIES = {
    "keyword_search": bool,
    "hybrid_search": bool,
    "server_side_recency": bool,
    "distance_threshold": bool,
    "opaque_bytes": bool,
}
# The methods that keep opaque bytes have a parameter of that name.
KEEPING_BYTES = ("add_memories", "update_memories", "search_memories")
INTERFACE = "agent_memory_server.memory_vector_db.MemoryVectorDatabase"
REFERENCE = ("agent_memory_server", "agent_memory_server.")


async def create(path, embeddings):
    """What the factory at the dotted `path` returns. Raises Refusal."""
    factory = _find(path)
    try:
        inspect.signature(factory).bind(embeddings)
    except TypeError as error:
        raise Refusal("runtime_error", f"{path} cannot be called with one argument, the embeddings: {error}") from None
    except ValueError:
        pass  # A function without a signature, as some that are not written in Python: the call will tell.
    try:
        instance = factory(embeddings)
        if inspect.isawaitable(instance):
            instance = await instance
    except (Exception, SystemExit) as error:
        raise Refusal("runtime_error", f"{path} raised {_told(error)}") from error
    missing = [name for name in OPERATIONS if not callable(getattr(instance, name, None))]
    if isinstance(instance, type):
        raise Refusal("invalid_return_type", f"{path} returned the class {instance.__name__} instead of an instance of it")
    if missing:
        raise Refusal("invalid_return_type", _wrong_type(path, instance, missing))
    return instance


def description(instance, backend):
    """The description of the backend for the server. Raises Refusal if the backend's own `capabilities` are invalid."""
    name, version = getattr(instance, "name", None), getattr(instance, "version", None)
    declared = getattr(instance, "capabilities", None)
    if declared is None:
        declared = {
            "keyword_search": backend.names("search_memories", "search_mode"),
            "hybrid_search": backend.names("search_memories", "search_mode"),
            "server_side_recency": backend.names("search_memories", "server_side_recency"),
            "distance_threshold": backend.names("search_memories", "distance_threshold"),
        }
        if all(backend.names(method, "opaque_bytes") for method in KEEPING_BYTES):
            declared["opaque_bytes"] = True
    capabilities = _checked(declared, type(instance).__name__)
    if capabilities.get("opaque_bytes"):
        lacking = [method for method in KEEPING_BYTES if not backend.takes(method, "opaque_bytes")]
        if lacking:
            raise Refusal("invalid_return_type", f"{', '.join(lacking)} has no opaque_bytes, which the capabilities declare")
    return {
        "name": name if isinstance(name, str) and name else type(instance).__name__,
        "version": version if isinstance(version, str) else None,
        "capabilities": capabilities,
    }


def _checked(declared, name):
    known = [*CAPABILITIES, "text_scorers"]
    if not isinstance(declared, dict):
        raise Refusal("invalid_return_type", f"{name}.capabilities is a {type(declared).__name__} instead of a dictionary")
    for key, value in declared.items():
        if key not in known:
            raise Refusal("invalid_return_type", f"{name}.capabilities has {key!r}; known are {', '.join(known)}")
        scorers = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
        if not (isinstance(value, bool) if key in CAPABILITIES else scorers):
            wanted = "True or False" if key in CAPABILITIES else "a list of strings"
            raise Refusal("invalid_return_type", f"{name}.capabilities[{key!r}] is {bounded(repr(value))} instead of {wanted}")
    return {key: list(value) if key == "text_scorers" else value for key, value in declared.items()}


def _find(path):
    module_name, _, attribute = path.rpartition(".")
    if not module_name or not all(path.split(".")):
        raise Refusal("import_error", f"{path!r} does not name a module and a function in it, such as my_backends.create")
    # A class may stand between the module and the function: my_package.adapters.CustomDB.create.
    names, module = [attribute], None
    while module is None:
        module = _imported(module_name, last="." not in module_name)
        if module is None:
            module_name, _, name = module_name.rpartition(".")
            names.insert(0, name)
    if len(names) > 1 and not hasattr(module, names[0]):
        _imported(f"{module_name}.{names[0]}", last=True)
    found, place = module, module_name
    for name in names:
        if not hasattr(found, name):
            raise Refusal("function_not_found", f"{place} has no {name!r}{_suggestions(found)}")
        found, place = getattr(found, name), f"{place}.{name}"
    if not callable(found):
        raise Refusal("function_not_found", f"{path} is a {type(found).__name__}, not a function{_suggestions(module)}")
    return found


def _imported(name, last):
    """The module; None if there is none of that name and it is not the `last` one to be tried."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            if not last:
                return None
            raise Refusal("import_error", _nowhere(error.name)) from error
        raise Refusal("import_error", _dependency(name, error)) from error
    except ImportError as error:
        raise Refusal("import_error", f"{name} cannot be imported: {_told(error)}") from error
    except SyntaxError as error:
        file = os.path.basename(error.filename or name)
        line = f": `{error.text.strip()}`" if error.text else ""
        raise Refusal("import_error", f"{name} is no valid Python: {error.msg} ({file}, line {error.lineno}){line}") from error
    except (Exception, SystemExit) as error:
        raise Refusal("runtime_error", f"importing {name} raised {_told(error)}") from error


def _nowhere(name):
    places = ", ".join(f"{os.getcwd()} (the working directory)" if place == "" else place for place in sys.path)
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"there is no module {name!r}. Python {version} ({sys.executable}) looked in {places}. "
        "Name the folder that holds it in PYTHONPATH, or install it for this Python."
    )


def _dependency(module, error):
    line = users_line(error)
    place = f" ({line})" if line else ""
    if error.name and error.name.startswith(REFERENCE):
        return (
            f"{module} needs {error.name}{place}. Of the reference's package only what backends are written against is here: "
            f"memory_vector_db, models, filters. For the rest, install that package for {sys.executable}."
        )
    package = (error.name or "").partition(".")[0]
    advice = f": `{sys.executable} -m pip install {package}`, if the package has that name" if package else ""
    return f"{module} needs the module {error.name!r}{place}, which is not installed for this Python{advice}."


def _suggestions(place):
    words = ("create", "backend", "factory")
    found = [
        name
        for name, value in vars(place).items()
        if not name.startswith("_") and callable(value) and any(word in name.lower() for word in words)
    ]
    return f"; it has {', '.join(found[:10])}" if found else "; nothing in it looks like a factory"


def _wrong_type(path, instance, missing):
    if instance is None:
        return f"{path} returned None: is a `return` missing? It must return an instance of a subclass of {INTERFACE}."
    return (
        f"{path} returned a {type(instance).__name__}, which lacks {', '.join(missing)}: "
        f"it must return an instance of a subclass of {INTERFACE}."
    )


def _told(error):
    line = users_line(error)
    return f"{named(error)} ({line})" if line else named(error)
