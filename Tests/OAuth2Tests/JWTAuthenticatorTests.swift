import AgentMemory
import Foundation
import HTTPClient
import JWTKit
import Logging
import OAuth2
import Testing

/// JWTs against the issuer of ``FakeIssuer``.
@Suite struct JWTAuthenticatorTests {
    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    private static func authenticator(
        _ issuer: FakeIssuer, _ client: HTTPClient, _ change: (inout OAuth2Configuration) -> Void = { _ in }
    ) throws -> JWTAuthenticator {
        var configuration = OAuth2Configuration(issuer: issuer.url)
        configuration.audience = "my-api"
        change(&configuration)
        return try JWTAuthenticator(
            configuration, client: client, logger: Logger(label: "test"), now: { now })
    }

    private static func failure(_ body: () async throws -> Void) async -> AuthenticationFailure? {
        do {
            try await body()
            return nil
        } catch {
            return error as? AuthenticationFailure
        }
    }

    /// - Parameter changes: `null` leaves a claim out.
    private static func claims(_ issuer: FakeIssuer, _ changes: [String: JSONValue] = [:]) -> JSONObject {
        let seconds = Int(now.microseconds / 1_000_000)
        var claims: JSONObject = [
            "iss": .string(issuer.url), "aud": "my-api", "sub": "ada", "iat": .int(seconds), "exp": .int(seconds + 600),
            "scope": "memory:read memory:write",
        ]
        for (name, value) in changes {
            if value.isNull { claims[name] = JSONValue?.none } else { claims[name] = value }
        }
        return claims
    }

    /// Runs `body` with an issuer and a client of its own.
    private static func run(_ body: (FakeIssuer, HTTPClient) async throws -> Void) async throws {
        let client = HTTPClient()
        do {
            let issuer = try await FakeIssuer()
            try await body(issuer, client)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    /// What a recorded case presented.
    private static func token(_ name: String, _ issuer: FakeIssuer) async throws -> String {
        let seconds = Int(now.microseconds / 1_000_000)
        func signed(_ changes: [String: JSONValue] = [:], header: JSONObject = [:]) async throws -> String {
            try await issuer.token(claims(issuer, changes), header: header)
        }
        switch name.dropFirst("auth.oauth2.".count) {
        case "good": return try await signed()
        case "aud_list": return try await signed(["aud": ["other", "my-api"]])
        case "aud_wrong": return try await signed(["aud": "other"])
        case "aud_list_wrong": return try await signed(["aud": ["other"]])
        case "no_aud": return try await signed(["aud": .null])
        case "iss_wrong": return try await signed(["iss": "http://other/"])
        case "iss_no_slash": return try await signed(["iss": .string(String(issuer.url.dropLast()))])
        case "no_iss": return try await signed(["iss": .null])
        case "expired": return try await signed(["exp": .int(seconds - 100)])
        case "no_exp": return try await signed(["exp": .null])
        case "no_iat": return try await signed(["iat": .null])
        case "iat_future": return try await signed(["iat": .int(seconds + 1000)])
        case "iat_future_200": return try await signed(["iat": .int(seconds + 200)])
        case "nbf_future": return try await signed(["nbf": .int(seconds + 300)])
        case "no_sub": return try await signed(["sub": .null])
        case "sub_empty": return try await signed(["sub": ""])
        case "sub_number": return try await signed(["sub": 7])
        case "wrong_key": return try await issuer.forged(claims(issuer))
        case "unknown_kid": return try await signed(header: ["kid": "k9"])
        case "no_kid": return try await signed(header: ["kid": .null])
        case "hs256_unknown": return try await signed(header: ["alg": "HS256"])
        case "alg_none": return try await signed(header: ["alg": "none"])
        case "rs512": return try await signed(header: ["alg": "RS512"])
        case "roles": return try await signed(["roles": ["a"]])
        case "roles_str": return try await signed(["roles": "a"])
        case "scope_list": return try await signed(["scope": ["memory:read"]])
        case "garbage": return "a.b.c"
        default: throw AuthenticationFailure(.refused, "there is no token for the case \(name)")
        }
    }

    @Test func `the recorded cases of the reference get the same answers`() async throws {
        try await Self.run { issuer, client in
            let authenticator = try Self.authenticator(issuer, client)
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("reference-oauth2.jsonl")
            let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 27)
            for line in lines {
                let recorded = try JSONValue(parsing: String(line))
                let name = recorded["name"]?.stringValue ?? ""
                let token = try await Self.token(name, issuer)
                let failure = await Self.failure { _ = try await authenticator.caller(presenting: token) }
                #expect(
                    (failure == nil) == (recorded["status"]?.intValue == 200), "\(name): \(String(describing: failure))"
                )
                #expect(failure?.message == recorded["detail"]?.stringValue, "\(name)")
            }
        }
    }

