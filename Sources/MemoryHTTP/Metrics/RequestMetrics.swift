import HTTPTypes
import Metering
import Synchronization

/// Counts the requests of this server, by the template of their route, their method and the status
/// of their response.
///
/// There are as many series as routes, methods and statuses, whatever clients send.
final class RequestMetrics: Sendable {
    /// The route of requests that no route has, and of methods that HTTP does not have.
    static let unknownRoute = "unknown"

    fileprivate struct Series {
        let method: HTTPRequest.Method
        let status: Int
        var durations = DurationHistogram(DurationHistogram.boundsOfRequests)
    }

    private struct State {
        var inWork = 0
        /// A route has few series: a list is searched faster than a dictionary, and is not copied.
        var routes: [String: [Series]] = [:]
    }

    private let state = Mutex(State())
    private let requests: RequestsInWork?
    private let largeWork: LargeWork?
    private let transfers: TransferController?

    /// The parameters count the requests that they refuse; `nil` refuses none.
    init(requests: RequestsInWork?, largeWork: LargeWork?, transfers: TransferController?) {
        self.requests = requests
        self.largeWork = largeWork
        self.transfers = transfers
    }

    func begin() { state.withLock { $0.inWork += 1 } }

    /// - Parameters:
    ///   - route: the template; `nil` for a request that no route has.
    ///   - status: of the response; 0 if there was none.
    func end(_ route: String?, _ method: HTTPRequest.Method, status: Int, after duration: Duration) {
        let method = route == nil ? Self.other : method
        state.withLock { state in
            state.inWork -= 1
            state.routes[route ?? Self.unknownRoute, default: []].record(duration, method, status)
        }
    }

    /// The method of unknown routes: a client can invent any.
    private static let other = HTTPRequest.Method("OTHER")!

    var families: [MetricFamily] {
        let (inWork, routes) = state.withLock { ($0.inWork, $0.routes) }
        var counts = MetricFamily(
            .counter, "agent_memory_http_requests_total", "Requests by route, method and status of the response.")
        var durations = MetricFamily(
            .histogram, "agent_memory_http_request_duration_seconds",
            "Time from the head of a request to its response; a streamed response may take longer.")
        for (route, series) in routes.sorted(by: { $0.key < $1.key }) {
            for series in series.sorted(by: { ($0.method.rawValue, $0.status) < ($1.method.rawValue, $1.status) }) {
                let labels: KeyValuePairs = [
                    "route": route, "method": series.method.rawValue, "code": String(series.status),
                ]
                counts.add(series.durations.count, labels)
                durations.add(series.durations, labels)
            }
        }
        var refused = MetricFamily(
            .counter, "agent_memory_http_refused_total",
            "Requests that got 503 because of a limit: of requests in work, of large ones, of exports and imports, or of their time."
        )
        if let requests {
            let refusals = requests.refusals
            refused.add(refusals.full, ["limit": "requests"])
            refused.add(refusals.late, ["limit": "time"])
        }
        if let largeWork { refused.add(largeWork.refusals.value, ["limit": "large_work"]) }
        if let transfers { refused.add(transfers.refusals, ["limit": "transfers"]) }
        return [
            counts, durations,
            MetricFamily(
                .gauge, "agent_memory_http_requests_in_work",
                "Requests without a response, with the one that asks for this page.", value: Double(inWork)), refused,
        ]
    }
}

extension [RequestMetrics.Series] {
    fileprivate mutating func record(_ duration: Duration, _ method: HTTPRequest.Method, _ status: Int) {
        if let position = firstIndex(where: { $0.status == status && $0.method == method }) {
            self[position].durations.record(duration)
        } else {
            var series = RequestMetrics.Series(method: method, status: status)
            series.durations.record(duration)
            append(series)
        }
    }
}
