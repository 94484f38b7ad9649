import RedisDriver
import Testing

@Suite struct EndpointTests {
    @Test func `reads host port and database`() throws {
        #expect(try RedisEndpoint(url: "redis://cache") == RedisEndpoint(.tcp(host: "cache", port: 6379)))
        #expect(try RedisEndpoint(url: "redis://") == RedisEndpoint(.tcp(host: "localhost", port: 6379)))
        #expect(
            try RedisEndpoint(url: "redis://cache:7000/3")
                == RedisEndpoint(.tcp(host: "cache", port: 7000), database: 3))
        #expect(
            try RedisEndpoint(url: "REDIS://[::1]:7000?db=2")
                == RedisEndpoint(.tcp(host: "::1", port: 7000), database: 2))
    }

    @Test func `decodes credentials`() throws {
        let endpoint = try RedisEndpoint(url: "redis://me%40home:p%2Fw%3A%C3%A4@h")
        #expect(endpoint.user == "me@home")
        #expect(endpoint.password == "p/w:ä")
        #expect(try RedisEndpoint(url: "redis://:secret@h").user == nil)
        #expect(try RedisEndpoint(url: "redis://:se@cret@h").password == "se@cret")
    }

    @Test func `reads TLS parameters`() throws {
        #expect(try RedisEndpoint(url: "rediss://h").tls == .init())
        let endpoint = try RedisEndpoint(url: "rediss://h:1?ssl_cert_reqs=none&ssl_ca_certs=%2Fca.pem&client_name=x")
        #expect(endpoint.tls == .init(verification: .none, authorities: "/ca.pem"))
        #expect(endpoint.clientName == "x")
        #expect(try RedisEndpoint(url: "rediss://h?ssl_check_hostname=false").tls?.verification == .withoutHostname)
    }

    @Test(arguments: ["unix:///run/redis.sock?db=4", "redis+unix:///run/redis.sock?db=4"])
    func `reads unix sockets`(url: String) throws {
        #expect(try RedisEndpoint(url: url) == RedisEndpoint(.unixSocket(path: "/run/redis.sock"), database: 4))
    }

    @Test(arguments: [
        "redis+cluster://h", "rediss-cluster://h", "redis+sentinel://h/main", "redis://a,b,c", "redis://a:1,b:2/0",
    ])
    func `refuses clusters and sentinels`(url: String) {
        #expect { try RedisEndpoint(url: url) } throws: { ($0 as? RedisError)?.code == .unsupportedServer }
    }

    @Test(arguments: [
        "", "localhost:6379", "http://h", "redis://h:0", "redis://h:+6379", "redis://h:99999999999999999999",
        "redis://h/+1", "redis://h/-1", "redis://h/99999999999999999999", "redis://h?db=-1", "redis://h:hunter2",
        "redis://h/x", "redis://h?tyop=1",
        "redis://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=hunter2", "redis://hunter2@h", "redis://:hunt%er2@h",
        "redis://[::1:hunter2", "redis://::1", "unix://hunter2", "redis://:pa?hunter2=3@h", "redis://:x#hunter2@h",
    ])
    func `refuses others without showing secrets`(url: String) {
        #expect { try RedisEndpoint(url: url) } throws: { error in
            (error as? RedisError)?.code == .invalidEndpoint && !"\(error)".contains("hunter2")
        }
    }

    @Test func `shows no credentials`() throws {
        #expect("\(try RedisEndpoint(url: "redis://u:hunter2@h/1"))" == "h:6379/1")
    }
}
