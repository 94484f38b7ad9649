import Foundation
import HTTPTypes

extension HTTPField.Name {
    static let apiKey = HTTPField.Name("X-API-Key")!
}

/// What a request presents to say who it is from.
enum Credential: Equatable {
    case none
    case secret(String)
    /// Two different secrets: the server does not choose.
    case contradictory

    /// Reads `Authorization: Bearer`, `Authorization: Basic` (the password; the user does not
    /// matter), and `X-API-Key`. Other schemes present nothing.
    init(_ headers: HTTPFields) {
        var secrets: [String] = []
        for value in headers[values: .authorization] {
            if let secret = Self.secret(authorization: value) { secrets.append(secret) }
        }
        for value in headers[values: .apiKey] where !value.isEmpty { secrets.append(value) }
        guard let first = secrets.first else {
            self = .none
            return
        }
        let isOne = secrets.allSatisfy { $0.utf8.elementsEqual(first.utf8) }
        self = isOne ? .secret(first) : .contradictory
    }

    private static func secret(authorization value: String) -> String? {
        let parts = value.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let given = String(parts[1].drop { $0 == " " })
        guard !given.isEmpty else { return nil }
        switch parts[0].lowercased() {
        case "bearer": return given
        case "basic":
            guard let bytes = Data(base64Encoded: given), let pair = String(validating: bytes, as: UTF8.self),
                let colon = pair.utf8.firstIndex(of: UInt8(ascii: ":"))
            else { return nil }
            let password = String(pair[pair.utf8.index(after: colon)...])
            return password.isEmpty ? nil : password
        default: return nil
        }
    }
}
