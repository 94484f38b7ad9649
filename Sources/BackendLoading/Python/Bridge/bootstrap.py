"""The text of `python3 -c`: takes the program's modules from the socket (file descriptor 3), makes them importable, runs it."""

import importlib
import importlib.machinery
import json
import linecache
import os
import sys


def read(count):
    data = b""
    while len(data) < count:
        part = os.read(3, count - len(data))
        if not part:
            os._exit(0)  # The server has ended.
        data += part
    return data


class Modules:
    """Comes after all other importers: an installed agent_memory_server is used rather than the stand-in (shim_*)."""

    def __init__(self, sources):
        names = {"_agent_memory_bridge": None, "agent_memory_server": None, "agent_memory_server.llm": None}
        for name in sources:
            shim = name.removeprefix("shim_").replace("__", ".") if name.startswith("shim_") else None
            names[f"agent_memory_server.{shim}" if shim else f"_agent_memory_bridge.{name}"] = name
        self.names, self.sources = names, sources

    def find_spec(self, name, path=None, target=None):
        parent = sys.modules.get(name.partition(".")[0])
        if name not in self.names or (parent and getattr(parent, "__loader__", None) is not self):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=self.names[name] is None)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if name := self.names[module.__name__]:
            file, source = f"<agent-memory/{name}.py>", self.sources[name]
            linecache.cache[file] = (len(source), None, source.splitlines(True), file)
            exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)


os.closerange(4, os.sysconf("SC_OPEN_MAX"))  # Whatever the server forgot to close: a socket or pipe held open here would keep others waiting.
os.set_blocking(3, True)
if sys.version_info < (3, 10):
    message = f"Python 3.10 or later is needed, and {sys.executable} is {sys.version.split()[0]}"
    frame = json.dumps({"type": "refused", "failure": "import_error", "message": message}).encode()
    os.write(3, len(frame).to_bytes(4, "little") + frame)
    sys.exit(1)
start = json.loads(read(int.from_bytes(read(4), "little")))
sys.meta_path.append(Modules(start["modules"]))
importlib.import_module(f"_agent_memory_bridge.{start['main']}").main(3)
