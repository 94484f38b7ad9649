import Foundation
import Testing

@testable import Settings

@Suite struct SettingsTests {
    private func settings(
        _ environment: [String: String] = [:], file: String = "", unreadable: Set<String> = [],
        options: [(name: String, value: String?)] = []
    ) throws -> Settings {
        try Settings(
            SettingSources(
                file: EnvironmentFile(parsing: Array(file.utf8)).entries, environment: environment,
                unreadable: unreadable, options: options))
    }

    /// What is wrong with the settings; empty for nothing.
    private func problems(
        _ environment: [String: String] = [:], file: String = "", unreadable: Set<String> = [],
        options: [(name: String, value: String?)] = []
    ) -> [String] {
        do {
            _ = try settings(environment, file: file, unreadable: unreadable, options: options)
            return []
        } catch let error as SettingsError {
            return error.problems
        } catch {
            return ["\(error)"]
        }
    }

    @Test func `the environment comes before the file and an empty variable before nothing`() throws {
        #expect(try settings(["PORT": "1"], file: "PORT=2").server.port == 1)
        #expect(try settings(["PORT": ""], file: "PORT=2").server.port == 2)
        #expect(try settings(["PORT": "1"], file: "PORT=2", options: [("PORT", "3")]).server.port == 3)
        #expect(try settings(["PORT": ""], file: "PORT=").server.port == 8000)
        #expect(problems(options: [("HOST", "")]) == ["--host has an empty value"])
    }

    @Test(arguments: [
        ("AUTH_MODE=oauth2", "AUTH_MODE"), ("AUTH_MODE=", "AUTH_MODE"), ("DISABLE_AUTH=maybe", "DISABLE_AUTH"),
        ("DISABLE_AUTH=", "DISABLE_AUTH"), ("DISABLE_AUTH=false", "DISABLE_AUTH"), ("AUTH_MODE=' '", "AUTH_MODE"),
        ("TOKEN_AUTH_ENABLED=x", "TOKEN_AUTH_ENABLED"), ("AUTH_MODE=disabled\nAUTH_MODE=oauth2", "lines"),
        ("AUTH_MODE=\"disabled \"", "AUTH_MODE"), ("AUTH_MODE=${MODE}", "${…}"),
        ("AUHT_MODE=oauth2", "AUTH_MODE"), ("auth_mode=oauth2", "AUTH_MODE"), ("AUTH_ENABLED=1", "AUTH_"),
        ("DISABLE_AUHT=false", "DISABLE_AUTH"), ("EMBEDING_MODEL=x", "EMBEDDING_MODEL"), ("POTR=1", "PORT"),
        ("OPENAI_BASE_URL=http://h/v1", "OPENAI_API_BASE"), ("REDISVL_VECTOR_DIMENSION=3", "REDISVL_VECTOR_DIMENSIONS"),
        ("MEMORY_VECTOR_DB_PLUGINS=/x", "MEMORY_VECTOR_DB_"), ("PORT=1\nPORT=1", "line 1"),
        ("PORT=\"1\\n\"", "PORT"), ("HOST='a b'", "HOST"), ("LONG_TERM_MEMORY=2", "LONG_TERM_MEMORY"),
        ("MEMORY_VECTOR_DB_PLUGIN_PATH=/tmp:/nowhere/x", "/nowhere/x"), ("MEMORY_VECTOR_DB_PLUGIN_PATH=/tmp:", "empty"),
        ("MEMORY_VECTOR_DB_PLUGIN_PATH=/etc/passwd", "no folder /etc/passwd"),
        ("EMBEDDING_API_KEY_HEADER='Authorization: hunter2'", "EMBEDDING_API_KEY_HEADER"),
        ("EMBEDDING_API_KEY_HEADER=sk-hunter2", "EMBEDDING_API_KEY_HEADER"),
        ("EMBEDDING_API_VERSION='1&key=hunter2'", "EMBEDDING_API_VERSION"),
        ("MEMORY_VECTOR_DB_FACTORY=postgresql://u:hunter2@h/d", "MEMORY_VECTOR_DB_FACTORY"),
        ("PORT=redis://:hunter2@h", "PORT"), ("HOST=https://u:hunter2@h", "HOST"),
        ("LOG_LEVEL=u:hunter2@h", "LOG_LEVEL"),
        ("LOCAL_MODEL_PATH=/m\nEMBEDDING_MODEL=local/hashing-64", "LOCAL_MODEL_PATH"),
        ("LOCAL_MODEL_PATH=/m\nEMBEDDING_MODEL=text-embedding-3-small", "LOCAL_MODEL_PATH"),
    ])
    func `what is given and cannot be used is named`(_ file: String, _ expected: String) {
        let found = problems(file: file).joined(separator: "\n")
        #expect(expected == "lines" ? found.contains("twice") : found.contains(expected), "\(found)")
        #expect(!found.contains("hunter2"), "\(found)")
    }