    @Test func `claims become rights and limits`() async throws {
        try await Self.run { issuer, client in
            func caller(
                _ changes: [String: JSONValue], _ change: (inout OAuth2Configuration) -> Void = { _ in }
            ) async throws -> Caller {
                try await Self.authenticator(issuer, client, change).caller(
                    presenting: try await issuer.token(Self.claims(issuer, changes)))
            }
            #expect(try await caller([:]).rights == [.read, .write])
            #expect(
                try await caller(["scope": ["memory:read"], "roles": ["memory:admin"]]).rights == [.read, .administer])
            #expect(try await caller(["scope": "memory:metrics"]).rights == .metrics)
            #expect(try await caller(["scope": "other"]).rights == [])
            #expect(try await caller([:]).reachesEverything)
            let bound = try await caller([:]) { $0.bindsUser = true }
            #expect(bound.reaches(namespace: nil, userID: "ada") && !bound.reaches(namespace: nil, userID: "bob"))
            let team = try await caller(["teams": ["team-*", "x"]]) { $0.namespacesClaim = "teams" }
            #expect(team.reaches(namespace: "team-1", userID: nil) && team.reaches(namespace: "x", userID: nil))
            #expect(!team.reaches(namespace: "y", userID: nil) && !team.reaches(namespace: nil, userID: nil))
            let none = try await caller([:]) { $0.namespacesClaim = "teams" }
            #expect(none.scope.permitsNothing)
            #expect(await Self.failure { _ = try await caller(["teams": 7]) { $0.namespacesClaim = "teams" } } != nil)
        }
    }

    @Test(arguments: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"])
    func `each algorithm is verified, and a changed token is not`(_ algorithm: String) async throws {
        try await Self.run { issuer, client in
            let authenticator = try Self.authenticator(issuer, client) { $0.algorithms = [algorithm] }
            let token = try await issuer.token(Self.claims(issuer), algorithm: algorithm)
            #expect(try await authenticator.caller(presenting: token).subject == "sub ada")
            let other = try await issuer.token(Self.claims(issuer, ["sub": "bob"]), algorithm: algorithm)
            let parts = [token, other].map { $0.split(separator: ".") }
            let mixed = "\(parts[0][0]).\(parts[1][1]).\(parts[0][2])"
            let failure = await Self.failure { _ = try await authenticator.caller(presenting: mixed) }
            #expect(failure?.message == "Invalid JWT: Signature verification failed.")
        }
    }

    @Test func `an issuer that is down does not make a token wrong`() async throws {
        try await Self.run { issuer, client in
            let authenticator = try Self.authenticator(issuer, client) { $0.algorithms = ["ES256"] }
            await issuer.set(.down)
            let first = try await issuer.token(Self.claims(issuer), algorithm: "ES256")
            let down = await Self.failure { _ = try await authenticator.caller(presenting: first) }
            #expect(down?.reason == .unavailable)
            // Without the issuer's address, which is not for everyone.
            #expect(down?.message == "Unable to fetch JWKS; the log of the server says why")
        }
    }
}
