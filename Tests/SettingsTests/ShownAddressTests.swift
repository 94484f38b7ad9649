import Testing

@testable import Settings

/// What is shown of addresses. In every form the word "hunter2", or a part of it, stands for a
/// secret.
@Suite struct ShownAddressTests {
    @Test(arguments: [
        ("redis://localhost:6379", "redis://localhost:6379"),
        ("redis://me:hunter2@cache:6379/3", "redis://me:***@cache:6379/3"),
        ("rediss://:hunter2@cache/0", "rediss://:***@cache/0"),
        ("redis://hunter2@cache", "redis://***@cache"),
        ("redis://[2001:db8::1]:6379/0", "redis://[2001:db8::1]:6379/0"),
        ("redis://h:6379/0?password=hunter2", "redis://h:6379/0?password=***"),
        ("redis://me:hunter2%40%2F@h", "redis://me:***@h"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
        ("unix://me:hunter2@/run/redis.sock", "unix://me:***@/run/redis.sock"),
        ("postgresql://me@localhost/agent_memory", "postgresql://***@localhost/agent_memory"),
        ("postgres://me:hunter2@a:5432,b:5433/d?sslmode=require", "postgres://me:***@a:5432,b:5433/d?sslmode=require"),
        ("postgresql:///d", "postgresql:///d"),
        ("postgresql://%2Fvar%2Frun/d", "postgresql://%2Fvar%2Frun/d"),
        ("postgresql://me%3Ahunter2@h/d", "postgresql://***@h/d"),
        ("postgresql://h/d?user=me&sslpassword=hunter2", "postgresql://h/d?user=me&sslpassword=***"),
        ("postgresql://h/d?options=-c%20a.key%3Dhunter2", "postgresql://h/d?options=***"),
        ("https://me:hunter2@proxy/v1", "https://me:***@proxy/v1"),
        ("https://hunter2@proxy/v1", "https://***@proxy/v1"),
        (
            "https://h.openai.azure.com/openai?api-version=2024-10-21",
            "https://h.openai.azure.com/openai?api-version=2024-10-21"
        ),
        ("host=h user=u password = hunter2 dbname=d", "host=h user=u password=*** dbname=d"),
        (#"password='a\'b hunter2' host=h"#, "password=*** host=h"),
        ("host=h\npassword=hunter2", "host=h password=***"),
        (#"host=h password=a\ hunter2"#, "host=h password=***"),
    ])
    func `understood forms are shown without secrets`(_ address: String, _ shown: String) {
        #expect(ShownAddress.of(address) == shown)
    }

    @Test(arguments: [
        // Characters that should have been escaped.
        "redis://:hun/ter2@h:6379", "redis://:hun?ter2@h:6379", "redis://:hun#ter2@h:6379", "redis://me:hunt@er2@h",
        "postgresql://me:hun/ter2@h/d", "postgresql://me:hun?ter2@h/d", "postgresql://me:hun#ter2@h/d",
        "postgresql://me:hunt@er2@h/d", "postgresql://me:12?hunter2@h/d", "redis://me:12/hunter2@h",
        "https://me:hun?ter2@h/v1", "https://h/v1#hunter2", "redis://me:hunter2@h me", "postgresql://me:hun ter2/x@h",
        // No scheme, or half of one, or another one.
        "me:hunter2@h/d", "hunter2", "//me:hunter2@h/d", "redis:/me:hunter2@h", "redis//me:hunter2@h",
        "redis:me:hunter2@h", "REDIS://me:hunter2@h", "mysql://me:hunter2@h/d", "postgresql+asyncpg://me:hunter2@h/d",
        "jdbc:postgresql://h/d?user=me&password=hunter2", "me:hunter2@h/d?sslmode=require", "://me:hunter2@h",
        // Parameters that are not known, or none.
        "postgresql://h/d?pasword=hunter2", "postgresql://h/d?Password=hunter2", "postgresql://h/d?pass=hunter2",
        "postgresql://h/d?password=a&hunter2", "postgresql://h/d?hunter2", "postgresql://h/d?password=a=hunter2",
        "postgresql://h/d?user=me;password=hunter2", "postgresql://h/d?user=me?password=hunter2",
        "https://h/v1?key=hunter2", "https://h/v1?api_key=hunter2", "redis://h/0?auth=hunter2",
        "postgresql://h/d?%70assword=hunter2", "postgresql://h/d?application_name=a@hunter2",
        // Hosts, ports and paths that are none.
        "redis://:hunter2", "redis://h:hunter2", "redis://h:99999999999999999999/hunter2", "redis://h/hunter2",
        "postgresql://h%3Ahunter2/d", "redis://[hunter2]", "redis://h:0/hunter2", "https://h/%68unter2",
        // Keywords.
        "host=h pasword=hunter2", "host=h password=hun ter2 dbname=d", "host=h password='hunter2",
        "host=h password='hun'ter2 dbname=d", "password=hunter2 host='h", "host=h password=a 'hunter2'",
        "host=h = hunter2", "dbname=postgresql://me:hunter2@h/d", "password=hunter2\\",
        "=hunter2",
    ])
    func `what is not understood is not shown`(_ address: String) {
        #expect(ShownAddress.of(address) == ShownAddress.notUnderstood)
    }

    /// Whatever is done to an address, nothing of its password comes out: cut anywhere, and with
    /// any character put in anywhere before the @.
    @Test(arguments: [
        "redis://me:hunter2@h:6379/0", "postgresql://me:hunter2@h/d?sslmode=require", "https://me:hunter2@h/v1",
    ])
    func `no damage shows the password`(_ address: String) {
        let characters = Array(address)
        for index in characters.indices {
            for inserted in ["/", "?", "#", "@", ":", "&", "=", " ", "'", "%", "\\", "[", "é", "\n"] as [Character] {
                var damaged = characters
                damaged.insert(inserted, at: index)
                #expect(!ShownAddress.of(String(damaged)).contains("hunter2"), "\(String(damaged))")
            }
            var shortened = characters
            shortened.remove(at: index)
            #expect(!ShownAddress.of(String(shortened)).contains("hunter2"), "\(String(shortened))")
        }
    }
}
