import AgentMemory
import BackendProtocol

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The server's messages to the Python program, as JSON.
enum PythonFrame {
    /// The first one: the source of the program.
    static func modules(_ modules: [(name: String, source: String)], main: String) -> [UInt8] {
        object { writer in
            writer.name("modules")
            writer.object { writer in
                for (name, source) in modules {
                    writer.name(name)
                    writer.string(source)
                }
            }
            writer.name("main")
            writer.string(main)
        }
    }

    static func start(factory: String, settings: BackendSettings) -> [UInt8] {
        object("start") { writer in
            writer.name("factory")
            writer.string(factory)
            writer.name("settings")
            settings.write(to: &writer)
        }
    }

    /// - Parameter request: JSON, embedded unchanged.
    static func call(
        _ number: UInt64, _ operation: BackendOperation, timeoutMilliseconds: Int, request: [UInt8]
    ) -> [UInt8] {
        let head = object("call") { writer in
            writer.name("call")
            writer.int(Int(number))
            writer.name("operation")
            writer.string(operation.rawValue)
            writer.name("timeout_ms")
            writer.int(timeoutMilliseconds)
        }
        return head.dropLast() + Array(",\"request\":".utf8) + request + [UInt8(ascii: "}")]
    }

    static func cancel(_ number: UInt64) -> [UInt8] {
        object("cancel") { writer in
            writer.name("call")
            writer.int(Int(number))
        }
    }

    static func embedded(_ request: Int, _ vectors: [[Float]]) -> [UInt8] {
        let columns = vectors.first?.count ?? 0
        var matrix = Data(capacity: vectors.count * columns * 4)
        for vector in vectors {
            for value in vector {
                withUnsafeBytes(of: value.bitPattern.littleEndian) { matrix.append(contentsOf: $0) }
            }
        }
        return object("embedded") { writer in
            writer.name("embed")
            writer.int(request)
            writer.name("status")
            writer.string(BackendStatus.ok.word)
            writer.name("rows")
            writer.int(vectors.count)
            writer.name("columns")
            writer.int(columns)
            writer.name("matrix")
            writer.string(matrix.base64EncodedString())
        }
    }

    static func notEmbedded(_ request: Int, _ error: any Error) -> [UInt8] {
        object("embedded") { writer in
            writer.name("embed")
            writer.int(request)
            writer.name("status")
            writer.string(BackendStatus(error).word)
            writer.name("message")
            writer.string((error as? MemoryError)?.message ?? "the embeddings could not be made")
        }
    }

    static func close() -> [UInt8] { object("close") { _ in } }

    private static func object(_ type: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        object { writer in
            writer.name("type")
            writer.string(type)
            body(&writer)
        }
    }

    private static func object(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.object(body)
        return writer.bytes
    }
}

/// The Python program's messages to the server.
enum PythonMessage {
    case started(BackendDescription)
    /// The factory gave no backend.
    case refused(BackendFactoryError.Code, message: String)
    case answer(UInt64, PendingCalls.Reply)
    /// - Parameter call: the call that needs the vectors; 0 for none.
    case embed(request: Int, call: UInt64, texts: [String])
    case log(level: String, message: String)

    /// - Throws: ``MemoryError`` with code `internalError` or `misconfigured` that names what
    ///   cannot be read.
    init(_ frame: JSONValue) throws(MemoryError) {
        let reader = MemberReader(frame, of: "a frame of the Python program")
        switch try reader.required("type", \.stringValue) {
        case "started":
            self = .started(try BackendDescription(json: try reader.required("description") { $0 }))
        case "refused":
            self = .refused(
                try reader.required("failure") { $0.stringValue.flatMap(Self.code) },
                message: try reader.required("message", \.stringValue))
        case "answer":
            let status = try reader.required("status") { $0.stringValue }
            // Without a known status it still counts as a reply that ends the call.
            let number = BackendStatus(word: status)?.rawValue ?? -1
            let value = number == BackendStatus.ok.rawValue ? frame["answer"] : frame
            self = .answer(
                try reader.required("call", Self.number), PendingCalls.Reply(status: number, content: .value(value)))
        case "embed":
            self = .embed(
                request: try reader.required("embed", \.intValue), call: try reader.optional("call", Self.number) ?? 0,
                texts: try reader.strings("texts"))
        case "log":
            self = .log(
                level: try reader.required("level", \.stringValue),
                message: try reader.required("message", \.stringValue))
        default: throw reader.unreadable("type")
        }
    }

    private static func number(_ json: JSONValue) -> UInt64? { json.intValue.flatMap { UInt64(exactly: $0) } }

    private static func code(_ word: String) -> BackendFactoryError.Code? {
        switch word {
        case "import_error": .importError
        case "function_not_found": .functionNotFound
        case "invalid_return_type": .invalidReturnType
        case "runtime_error": .runtimeError
        default: nil
        }
    }
}
