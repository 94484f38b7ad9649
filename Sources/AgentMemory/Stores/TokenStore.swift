/// A store of access tokens, which any number of servers share.
///
/// ``Store/health()`` has the component `tokens`. All calls may run at the same time, from several
/// processes; each is atomic and ends within the deadline that the store was configured with. Every
/// failure is a ``MemoryError``.
public protocol TokenStore: Store {
    /// Keeps a token.
    ///
    /// - Throws: ``MemoryError`` with code `conflict` if there is one with its hash.
    func add(_ token: AccessToken) async throws

    /// The token with this hash, expired or not; `nil` if there is none.
    func token(hash: String) async throws -> AccessToken?

    /// The tokens whose hash has this prefix (empty: all), oldest first, then by hash, with their
    /// total.
    func tokens(hashPrefix: String, page: PageRequest) async throws -> Page<AccessToken>

    /// Removes a token.
    ///
    /// - Returns: whether there was one.
    func remove(hash: String) async throws -> Bool

    /// Keeps `token`, and lets the one with the hash `old` expire at `end` unless it does so
    /// earlier: both in one step.
    ///
    /// - Returns: `false`, changing nothing, if there is no token with the hash `old`.
    /// - Throws: ``MemoryError`` with code `conflict` if there is a token with the new hash.
    func replace(hash old: String, expiringAt end: Timestamp, with token: AccessToken) async throws -> Bool

    /// Notes when tokens were last used, by their hashes: sets ``AccessToken/lastUsedAt`` where the
    /// given date is later. Hashes that are not there are ignored.
    func noteUse(_ uses: [String: Timestamp]) async throws

    /// A number that is another one after every ``add(_:)``, ``remove(hash:)`` and
    /// ``replace(hash:expiringAt:with:)`` than before it, so that a server can tell whether what it
    /// has read still holds. A read after this one sees all that was written before the number was
    /// read.
    func revision() async throws -> Int
}
