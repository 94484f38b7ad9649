import AgentMemory
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
    /// An answer whose body `body` writes.
    static func json(
        status: HTTPResponse.Status = .ok, capacity: Int = 1024, _ body: (inout JSONWriter) -> Void
    ) -> Response {
        var writer = JSONWriter(capacity: capacity)
        body(&writer)
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: writer.bytes)))
    }

    /// `{"status": text}`, which several routes answer.
    static func status(_ text: String) -> Response {
        json { writer in
            writer.object { writer in
                writer.name("status")
                writer.string(text)
            }
        }
    }
}
