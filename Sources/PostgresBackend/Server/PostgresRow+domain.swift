import AgentMemory
import PostgresDriver

extension PostgresValue {
    /// A value of a column of the type `json`, which the statement must declare for the server.
    static func json(_ value: JSONValue) -> PostgresValue {
        var writer = JSONWriter()
        writer.value(value)
        return .inferred(writer.bytes)
    }
}

extension PostgresRow {
    /// The value of a column of the type `json`.
    func json(_ column: Int) throws -> JSONValue {
        guard let value = try? JSONValue(parsing: try rawBytes(column)) else {
            throw PostgresError(.unexpectedResult, "column \(column) of the result is not JSON")
        }
        return value
    }

    /// The value of a column of the type `json` that holds objects.
    func jsonObject(_ column: Int) throws -> JSONObject {
        let bytes = try rawBytes(column)
        if bytes == [0x7B, 0x7D] { return [:] }
        guard let object = try? JSONValue(parsing: bytes).objectValue else {
            throw PostgresError(.unexpectedResult, "column \(column) of the result is not a JSON object")
        }
        return object
    }

    /// The date of a `timestamptz`.
    func date(_ column: Int) throws -> Timestamp {
        guard let date = Timestamp(microseconds: try timestamp(column)) else {
            throw PostgresError(
                .unexpectedResult, "column \(column) of the result has a date outside the years 1 to 9999")
        }
        return date
    }

    func optionalDate(_ column: Int) throws -> Timestamp? {
        isNull(column) ? nil : try date(column)
    }
}
