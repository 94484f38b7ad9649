/// The settings of one subject.
public protocol SettingsRoom: Sendable {
    /// The heading in the documentation.
    static var title: String { get }
}

/// Every setting, by room. Rooms and settings are read, printed and documented in the order of
/// their declarations.
public struct SettingsCatalogue: Sendable {
    public let stores = StoreSettings()
    public let server = ServerSettings()
    public let http = HTTPSettings()
    public let memory = MemorySettings()
    public let forgetting = ForgettingSettings()
    public let jobs = JobSettings()
    public let redis = RedisSettings()
    public let vectors = VectorSettings()
    public let postgres = PostgresSettings()
    public let embeddings = EmbeddingSettings()
    public let reranking = RerankingSettings()
    public let language = LanguageSettings()
    public let access = AccessSettings()

    public static let shared = SettingsCatalogue()

    /// Every room with its settings.
    ///
    /// Found by reflection, as swift-argument-parser finds options: a declaration cannot be
    /// forgotten in a second list.
    var rooms: [(title: String, settings: [any ReadableSetting])] {
        Mirror(reflecting: self).children.compactMap { child in
            guard let room = child.value as? any SettingsRoom else { return nil }
            let settings = Mirror(reflecting: room).children.compactMap { $0.value as? any ReadableSetting }
            return (type(of: room).title, settings)
        }
    }
}

/// A setting of any type of value.
protocol ReadableSetting: Sendable {
    var declaration: SettingDeclaration { get }
    /// Reads the value, reports problems to the reader, and returns a ``SettingValue``.
    func value(_ reader: inout SettingsReader) -> any Sendable
}

/// The value of a setting. A separate type, because behind `any` an optional that is `nil` cannot
/// be distinguished from "no such value".
struct SettingValue<Value: Sendable>: Sendable {
    let value: Value
}

extension Setting: ReadableSetting {
    func value(_ reader: inout SettingsReader) -> any Sendable { SettingValue(value: read(&reader)) }
}
