import Foundation
import Testing

@testable import Settings

/// A server that any setting asks to be closed does not run open.
@Suite struct AccessSettingsTests {
    private func settings(_ environment: [String: String]) throws -> Settings {
        try Settings(SettingSources(file: [], environment: environment))
    }

    private func problems(_ environment: [String: String]) -> [String] {
        do {
            _ = try settings(environment)
            return []
        } catch {
            return (error as? SettingsError)?.problems ?? ["\(error)"]
        }
    }

    private static let issuer = ["OAUTH2_ISSUER_URL": "https://issuer.example/"]

    @Test func `each spelling of a mode is understood`() throws {
        let modes: [([String: String], AccessSettings.Mode)] = [
            ([:], .disabled), (["DISABLE_AUTH": "true"], .disabled), (["AUTH_MODE": "disabled"], .disabled),
            (["AUTH_MODE": "token"], .token), (["AUTH_MODE": "TOKEN", "DISABLE_AUTH": "false"], .token),
            (["TOKEN_AUTH_ENABLED": "true", "DISABLE_AUTH": "false"], .token), (["TOKEN_AUTH_ENABLED": "true"], .token),
            (Self.issuer.merging(["AUTH_MODE": "oauth2"]) { $1 }, .oauth2),
            (Self.issuer.merging(["AUTH_MODE": "oauth2", "TOKEN_AUTH_ENABLED": "true"]) { $1 }, .both),
            (Self.issuer.merging(["AUTH_MODE": "both"]) { $1 }, .both),
        ]
        for (environment, mode) in modes {
            #expect(try settings(environment).authentication == mode, "\(environment)")
        }
    }

    @Test(arguments: [
        ["DISABLE_AUTH": "false"], ["DISABLE_AUTH": "true", "AUTH_MODE": "token"],
        ["DISABLE_AUTH": "true", "TOKEN_AUTH_ENABLED": "true"],
        ["AUTH_MODE": "disabled", "TOKEN_AUTH_ENABLED": "true"], ["AUTH_MODE": "token", "TOKEN_AUTH_ENABLED": "false"],
        ["AUTH_MODE": "oauth2"], ["OAUTH2_ISSUER_URL": "https://issuer.example/"],
        ["AUTH_MODE": "token", "OAUTH2_AUDIENCE": "x"], ["AUTH_MODE": "token", "AUTH_BIND_USER": "true"],
        ["RATE_LIMIT": "5"], ["AUTH_MODE": ""], ["AUTH_MODE": "tokens"],
        ["AUTH_MODE": "oauth2", "OAUTH2_ISSUER_URL": "https://issuer.example/", "OAUTH2_ALGORITHMS": "HS256"],
        [
            "AUTH_MODE": "oauth2", "OAUTH2_ISSUER_URL": "https://issuer.example/", "AUTH_BIND_USER": "true",
            "OAUTH2_USERS_CLAIM": "users",
        ],
    ])
    func `what contradicts stops the start by name`(_ environment: [String: String]) {
        let problems = problems(environment)
        #expect(!problems.isEmpty, "\(environment)")
        #expect(environment.keys.contains { name in problems.contains { $0.contains(name) } }, "\(problems)")
    }

    @Test func `algorithms are a list, as the reference spells it too`() throws {
        let environment = Self.issuer.merging(["AUTH_MODE": "oauth2"]) { $1 }
        for text in ["RS256, es256", #"["RS256", "ES256"]"#] {
            let settings = try settings(environment.merging(["OAUTH2_ALGORITHMS": text]) { $1 })
            #expect(settings.access.algorithms == ["RS256", "ES256"])
        }
    }

    @Test func `secrets come from files too`() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("secret-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("sk-secret\n".utf8).write(to: file)
        let settings = try settings(["OPENAI_API_KEY_FILE": file.path])
        #expect(settings.embeddings.apiKey == "sk-secret")
        #expect(settings.description.contains("OPENAI_API_KEY=***"))
        #expect(!settings.description.contains("sk-secret"))
        try Data("postgresql://ada:hidden@localhost/db".utf8).write(to: file)
        let database = try self.settings(["DATABASE_URL_FILE": file.path])
        #expect(database.postgres.url == "postgresql://ada:hidden@localhost/db")
        #expect(!database.description.contains("hidden"))
        let both = problems(["OPENAI_API_KEY": "a", "OPENAI_API_KEY_FILE": file.path])
        #expect(both == ["OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set; leave one of them out"])
        #expect(problems(["REDIS_URL_FILE": "/nowhere"]) == ["REDIS_URL_FILE: the file cannot be read"])
        try Data("a\nb".utf8).write(to: file)
        #expect(problems(["OPENAI_API_KEY_FILE": file.path]).count == 1)
    }
}
