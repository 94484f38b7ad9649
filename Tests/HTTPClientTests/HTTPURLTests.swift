import HTTPClient
import Testing

@Suite("HTTP URLs and dates")
struct HTTPURLTests {
    @Test func `takes URLs apart and together`() throws {
        let url = try HTTPURL("https://me:pass@Example.com:8443/a/b?c=d")
        #expect(url.scheme == "https")
        #expect(url.host == "example.com")
        #expect(url.port == 8443)
        #expect(url.userInfo == "me:pass")
        #expect(url.path == "/a/b")
        #expect(url.query == "c=d")
        #expect(url.text == "https://me:pass@example.com:8443/a/b?c=d")
        #expect("\(url)" == "https://example.com:8443")
    }

    @Test func `fills in the root path`() throws {
        let url = try HTTPURL("http://[::1]")
        #expect(url.path == "/")
        #expect(url.port == nil)
        #expect(url.text == "http://[::1]/")
    }

    @Test func `reads dates`() {
        #expect(HTTPDate.unixSeconds("Sun, 06 Nov 1994 08:49:37 GMT") == 784_111_777)
        #expect(HTTPDate.unixSeconds("soon") == nil)
    }
}