    @Test func `the environment is shared with others`() throws {
        let shared = [
            "REDIS_URI": "x", "JOB_NAME": "x", "POSTGRES_PASSWORD": "x", "HOSTNAME": "x", "EMBEDDING_DIMENSION": "3",
            "MCP_PORT": "9000", "PATH": "/bin", "SSL_CERT_FILE": "/certificates.pem",
        ]
        let warnings = try settings(shared).warnings.joined(separator: "\n")
        for name in ["REDIS_URI", "EMBEDDING_DIMENSION", "MCP_PORT"] { #expect(warnings.contains(name)) }
        for name in ["JOB_NAME", "POSTGRES_PASSWORD", "HOSTNAME", "PATH", "SSL_CERT_FILE"] {
            #expect(!warnings.contains(name))
        }
        // But a mistake in who may come in stops the start wherever it is made.
        for name in ["AUTH_MOED", "auth_mode", "AUTHMODE", "DISABLE_AUTHS", "Disable_Auth"] {
            #expect(problems([name: "oauth2"]).joined().contains(name), "\(name)")
        }
        #expect(problems(unreadable: ["AUTH_MODE"]) == ["AUTH_MODE: the value is not UTF-8"])
        #expect(try settings(file: "SLOW_MODEL=gpt-5\nMY_OWN=1\nMY_OWN=2").warnings.count == 1)
    }

    @Test func `extremes of every number are refused or kept`() throws {
        let names = try settings().inForce.map(\.name)
        let numbers = [
            "-1", "0", "-0", "65536", "2147483648", "9223372036854775807", "-9223372036854775808",
            "9223372036854775808", "18446744073709551616", "1e308", "1e999", "-1e308", "4.9e-324", "nan", "inf",
            "-inf", "0x7fffffffffffffff", "+5", "1_000", "٣", "1.5", "",
        ]
        for name in names {
            for number in numbers { _ = problems([name: number]) }
        }
        for (name, number) in [
            ("PORT", "65536"), ("PORT", "-1"), ("STORE_TIMEOUT_SECONDS", "1e308"), ("STORE_TIMEOUT_SECONDS", "nan"),
            ("JOB_LEASE_SECONDS", "9223372036854775807"), ("EMBEDDING_CACHE_BYTES", "9223372036854775808"),
            ("REDISVL_VECTOR_DIMENSIONS", "0"), ("MAX_BODY_BYTES", "-9223372036854775808"),
        ] {
            #expect(problems([name: number]).joined().contains(name), "\(name)=\(number)")
        }
    }

    @Test func `contradictions are told`() throws {
        let warnings = try settings(["JOB_BACKOFF_SECONDS": "600", "JOB_BACKOFF_LIMIT_SECONDS": "5"]).warnings
        #expect(warnings.joined().contains("JOB_BACKOFF_LIMIT_SECONDS"))
        #expect(try settings(["JOB_BACKOFF_SECONDS": "1"]).warnings.isEmpty)
    }

    @Test(arguments: [
        (["RERANK_MODEL_PATH": "/m", "RERANK_API_BASE": "http://h"], "RERANK_MODEL_PATH and RERANK_API_BASE"),
        (["RERANK_API_KEY": "hunter2"], "RERANK_API_KEY is set"), (["RERANK_MODEL": "m"], "RERANK_MODEL is set"),
    ])
    func `settings of reranking that have no effect are refused`(_ given: [String: String], _ named: String) {
        #expect(problems(given).count == 1)
        #expect(problems(given)[0].contains(named))
        #expect(!problems(given)[0].contains("hunter2"))
    }

    @Test func `a model to fall back to needs a model, and another one`() throws {
        for (given, named) in [
            (["FAST_FALLBACK_MODEL": "b"], "FAST_FALLBACK_MODEL is set, but FAST_MODEL is not"),
            (["GENERATION_FALLBACK_MODEL": "b"], "GENERATION_FALLBACK_MODEL is set, but GENERATION_MODEL is not"),
            (
                ["GENERATION_MODEL": "a", "FAST_FALLBACK_MODEL": "b"],
                "FAST_FALLBACK_MODEL is set, but FAST_MODEL is not"
            ),
            (["FAST_MODEL": "a", "FAST_FALLBACK_MODEL": "a"], "FAST_FALLBACK_MODEL and FAST_MODEL are the same"),
            (
                ["FAST_MODEL": "a", "GENERATION_FALLBACK_MODEL": "a"],
                "GENERATION_FALLBACK_MODEL and GENERATION_MODEL are the same"
            ),
        ] {
            #expect(problems(given).count == 1)
            #expect(problems(given).first?.hasPrefix(named) == true, "\(problems(given))")
        }
        for (given, fast, generation) in [
            ([:], nil, nil), (["FAST_MODEL": "a"], nil, nil),
            (["FAST_MODEL": "a", "FAST_FALLBACK_MODEL": "b"], "b", "b"),
            (["FAST_MODEL": "a", "GENERATION_MODEL": "a", "FAST_FALLBACK_MODEL": "b"], "b", "b"),
            (["FAST_MODEL": "a", "GENERATION_MODEL": "c", "FAST_FALLBACK_MODEL": "b"], "b", nil),
            (["FAST_MODEL": "a", "FAST_FALLBACK_MODEL": "b", "GENERATION_FALLBACK_MODEL": "c"], "b", "c"),
            // Each stands in for the other one.
            (
                [
                    "FAST_MODEL": "a", "GENERATION_MODEL": "b", "FAST_FALLBACK_MODEL": "b",
                    "GENERATION_FALLBACK_MODEL": "a",
                ], "b", "a"
            ),
            // The model of a key.
            (["OPENAI_API_KEY": "k", "FAST_FALLBACK_MODEL": "b"], "b", nil),
        ] as [([String: String], String?, String?)] {
            let language = try settings(given).language
            #expect(language.fastFallbackModel == fast && language.generationFallbackModel == generation, "\(given)")
        }
    }

    @Test func `whose texts are sent to language models is said without doubt`() throws {
        for (value, namespaces) in [
            ("a", ["a"]), ("a,b", ["a", "b"]), ("a, b", ["a", "b"]), ("a,a", ["a"]), ("a b", ["a b"]),
            (#"["a,b", "c"]"#, ["a,b", "c"]), ("caf\u{e9},cafe\u{301}", ["caf\u{e9}", "cafe\u{301}"]),
        ] {
            let only = try settings(["LLM_NAMESPACES": value])
            #expect(only.language.namespaces.map { Array($0.utf8) } == namespaces.map { Array($0.utf8) }, "\(value)")
            #expect(only.language.excludedNamespaces.isEmpty)
            let excluded = try settings(["LLM_EXCLUDED_NAMESPACES": value]).language.excludedNamespaces
            #expect(excluded.map { Array($0.utf8) } == namespaces.map { Array($0.utf8) }, "\(value)")
        }
        for name in ["LLM_NAMESPACES", "LLM_EXCLUDED_NAMESPACES"] {
            for value in [
                "", " ", ",", "a,", ",a", "a,,b", "a, ,b", "[", "[]", #"["a", 1]"#, #"["a", ""]"#, #"["a\u0000"]"#,
                String(repeating: "x", count: 513),
            ] {
                #expect(problems([name: value]).joined().contains(name), "\(name)=\(value)")
            }
        }
        #expect(problems(["LLM_NAMESPACES": "a", "LLM_EXCLUDED_NAMESPACES": "b"]).joined().contains("both set"))
        // With a mistake in the name everything would be sent.
        for name in ["LLM_NAMESPACE", "LLM_EXCLUDE_NAMESPACES", "LLM_EXCLUDED_NAMESPACE", "llm_namespaces"] {
            #expect(problems([name: "a"]).joined().contains(name), "\(name)")
        }
    }

    @Test func `what a cluster cannot do is refused by name`() {
        let fitting = [
            "POSTGRES_DISTRIBUTED": "citus", "MEMORY_VECTOR_DB_FACTORY": "pgvector", "HISTORY": "OFF",
            "DATABASE_URL": "postgresql://h/d",
        ]
        #expect(problems(fitting).isEmpty)
        for (name, value) in [
            ("HISTORY", "ALL"), ("POSTGRES_ROW_SECURITY", "true"), ("DATABASE_READ_URL", "postgresql://r/d"),
            ("POSTGRES_UNINDEXED_MB", "64"), ("POSTGRES_CODES_MB", "64"), ("MEMORY_VECTOR_DB_FACTORY", "redis"),
            ("POSTGRES_DISTRIBUTED", "yes"), ("POSTGRES_DISTRIBUTED_LAYOUT", "even"),
        ] {
            let found = problems(fitting.merging([name: value]) { $1 })
            #expect(!found.isEmpty && found.joined().contains(name), "\(name)")
        }
        #expect(problems(["POSTGRES_DISTRIBUTED_LAYOUT": "placed"]).joined().contains("POSTGRES_DISTRIBUTED=citus"))
    }

    @Test func `one setting is read whatever the others are`() throws {
        func value(_ name: String, _ file: String, onlyGiven: Bool = false) throws -> String? {
            let sources = try SettingSources(
                file: EnvironmentFile(parsing: Array(file.utf8)).entries, environment: [:])
            return try Settings.value(of: name, in: sources, onlyGiven: onlyGiven)
        }
        #expect(try value("PORT", "") == "8000")
        #expect(try value("PORT", "", onlyGiven: true) == nil)
        #expect(try value("PORT", "PORT=\"8123\" # mine\r\n", onlyGiven: true) == "8123")
        #expect(try value("PORT", "MEMORY_VECTOR_DB_FACTORY=pgvector\nJOB_ATTEMPTS=x\nPORT=1") == "1")
        #expect(try value("BACKEND", "BACKEND=pgvector") == "pgvector")
        #expect(try value("DATABASE_URL", "DATABASE_URL=postgresql://u:hunter2@h/d") == "postgresql://u:***@h/d")
        #expect(try value("OPENAI_API_KEY", "OPENAI_API_KEY=hunter2") == "***")
        #expect(throws: SettingsError.self) { try value("PORT", "PORT=x") }
        #expect(throws: SettingsError.self) { try value("PROT", "") }
    }

    /// Documentation/settings.md against the code. `make settings` writes it.
    @Test func `the table of settings is the code`() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Documentation/settings.md")
        #expect(try String(contentsOf: page, encoding: .utf8) == SettingsDocument.markdown)
    }

    @Test func `the document has a row for every setting with the default in force`() throws {
        var documented: [String: String] = [:]
        for row in SettingsDocument.markdown.split(separator: "\n") where row.hasPrefix("| `") {
            let cells = row.split(separator: "|", omittingEmptySubsequences: false).dropFirst().map {
                $0.trimmingCharacters(in: .whitespaces)
            }
            try #require(cells.count == 5, "\(row)")
            documented[cells[0].trimmingCharacters(in: CharacterSet(charactersIn: "`"))] = cells[1]
        }
        let inForce = try settings(["HOME": "~"]).inForce
        #expect(documented.count == inForce.count)
        #expect(Set(documented.keys) == Set(inForce.map(\.name)))
        for (name, value) in inForce {
            guard let told = documented[name] else { continue }
            let plain = told.trimmingCharacters(in: CharacterSet(charactersIn: "`"))
            // "the model's" and the like say in words where the default comes from.
            if told == plain, plain.contains(" ") { continue }
            let isSame = plain == value || (Double(plain) != nil && Double(plain) == Double(value))
            #expect(isSame, "\(name): the table says \(told), the code \(value)")
        }
    }

    @Test func `values are read by room`() throws {
        let read = try settings([
            "REDISVL_INDEX_NAME": "i", "REDISVL_VECTOR_DIMENSIONS": "3", "JOB_POLL_SECONDS": "0.5",
            "REDISVL_DISTANCE_METRIC": "ip", "LOCAL_MODEL_PATH": "/models/bert",
        ])
        #expect(read.redis.indexName == "i")
        #expect(read.vectors.dimensions == 3)
        #expect(read.vectors.metric == .innerProduct)
        #expect(read.jobs.pollInterval == .milliseconds(500))
        #expect(read.embeddings.model == "local/bert")
        #expect(try settings().vectors.dimensions == nil)
        #expect(try settings().postgres.url == nil)
    }
}
