import AgentMemory
import Foundation
import HTTPClient
import TestSupport
import Testing

/// From `agent-memory token` to a server that is closed.
@Suite(.tags(.server)) struct AccessTests {
    /// The object that a command printed; other lines are the log's.
    private static func json(
        _ arguments: [String], _ environment: [String: String]
    ) async throws -> JSONValue {
        let (status, output) = try await ServerProcess.command(arguments + ["--format", "json"], environment)
        try #require(status == 0, "\(arguments): \(output)")
        let line = try #require(output.split(separator: "\n").last { $0.hasPrefix("{") || $0.hasPrefix("[") })
        return try JSONValue(parsing: String(line))
    }

    private static func client(_ server: ServerProcess, _ token: String) -> RESTClient {
        RESTClient(server.url, credentials: ["Authorization": "Bearer \(token)"])
    }

    @Test(arguments: Store.allCases)
    func `a token of the command opens the server, and limits what it reaches`(_ store: Store) async throws {
        var environment = try store.environment()
        let added = try await Self.json(
            [
                "token", "add", "-d", "agent of team A", "--namespace", "team-a", "--user", "*", "--rights",
                "read,write", "--expires-days", "90",
            ], environment)
        let secret = try #require(added["token"]?.stringValue)
        let hash = try #require(added["hash"]?.stringValue)
        #expect(AccessToken.hash(ofSecret: secret) == hash)
        #expect(added["namespaces"] == ["team-a"] && added["user_ids"] == ["*"])
        let teams = try await Self.json(
            ["token", "add", "-d", "all teams", "--namespace", "team-*", "--namespace", "x"], environment)
        let teamsSecret = try #require(teams["token"]?.stringValue)
        environment["AUTH_MODE"] = "token"
        try await ServerProcess.run(environment) { server in
            let anyone = server.client
            try await anyone.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await anyone.ready().json == ["status": "ok"])
            #expect(try await anyone.create([["id": "0", "text": "a"]]).status == 401)
            let team = Self.client(server, secret)
            let all = Self.client(server, teamsSecret)
            #expect(try await team.ready().json["auth"] == "token")
            #expect(try await team.create([["id": "1", "text": "a fox"]]).status == 200)
            #expect(try await all.create([["id": "2", "text": "a fox", "namespace": "team-b"]]).status == 200)
            #expect(try await all.create([["id": "3", "text": "a fox", "namespace": "y"]]).status == 403)
            #expect(try await all.create([["id": "3", "text": "a fox"]]).status == 403)
            #expect(try await team.create([["id": "2", "text": "mine"]]).status == 409)
            #expect(try await team.list([:]).ids == ["1"])
            #expect(Set(try await all.search(["text": "fox"]).ids) == ["1", "2"])
            #expect(try await team.send(.get, "/v1/long-term-memory/2").status == 404)
            for credentials: HTTPHeaders in [
                ["X-API-Key": secret],
                ["Authorization": "Basic \(Data("any:\(secret)".utf8).base64EncodedString())"],
            ] {
                #expect(try await RESTClient(server.url, credentials: credentials).list([:]).ids == ["1"])
            }
            let wrong = AccessToken.newSecret()
            #expect(try await Self.client(server, wrong).list([:]).status == 401)

            let rotated = try await Self.json(["token", "rotate", hash, "--overlap", "1h"], environment)
            let newSecret = try #require(rotated["token"]?.stringValue)
            #expect(try await Self.client(server, newSecret).list([:]).ids == ["1"])
            #expect(try await team.list([:]).ids == ["1"])
            let removal = try await ServerProcess.command(
                ["token", "remove", String(hash.prefix(16)), "-f"], environment)
            #expect(removal.status == 0 && removal.output.contains("Token removed successfully."), "\(removal.output)")
            try await team.wait(for: { try await $0.list([:]) }, until: { $0.status == 401 })
            #expect(try await Self.client(server, newSecret).list([:]).ids == ["1"])

            for hidden in [secret, newSecret, teamsSecret, wrong] { #expect(!server.log.contains(hidden)) }
            #expect(server.log.contains("token \(AccessToken.hash(ofSecret: wrong).prefix(12))"))
        }
        let listed = try await Self.json(["token", "list"], environment)
        #expect(listed.arrayValue?.count == 2)
        let shown = try await ServerProcess.command(["token", "show", hash], environment)
        #expect(shown.status == 1 && shown.output.contains("Token not found: \(hash)"))
    }

    @Test(arguments: Store.allCases)
    func `a limited token exports and imports within its limits`(_ store: Store) async throws {
        var environment = try store.environment()
        var secrets: [String] = []
        for (namespace, rights) in [("a", "read,write"), ("b", "read,write"), ("a", "read")] {
            let secret = AccessToken.newSecret()
            secrets.append(secret)
            let added = try await ServerProcess.command(
                ["token", "add", "-d", "team", "--token=\(secret)", "--namespace", namespace, "--rights", rights],
                environment)
            try #require(added.status == 0, "\(added.output)")
        }
        environment["AUTH_MODE"] = "token"
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let (a, b, reader) = (
                Self.client(server, secrets[0]), Self.client(server, secrets[1]), Self.client(server, secrets[2])
            )
            for (client, name) in [(a, "a"), (b, "b")] {
                let memories = (0..<3).map { number -> JSONValue in
                    ["id": .string("\(name)\(number)"), "text": .string("fox \(name)"), "namespace": .string(name)]
                }
                #expect(try await client.create(memories).status == 200)
                let session: JSONValue = ["namespace": .string(name), "messages": []]
                #expect(try await client.send(.put, "/v1/working-memory/s-\(name)", session).status == 200)
            }
            func lines(_ client: RESTClient, _ query: String = "") async throws -> [String] {
                let answer = try await client.send(.get, "/v1/export\(query)")
                #expect(answer.status == 200, "\(answer.detail)")
                return answer.text.split(separator: "\n").map(String.init)
            }
            func importing(_ secret: String, _ lines: [String], _ query: String = "") async throws -> (Int, String) {
                let response = try await HTTPClient().send(
                    HTTPClient.Request(
                        method: .post, url: "\(server.url)/v1/import\(query)",
                        headers: ["Content-Type": "application/x-ndjson", "Authorization": "Bearer \(secret)"],
                        body: Array((lines.joined(separator: "\n") + "\n").utf8), timeout: .seconds(60)))
                return (response.status, String(decoding: response.body, as: UTF8.self))
            }
            let exported = try await lines(a)
            #expect(exported.count == 6 && !exported.joined().contains("fox b"), "\(exported.count) lines")
            #expect(try await lines(reader).dropFirst().dropLast() == exported.dropFirst().dropLast())
            #expect(try await lines(a, "?namespace=b").count == 2)
            // What belongs to others is refused with its line, and nothing of it is stored.
            let refused = try await importing(secrets[1], exported, "?existing=replace")
            #expect(refused.0 == 403 && refused.1.contains("line 2"), "\(refused)")
            #expect(try await importing(secrets[2], exported, "?existing=skip").0 == 403)
            let renamed = try await importing(secrets[1], exported, "?new_ids=true")
            #expect(renamed.0 == 403, "\(renamed)")
            #expect(try await b.count() == 3)
            #expect(try await a.send(.delete, "/v1/long-term-memory?memory_ids=a1").status == 200)
            let done = try await importing(secrets[0], exported, "?existing=skip")
            let outcome = try JSONValue(parsing: done.1)
            #expect(done.0 == 200 && outcome["memories"]?["added"] == 1, "\(done)")
            #expect(try await a.count() == 3)
            let undo = "/v1/operations/\(outcome["operation"]?.stringValue ?? "")/undo"
            #expect(try await b.send(.post, undo).status == 404)
            #expect(try await a.send(.post, undo).json["undone"] == 1)
            #expect(try await a.count() == 2)
        }
    }

    @Test func `commands tell tokens with equal beginnings apart, and one secret is one token`() async throws {
        let environment = try Store.redis.environment()
        // Of seventeen tokens two have the same first digit.
        let secrets = (0..<17).map { "secret number \($0) of the test, long enough".replacing(" ", with: "-") }
        let byDigit = Dictionary(grouping: secrets) { AccessToken.hash(ofSecret: $0).prefix(1) }
        let (digit, pair) = try #require(byDigit.first { $0.value.count > 1 })
        for secret in pair.prefix(2) {
            _ = try await Self.json(["token", "add", "-d", "one", "--token=\(secret)"], environment)
        }
        for command in [["show"], ["remove", "-f"], ["rotate"]] {
            let (status, output) = try await ServerProcess.command(
                ["token", command[0], String(digit)] + command.dropFirst(), environment)
            #expect(status != 0 && output.contains("2 tokens have a hash that begins with \(digit)"), "\(output)")
        }
        // A second token of the same secret would stay valid when the first one is removed.
        let again = try await ServerProcess.command(
            ["token", "add", "-d", "again", "--token=\(pair[0])"], environment)
        #expect(again.status != 0, "\(again.output)")
        for _ in 0..<2 { #expect(try await Self.json(["token", "list"], environment).arrayValue?.count == 2) }
        let removed = try await ServerProcess.command(
            ["token", "remove", "-f", AccessToken.hash(ofSecret: pair[0])], environment)
        #expect(removed.status == 0)
        let left = try await Self.json(["token", "list"], environment)
        #expect(left.arrayValue?.map { $0["hash"] } == [.string(AccessToken.hash(ofSecret: pair[1]))])
    }

    @Test func `an open server says so where other machines reach it`() async throws {
        let environment = ["MEMORY_VECTOR_DB_FACTORY": "reference"]
        try await ServerProcess.run(environment.merging(["HOST": "0.0.0.0"]) { $1 }) { server in
            #expect(server.log.contains("requests are not authenticated"))
        }
        try await ServerProcess.run(environment) { server in
            #expect(!server.log.contains("requests are not authenticated"))
        }
        let settings = ServerProcess.defaults.merging(environment) { $1 }.merging(["AUTH_MODE": "token"]) { $1 }
        let closed = try await ServerProcess.command(["api"], settings)
        #expect(closed.status == 1 && closed.output.contains("AUTH_MODE=token"), "\(closed.output)")
    }
}

