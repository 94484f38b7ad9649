"""How a start ends: the backend's description, or one of four failures with a message to act on."""

import pathlib
import sys
import tempfile
import unittest

from server import Server

WHOLE = """
from agent_memory_server.memory_vector_db import MemoryVectorDatabase

class Whole(MemoryVectorDatabase):
    async def add_memories(self, memories): return [memory.id for memory in memories]
    async def search_memories(self, query, limit=10, **kwargs): ...
    async def delete_memories(self, memory_ids): return 0
    async def update_memories(self, memories): return 0
    async def count_memories(self, **filter_kwargs): return 0
    async def list_memories(self, offset=0, limit=100, **filter_kwargs): ...
"""


class FailureTests(unittest.TestCase):
    def refused(self, source, factory=None, **options):
        with Server(factory, source, **options) as server:
            failure, message = server.refused()
            self.logs = server.logs
        return failure, message

    def expect(self, failure, source, *parts, factory=None, **options):
        got, message = self.refused(source, factory, **options)
        self.assertEqual(got, failure, message)
        for part in parts:
            self.assertIn(part, message)

    def test_opaque_bytes_without_a_place_for_them(self):
        source = WHOLE + "    capabilities = {'opaque_bytes': True}\ndef create_my_backend(embeddings): return Whole()\n"
        self.expect("invalid_return_type", source, "add_memories, update_memories has no opaque_bytes")

    def test_no_such_module(self):
        self.expect(
            "import_error", WHOLE, "there is no module 'nobodys_backends'", sys.executable, "PYTHONPATH",
            "(the working directory)", factory="nobodys_backends.create",
        )
        self.expect("import_error", WHOLE, "there is no module 'my_backends.more'", factory="my_backends.more.create")

    def test_no_path(self):
        for path in ("create", "", ".create", "my_backends..create"):
            self.expect("import_error", WHOLE, "does not name a module", factory=path)

    def test_missing_dependency(self):
        self.expect(
            "import_error", "\nimport nobodys_driver.client\n", "needs the module 'nobodys_driver'", "my_backends.py, line 2",
            "-m pip install nobodys_driver",
        )
        self.assertIn("Traceback", self.logs[0]["message"])

    def test_missing_part_of_the_reference(self):
        self.expect(
            "import_error", "from agent_memory_server.config import settings", "needs agent_memory_server.config",
            "memory_vector_db, models, filters",
        )

    def test_name_that_a_module_lacks(self):
        self.expect("import_error", "from json import nothing", "cannot import name 'nothing'", "my_backends.py, line 1")

    def test_syntax_error(self):
        self.expect("import_error", "a = 1\ndef f(:\n", "no valid Python", "my_backends.py, line 2", "`def f(:`")

    def test_error_at_import(self):
        self.expect("runtime_error", "\n\nnothing_here()", "NameError", "my_backends.py, line 3", "`nothing_here()`")
        self.expect("runtime_error", "import sys\nsys.exit(3)", "SystemExit", "my_backends.py, line 2")

    def test_function_not_found(self):
        self.expect(
            "function_not_found", WHOLE + "\ndef create_other(e): ...\nMyBackend = Whole\nnumber_of_backends = 1",
            "my_backends has no 'create_my_backend'; it has create_other, MyBackend",
        )
        self.expect("function_not_found", "x = 1", "nothing in it looks like a factory")
        self.expect("function_not_found", "create_my_backend = 'x'", "is a str, not a function")
        self.expect("function_not_found", WHOLE, "my_backends.Whole has no 'make'", factory="my_backends.Whole.make")

    def test_invalid_return_type(self):
        for source, *parts in [
            ("def create_my_backend(e): pass", "returned None", "`return` missing"),
            ("def create_my_backend(e): return {}", "returned a dict", "add_memories", "list_memories"),
            ("async def create_my_backend(e): return 3", "returned a int"),
            (WHOLE + "\ndef create_my_backend(e): return Whole", "the class Whole instead of an instance"),
            (
                "class Part:\n  def add_memories(self): ...\n  def search_memories(self): ...\n"
                "def create_my_backend(e): return Part()",
                "returned a Part, which lacks delete_memories, update_memories, count_memories, list_memories",
            ),
            (WHOLE + "\nWhole.capabilities = []\ndef create_my_backend(e): return Whole()", "instead of a dictionary"),
            (WHOLE + "\nWhole.capabilities = {'x': 1}\ndef create_my_backend(e): return Whole()", "has 'x'"),
            (
                WHOLE + "\nWhole.capabilities = {'hybrid_search': 1}\ndef create_my_backend(e): return Whole()",
                "is 1 instead of True or False",
            ),
        ]:
            with self.subTest(source):
                self.expect("invalid_return_type", source, *parts)

    def test_runtime_error(self):
        self.expect(
            "runtime_error", "def create_my_backend(e):\n  raise ValueError('no such store')",
            "my_backends.create_my_backend raised ValueError: no such store", "my_backends.py, line 2, in create_my_backend",
        )
        self.expect("runtime_error", "async def create_my_backend(e):\n  raise OSError('x')", "raised OSError: x")
        self.expect("runtime_error", "def create_my_backend(): ...", "cannot be called with one argument, the embeddings")
        self.expect("runtime_error", "def create_my_backend(e):\n  import json\n  json.loads('{')", "my_backends.py, line 3")
        partial = WHOLE.replace("async def count_memories(self, **filter_kwargs): return 0", "")
        self.expect("runtime_error", partial + "\ndef create_my_backend(e): return Whole()", "abstract", "count_memories")
        lost = "def create_my_backend(e):\n  raise ValueError('\\ud800' + 'x' * 9999)"
        self.assertLess(len(self.refused(lost)[1]), 1000)


