import CCurl

/// A request that waits for a transfer of its own.
struct QueuedRequest: Sendable {
    let id: Int
    let url: HTTPURL
    let request: HTTPClient.Request
    let deadline: ContinuousClock.Instant
    /// Called once.
    let completion: @Sendable (Result<HTTPClient.Response, HTTPClientError>) -> Void
}

/// One easy handle and what it has received. Used by the loop's thread only.
final class Transfer {
    let queued: QueuedRequest
    let easy: UnsafeMutableRawPointer
    private let maximumBytes: Int
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>
    private var headers = HTTPHeaders()
    private var body: [UInt8] = []
    private var exceededLimit = false

    /// - Returns: `nil` when libcurl has no memory left.
    init?(_ queued: QueuedRequest, configuration: HTTPClient.Configuration) {
        guard let easy = curl_easy_init() else { return nil }
        self.queued = queued
        self.easy = easy
        maximumBytes = configuration.maximumResponseBytes
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        setConnection(configuration)
        setRequest(configuration)
        setCallbacks()
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(headerList)
        errorText.deallocate()
    }

    private func setConnection(_ configuration: HTTPClient.Configuration) {
        curl_easy_setopt_string(easy, CURLOPT_URL, queued.url.text)
        curl_easy_setopt_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        curl_easy_setopt_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        curl_easy_setopt_long(easy, CURLOPT_NOSIGNAL, 1)
        curl_easy_setopt_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        // Removing a transfer that still resolves its name would otherwise block the thread, and
        // with it all other transfers, until the resolver gives up. The resolver's thread ends by
        // itself.
        curl_easy_setopt_long(easy, CURLOPT_QUICK_EXIT, 1)
        curl_easy_setopt_long(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        curl_easy_setopt_long(easy, CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        curl_easy_setopt_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        curl_easy_setopt_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        if let file = configuration.certificateAuthorityFile {
            curl_easy_setopt_string(easy, CURLOPT_CAINFO, file)
        }
        curl_easy_setopt_long(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(configuration.connectTimeout))
        curl_easy_setopt_long(easy, CURLOPT_TIMEOUT_MS, milliseconds(queued.deadline - .now))
    }

    private func setRequest(_ configuration: HTTPClient.Configuration) {
        let method = queued.request.method
        switch method {
        case .get: curl_easy_setopt_long(easy, CURLOPT_HTTPGET, 1)
        case .delete where queued.request.body.isEmpty: curl_easy_setopt_long(easy, CURLOPT_HTTPGET, 1)
        case .post, .put, .patch, .delete: setBody(queued.request.body)
        }
        // The options above set GET and POST; for other methods libcurl needs only the name.
        if method != .get, method != .post { curl_easy_setopt_string(easy, CURLOPT_CUSTOMREQUEST, method.rawValue) }
        curl_easy_setopt_string(easy, CURLOPT_USERAGENT, configuration.userAgent)
        var fields = queued.request.headers.fields
        // libcurl would wait up to a second for a "100 Continue" that most services never send.
        fields.append(("Expect", ""))
        for field in fields {
            // "Name:" takes a header away, "Name;" sends it empty.
            let line =
                if !field.value.isEmpty { "\(field.name): \(field.value)" } else if field.name == "Expect" {
                    "Expect:"
                } else { "\(field.name);" }
            headerList = curl_slist_append(headerList, line) ?? headerList
        }
        curl_easy_setopt_slist(easy, CURLOPT_HTTPHEADER, headerList)
    }

    private func setBody(_ body: [UInt8]) {
        curl_easy_setopt_long(easy, CURLOPT_POST, 1)
        curl_easy_setopt_off_t(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
        // Copied: the easy handle lives longer than any borrowed pointer.
        _ = body.withUnsafeBytes {
            curl_easy_setopt_pointer(easy, CURLOPT_COPYPOSTFIELDS, $0.baseAddress ?? UnsafeRawPointer(errorText))
        }
    }

    private func setCallbacks() {
        // Not retained: the loop keeps the transfer for as long as its easy handle can call back.
        let context = Unmanaged.passUnretained(self).toOpaque()
        curl_easy_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText)
        curl_easy_setopt_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        curl_easy_setopt_off_t(easy, CURLOPT_MAXFILESIZE_LARGE, curl_off_t(maximumBytes))
        curl_easy_setopt_pointer(easy, CURLOPT_HEADERDATA, context)
        curl_easy_setopt_data_function(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
            Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().receiveHeader(line)
            return size * count
        }
        curl_easy_setopt_pointer(easy, CURLOPT_WRITEDATA, context)
        curl_easy_setopt_data_function(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let chunk = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().receiveBody(chunk) ? size * count : 0
        }
    }

    private func receiveHeader(_ line: UnsafeRawBufferPointer) {
        // A new status line starts the headers of the next response, after a 1xx one.
        if line.starts(with: "HTTP/".utf8) {
            headers = HTTPHeaders()
            return
        }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
            let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D || $0 == 0x0A }
            let start = bytes.firstIndex { !isBlank($0) } ?? bytes.endIndex
            let end = bytes.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? start
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
        headers.append(trimmed(line[..<colon]), trimmed(line[(colon + 1)...]))
    }

    private func receiveBody(_ chunk: UnsafeRawBufferPointer) -> Bool {
        guard body.count + chunk.count <= maximumBytes else {
            exceededLimit = true
            return false
        }
        body.append(contentsOf: chunk)
        return true
    }

    /// The result of the transfer, once libcurl has ended it with `code`.
    func result(_ code: CURLcode) -> Result<HTTPClient.Response, HTTPClientError> {
        guard code == CURLE_OK else { return .failure(error(code)) }
        var status = 0
        curl_easy_getinfo_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return .success(HTTPClient.Response(status: status, headers: headers, body: body))
    }

    private func error(_ code: CURLcode) -> HTTPClientError {
        let host = queued.url.authority
        let general = String(cString: curl_easy_strerror(code))
        // These texts name hosts, ports and certificates; those of other codes may quote the
        // request.
        let detailed = errorText.pointee == 0 ? general : String(cString: errorText)
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY:
            return HTTPClientError(.couldNotConnect, "no connection to \(host): \(detailed)")
        case CURLE_OPERATION_TIMEDOUT:
            var connected: curl_off_t = 0
            curl_easy_getinfo_off_t(easy, CURLINFO_PRETRANSFER_TIME_T, &connected)
            if connected == 0, queued.deadline > .now {
                return HTTPClientError(.couldNotConnect, "no connection to \(host) within the connect timeout")
            }
            return HTTPClientError(.timedOut, "no complete response from \(host) within \(queued.request.timeout)")
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_ENGINE_NOTFOUND:
            return HTTPClientError(.tls, "no TLS connection to \(host): \(detailed)")
        case CURLE_FILESIZE_EXCEEDED,
            CURLE_WRITE_ERROR where exceededLimit:
            return HTTPClientError(.tooLarge, "the response from \(host) is larger than \(maximumBytes) bytes")
        case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
            return HTTPClientError(.invalidURL, "the URL cannot be requested")
        default:
            return HTTPClientError(.other, "the request to \(host) failed: \(general)")
        }
    }

    /// Rounded up and at least 1: libcurl takes 0 for "no limit".
    private func milliseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        guard seconds < 1_000_000 else { return 1_000_000_000 }
        return max(1, Int(seconds) * 1000 + Int((attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000))
    }
}
