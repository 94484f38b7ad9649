import AgentMemory
import ArgumentParser
import Logging
import Settings

/// `agent-memory token`: the access tokens that the servers accept with AUTH_MODE=token.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Makes, shows and removes access tokens.",
        subcommands: [Add.self, List.self, Show.self, Remove.self, Rotate.self], defaultSubcommand: List.self)

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add", abstract: "Makes a token and prints it, once: only its hash is stored.")

        @Option(name: [.short, .long], help: "What the token is for.")
        var description: String

        @Option(name: [.short, .long], help: "After how many days it expires; 0 is never.")
        var expiresDays = 0

        @Option(
            name: [.long, .customLong("namespaces")],
            help:
                "A namespace that it may reach, a prefix such as 'team-*', or '*' for all; may be given several times.")
        var namespace: [String] = []

        @Option(
            name: [.long, .customLong("user-id")],
            help: "A user id that it may reach, a prefix, or '*' for all; may be given several times.")
        var user: [String] = []

        @Option(help: "What it may do: some of read, write, admin, metrics, with commas between them.")
        var rights = "read,write"

        @Option(
            help: ArgumentHelp(
                "A secret of your own, at least 32 visible characters; other users see it in the list of processes.",
                valueName: "secret"))
        var token: String?

        @Option(help: "A file with a secret of your own.")
        var tokenFile: String?

        @Option(help: "text or json.")
        var format: OutputFormat = .text

        func validate() throws {
            try TokenCommand.check(description: description)
            guard (0...36_500).contains(expiresDays) else { throw ValidationError("--expires-days is 0 to 36500.") }
            if token != nil, tokenFile != nil { throw ValidationError("Give --token or --token-file, not both.") }
        }

        func run() async throws {
            try await TokenCommand.withStore { store in
                let secret = try secret()
                let now = Timestamp.now()
                let token = AccessToken(
                    hash: AccessToken.hash(ofSecret: secret), description: description,
                    rights: try Caller.Rights(
                        names: rights.split(separator: ",").map { String($0).filter { $0 != " " } }),
                    scope: AccessScope(
                        namespaces: try PermittedValues(
                            patterns: namespace.isEmpty ? ["*"] : namespace, field: "--namespace"),
                        users: try PermittedValues(patterns: user.isEmpty ? ["*"] : user, field: "--user")),
                    createdAt: now, expiresAt: TokenCommand.expiry(afterDays: expiresDays, from: now))
                try await store.add(token)
                TokenReport(token).printNew(secret: secret, format)
            }
        }

        private func secret() throws -> String {
            var given = token
            if let tokenFile {
                do {
                    given = try SecretFile.read(tokenFile)
                } catch {
                    throw Refusal("--token-file: \(error)")
                }
            }
            guard let given, !given.isEmpty else { return AccessToken.newSecret() }
            guard (32...512).contains(given.utf8.count), given.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw Refusal(
                    "a secret of your own has 32 to 512 visible characters of ASCII, so that nobody guesses it")
            }
            return given
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "Lists all tokens, oldest first.")

        @Option(help: "text or json.")
        var format: OutputFormat = .text

        func run() async throws {
            try await TokenCommand.withStore { store in
                var tokens: [AccessToken] = []
                var offset: Int? = 0
                while let from = offset {
                    let page = try await store.tokens(
                        hashPrefix: "", page: try PageRequest(limit: PageRequest.maximumLimit, offset: from))
                    tokens += page.items
                    offset = page.items.isEmpty ? nil : page.nextOffset
                }
                TokenReport.print(tokens, format)
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows a token.")

        @Argument(help: "Its hash, or the beginning of it.")
        var hash: String

        @Option(help: "text or json.")
        var format: OutputFormat = .text

        func run() async throws {
            try await TokenCommand.withStore { store in
                guard let token = try await TokenCommand.find(hash, in: store) else {
                    TokenReport.print(error: "Token not found: \(hash)", format)
                    throw ExitCode.failure
                }
                TokenReport(token).print(format)
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove", abstract: "Removes a token; every server refuses it within five seconds.")

        @Argument(help: "Its hash, or the beginning of it.")
        var hash: String

        @Flag(name: [.short, .long], help: "Do not ask.")
        var force = false

        func run() async throws {
            try await TokenCommand.withStore { store in
                guard let token = try await TokenCommand.find(hash, in: store) else {
                    print("No token found matching '\(hash)'")
                    return
                }
                print("Token to remove:\n  Description: \(token.description)\n  Created: \(token.createdAt.pythonText)")
                if !force {
                    print("Are you sure you want to remove this token? [y/N]: ", terminator: "")
                    guard ["y", "yes"].contains(readLine()?.lowercased()) else {
                        print("Cancelled.")
                        return
                    }
                }
                print(
                    try await store.remove(hash: token.hash)
                        ? "Token removed successfully." : "Token was removed already.")
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate", abstract: "Makes a new token in place of one, with the same rights and limits.")

        @Argument(help: "The hash of the old token, or the beginning of it.")
        var hash: String

        @Option(help: "How long the old token is accepted still, such as 30m, 1h or 7d.")
        var overlap = "0s"

        @Option(
            name: [.short, .long], help: "After how many days the new one expires; as long as the old one if absent.")
        var expiresDays: Int?

        @Option(help: "text or json.")
        var format: OutputFormat = .text

        func validate() throws {
            guard (0...36_500).contains(expiresDays ?? 0) else {
                throw ValidationError("--expires-days is 0 to 36500.")
            }
            guard Self.seconds(overlap) != nil else {
                throw ValidationError("--overlap is a whole number with s, m, h or d behind it, such as 1h.")
            }
        }

        func run() async throws {
            try await TokenCommand.withStore { store in
                guard let old = try await TokenCommand.find(hash, in: store) else {
                    TokenReport.print(error: "Token not found: \(hash)", format)
                    throw ExitCode.failure
                }
                let now = Timestamp.now()
                guard !old.hasExpired(at: now) else {
                    throw Refusal("the token has expired; make a new one with token add")
                }
                let secret = AccessToken.newSecret()
                let lifetime = old.expiresAt.map { ($0.microseconds - old.createdAt.microseconds) / 1_000_000 }
                let expiry =
                    expiresDays.map { TokenCommand.expiry(afterDays: $0, from: now) }
                    ?? lifetime.map { now.advanced(bySeconds: $0) }
                let token = old.renewed(hash: AccessToken.hash(ofSecret: secret), createdAt: now, expiresAt: expiry)
                let end = now.advanced(bySeconds: Self.seconds(overlap) ?? 0)
                guard try await store.replace(hash: old.hash, expiringAt: end, with: token) else {
                    throw Refusal("the token was removed meanwhile")
                }
                TokenReport(token).printNew(secret: secret, format)
            }
        }

        private static func seconds(_ text: String) -> Int64? {
            let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
            guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
                (0...3_153_600_000 / unit).contains(count)
            else { return nil }
            return count * unit
        }
    }

    // MARK: What commands share

    private static func check(description: String) throws {
        let isPlain = description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isPlain, (1...512).contains(description.utf8.count) else {
            throw ValidationError("--description has 1 to 512 bytes, and no control characters.")
        }
    }

    private static func expiry(afterDays days: Int, from now: Timestamp) -> Timestamp? {
        days == 0 ? nil : now.advanced(bySeconds: Int64(days) * 86_400)
    }

    /// The token whose hash begins with the given text.
    ///
    /// - Throws: ``Refusal`` if several do.
    private static func find(_ prefix: String, in store: any TokenStore) async throws -> AccessToken? {
        guard !prefix.isEmpty else { return nil }
        let found = try await store.tokens(hashPrefix: prefix.lowercased(), page: try PageRequest(limit: 1))
        guard found.total <= 1 else { throw Refusal("\(found.total) tokens have a hash that begins with \(prefix)") }
        return found.items.first
    }

    private static func withStore(_ body: (any TokenStore) async throws -> Void) async throws {
        try await Refusal.wrapping {
            let settings = try Settings.start()
            let assembly = Assembly(settings: settings, logger: Logger(label: "agent-memory"))
            guard let stores = try assembly.durableStateStores() else {
                throw Refusal(
                    "MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory): there is no store that keeps tokens; with a loaded backend, STATE_STORE_URL says where they are kept"
                )
            }
            do {
                try await stores.tokens.prepare()
                try await body(stores.tokens)
            } catch {
                await stores.close()
                throw error
            }
            await stores.close()
        }
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}