class StartTests(unittest.TestCase):
    def test_description_from_the_signature(self):
        source = WHOLE + "\ndef create_my_backend(embeddings): return Whole()"
        no = dict.fromkeys(("keyword_search", "hybrid_search", "server_side_recency", "distance_threshold"), False)
        with Server(source=source) as server:
            self.assertEqual(server.started(), {"name": "Whole", "version": None, "capabilities": no})
        source = source.replace("limit=10, **kwargs", "search_mode=None, server_side_recency=None, distance_threshold=None")
        with Server(source=source) as server:
            self.assertEqual(server.started()["capabilities"], dict.fromkeys(no, True))

    def test_description_from_attributes(self):
        source = WHOLE + """
    name, version = "mine", "2"
    capabilities = {"keyword_search": True, "text_scorers": ("BM25STD",)}
def create_my_backend(embeddings): return Whole()
"""
        with Server(source=source) as server:
            capabilities = {"keyword_search": True, "text_scorers": ["BM25STD"]}
            self.assertEqual(server.started(), {"name": "mine", "version": "2", "capabilities": capabilities})

    def test_ways_to_name_a_factory(self):
        source = WHOLE + """
    @classmethod
    def create(cls, embeddings): return cls()
    @classmethod
    async def later(cls, embeddings): return cls()
"""
        for factory in ("my_backends.Whole.create", "my_backends.Whole.later"):
            with Server(factory, source) as server:
                self.assertEqual(server.started()["name"], "Whole")

    def test_anything_with_the_methods(self):
        source = WHOLE.replace("(MemoryVectorDatabase)", "").replace("from agent", "# from agent")
        with Server(source=source + "\ndef create_my_backend(e): return Whole()") as server:
            self.assertEqual(server.started()["name"], "Whole")

    def test_embeddings_in_the_factory(self):
        source = WHOLE + """
async def create_my_backend(embeddings):
    assert embeddings.embed_query("[1, 2] x") == [1, 2, 0, 0]
    assert embeddings.embed_documents([]) == []
    assert await embeddings.aembed_documents(["[1] x", "[0.5] y"]) == [[1, 0, 0, 0], [0.5, 0, 0, 0]]
    assert (embeddings.model, embeddings.dimensions, embeddings.distance_metric) == ("tests/steered", 4, "COSINE")
    for texts in ([""], ["a", None], "abc"):
        try:
            embeddings.embed_documents(texts)
        except (ValueError, TypeError):
            continue
        raise AssertionError(texts)
    return Whole()
"""
        with Server(source=source) as server:
            server.started()
            self.assertEqual([frame["call"] for frame in server.embedded], [0, 0])

    def test_scope_and_annotations(self):
        source = "import os\nSCOPE = os.environ['MEMORY_VECTOR_DB_SCOPE']\n" + WHOLE + """
from agent_memory_server.llm.embeddings import LiteLLMEmbeddings
def create_my_backend(embeddings: LiteLLMEmbeddings) -> MemoryVectorDatabase:
    assert isinstance(embeddings, LiteLLMEmbeddings)
    Whole.name = SCOPE
    return Whole()
"""
        with Server(source=source, settings={"scope": "check-1"}) as server:
            self.assertEqual(server.started()["name"], "check-1")

    def test_an_installed_reference_comes_first(self):
        with tempfile.TemporaryDirectory() as folder:
            package = pathlib.Path(folder) / "agent_memory_server"
            package.mkdir()
            (package / "__init__.py").write_text("")
            (package / "memory_vector_db.py").write_text("class MemoryVectorDatabase:\n  name = 'installed'")
            with Server(source=WHOLE + "\ndef create_my_backend(e): return Whole()", path=[folder]) as server:
                self.assertEqual(server.started()["name"], "installed")

    def test_the_servers_modules_do_not_hide_the_users(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("bridge", "records", "backend", "factory"):
                (pathlib.Path(folder) / f"{name}.py").write_text(f"name = 'my {name}'")
            source = "import backend, bridge, factory, records\n" + WHOLE
            source += "\n    name = records.name\ndef create_my_backend(e): return Whole()"
            with Server(source=source, path=[folder]) as server:
                self.assertEqual(server.started()["name"], "my records")

    def test_prints_and_logs(self):
        source = WHOLE + """
import logging, os, subprocess, sys
def create_my_backend(embeddings):
    print("printed")
    os.write(1, b"written\\n")
    subprocess.run([sys.executable, "-c", "import os; print('inherited', os.path.exists('/proc/self/fd/3'))"])
    logging.getLogger("mine").info("a line of %s", "mine")
    logging.getLogger("mine").debug("too fine")
    logging.error("x" * 99999)
    return Whole()
"""
        with Server(source=source) as server:
            server.started()
            self.assertEqual(server.logs[0], {"type": "log", "level": "info", "message": "mine: a line of mine"})
            self.assertEqual([line["level"] for line in server.logs], ["info", "error"])
            self.assertLess(len(server.logs[1]["message"]), 3000)
            self.assertEqual(server.close(), 0)
            for line in ("printed", "written", "inherited False"):
                self.assertIn(line, server.printed())


if __name__ == "__main__":
    unittest.main()
