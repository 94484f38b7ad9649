import HTTPTypes
import Hummingbird
import MemoryAPI
import NIOCore

extension Response {
    /// A response of the API.
    static func json(_ response: some APIResponse, status: HTTPResponse.Status = .ok) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: response.bytes)))
    }

    /// An error with one sentence about it.
    static func error(_ status: HTTPResponse.Status, _ detail: String) -> Response {
        json(ErrorResponse.detail(detail), status: status)
    }
}
