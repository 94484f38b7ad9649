import PostgresDriver
import TestServices
import TestSupport
import Testing

@Suite(.tags(.store)) struct ConnectionStringTests {
    private func failure(_ text: String) -> PostgresError? {
        do {
            try PostgresPool(.init(connection: .init(connectionString: text))).close()
            return nil
        } catch {
            return error
        }
    }

    /// Each holds the password `hunter2` or a part of it where libpq takes it for something else,
    /// and shows it.
    @Test(arguments: [
        "postgresql://me:hun@hunter2@host/db", "postgresql://me:hunter2@x@host:5432/db?sslmode=disable",
        "postgresql://me:a/hunter2@host/db", "postgres://me:hunter2/@host/db", "postgresql://me:hunter2@host:x/db",
        "postgresql://me:p/a?hunter2=x@host/db", "postgresql://me:hunter2@[bad", "postgresql://me:%zzhunter2@host/db",
        "host=h password=my hunter2=x", "hunter2", "host=h sslmode=hunter2", "host=h connect_timeout=hunter2",
        "host=h port=hunter2", "host=h target_session_attrs=hunter2",
    ])
    func `what cannot be meant is refused without showing it`(_ text: String) throws {
        let error = try #require(failure(text))
        #expect(error.code == .invalidConfiguration)
        #expect(!"\(error)".contains("hunter2"))
        #expect(error.message.hasPrefix("the database URL "))
    }

    @Test(arguments: [
        ("postgresql://u:p@h/d?sslmod=require", "sslmod"), ("host=h databse=d", "databse"),
        ("postgresql://u@h/d?sslmode=maybe", "sslmode"), ("host=h port=99999", "port"), ("host=h port=1,x", "port"),
        ("host=h keepalives_idle=99999999999999999999", "keepalives_idle"),
        ("postgresql://u:a@b@h/d", "%40"),
    ])
    func `refusals name what is wrong`(_ text: String, _ name: String) throws {
        #expect(try #require(failure(text)).message.contains(name))
    }

    @Test(arguments: [
        "postgresql://", "postgresql://u:a%40b@h:5432/d", "postgresql://u:a?b@h/d", "postgresql://h/d?user=me@there",
        "postgresql://u:p@h1:1,h2:2/d?target_session_attrs=read-write&connect_timeout=3", "host=/tmp dbname=d",
        "host='h' user=u password='a b=c@d' port=''", "postgresql://[::1]:5432/d", "",
    ])
    func `what libpq reads is taken`(_ text: String) {
        #expect(failure(text) == nil)
    }

    @Test func `failures to connect show no part of the string`() async throws {
        for url in [
            "postgresql://hunter2:hunter2@127.0.0.1:1/hunter2",
            "host=/nowhere dbname=hunter2 password=hunter2 sslkey=hunter2",
        ] {
            try await TestServer.withPool(url: url) { pool in
                let error = await #expect(throws: PostgresError.self) {
                    try await pool.query(PostgresStatement("SELECT 1"), retry: .repeatable, deadline: .soon)
                }
                #expect(error?.code == .connectionFailed)
                #expect(error.map { !"\($0)".contains("hunter2") } == true)
            }
        }
    }

    @Test func `a refused login differs from a server that is down`() async throws {
        for url in [
            try SharedServer.postgresURL(user: "nobody_of_that_name"),
            try SharedServer.postgresURL(database: "hunter2"),
        ] {
            try await TestServer.withPool(url: url) { pool in
                let error = await #expect(throws: PostgresError.self) {
                    try await pool.query(PostgresStatement("SELECT 1"), retry: .repeatable, deadline: .soon)
                }
                #expect(error?.code == .loginRefused)
                #expect(["28000", "3D000"].contains(error?.sqlState))
                #expect(error.map { !"\($0)".contains("nobody_of") && !"\($0)".contains("hunter2") } == true)
            }
        }
    }
}
