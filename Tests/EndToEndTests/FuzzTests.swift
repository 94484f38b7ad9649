import TestSupport
import Testing

/// A bounded part of what `Tests/Fuzz/fuzz_requests.py` can send; its own first lines say what
/// fails.
@Suite(.tags(.server)) struct FuzzTests {
    @Test(arguments: Store.allCases)
    func `malformed requests get a response`(_ store: Store) async throws {
        try await ServerProcess.run(try store.environment()) { server in
            try await OfficialClientTests.python(
                "../Fuzz/fuzz_requests.py",
                [server.url, "--pid", String(server.identifier), "--requests", "3000", "--seed", "1"])
        }
    }
}