/// HTTPS with files made for the run by the `openssl` command: one in the repository would expire.
@Suite(.tags(.server)) struct TLSServerTests {
    @Test func `a server with a certificate speaks HTTPS alone`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let certificate = folder.appendingPathComponent("cert.pem").path
        let key = folder.appendingPathComponent("key.pem").path
        let made = try await RunningProcess.start(
            URL(fileURLWithPath: "/usr/bin/env"),
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-keyout", key,
                "-out", certificate,
            ])
        try #require(await made.exitStatus() == 0, "\(made.output)")
        let files = ["MEMORY_VECTOR_DB_FACTORY": "reference", "TLS_CERT_FILE": certificate, "TLS_KEY_FILE": key]
        try await ServerProcess.run(files) { server in
            var configuration = HTTPClient.Configuration()
            configuration.certificateAuthorityFile = certificate
            let client = HTTPClient(configuration: configuration)
            let body: JSONValue = ["memories": [["id": "a", "text": "over TLS"]]]
            for _ in 0..<3 {
                let answer = try await client.send(
                    HTTPClient.Request(
                        method: .post, url: "https://localhost:\(server.port)/v1/long-term-memory/",
                        headers: ["Content-Type": "application/json"], body: Array(body.jsonText.utf8)))
                #expect(answer.status == 200)
            }
            await #expect(throws: HTTPClientError.self) {
                try await client.send(HTTPClient.Request(url: "\(server.url)/v1/health", timeout: .seconds(5)))
            }
            await client.shutdown()
        }
        let swapped = files.merging(["TLS_CERT_FILE": key, "TLS_KEY_FILE": certificate]) { $1 }
        let refused = try await ServerProcess.command(["api"], ServerProcess.defaults.merging(swapped) { $1 })
        #expect(refused.status == 1 && refused.output.contains(key), "\(refused.output)")
        let half = try await ServerProcess.command(["api"], ["TLS_CERT_FILE": certificate])
        #expect(half.output.contains("TLS_CERT_FILE and TLS_KEY_FILE go together"), "\(half.output)")
    }
}
