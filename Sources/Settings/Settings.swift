/// The value of every setting: `settings.redis.indexName`.
@dynamicMemberLookup
public struct Settings: Sendable {
    let values: [String: any Sendable]
    /// Name and value of every setting, secrets masked.
    public let inForce: [(name: String, value: String)]
    /// Warnings at the start about names and values that may be mistakes.
    public let warnings: [String]

    /// Reads the environment and, below it, the `.env` file of the working directory.
    ///
    /// - Parameter options: values of the command line, which override both.
    /// - Throws: ``SettingsError`` with every problem found.
    public static func load(
        overriding options: [(name: String, value: String?)] = []
    ) throws(SettingsError) -> Settings {
        try Settings(SettingSources(overriding: options))
    }

    /// - Throws: ``SettingsError`` with every problem found.
    public init(_ sources: SettingSources) throws(SettingsError) {
        var reader = SettingsReader(sources.variables, unreadable: sources.unreadable)
        self.init(sources, &reader)
        if !reader.problems.isEmpty { throw SettingsError(problems: reader.problems) }
    }

    /// - Parameter reader: collects the problems; if there are any, these settings must not be
    ///   used.
    private init(_ sources: SettingSources, _ reader: inout SettingsReader) {
        var values: [String: any Sendable] = [:]
        for room in SettingsCatalogue.shared.rooms {
            for setting in room.settings { values[setting.declaration.name] = setting.value(&reader) }
        }
        Self.checkTogether(SettingValues(values), &reader)
        sources.check(known: reader.names, &reader)
        self.values = values
        inForce = reader.inForce
        warnings = reader.warnings
    }

    /// The values of a room.
    public subscript<Room: SettingsRoom>(dynamicMember room: KeyPath<SettingsCatalogue, Room>) -> RoomValues<Room> {
        SettingValues(values)[dynamicMember: room]
    }

    /// The output of `--print-config`.
    public var description: String {
        inForce.map { "\($0.name)=\($0.value)" }.joined(separator: "\n")
    }

    /// The value in force under a name, in the form that may be shown.
    ///
    /// - Parameter onlyGiven: whether a default counts as no value.
    /// - Returns: `nil` for no value.
    /// - Throws: ``SettingsError`` if there is no such setting, or its value cannot be used.
    public static func value(
        of name: String, in sources: SettingSources, onlyGiven: Bool
    ) throws(SettingsError) -> String? {
        var reader = SettingsReader(sources.variables, unreadable: sources.unreadable)
        _ = Settings(sources, &reader)
        if SettingNameCheck.ofScripts.contains(name) { _ = reader.optionalString(name) }
        guard reader.names.contains(name) else { throw SettingsError(problems: ["there is no setting \(name)"]) }
        let faults = reader.faults.filter { $0.name == name }.map(\.text)
        guard faults.isEmpty else { throw SettingsError(problems: faults) }
        if onlyGiven, !reader.isGiven(name) { return nil }
        return reader.inForce.last { $0.name == name }?.value
    }
}

/// The values of all rooms.
@dynamicMemberLookup
struct SettingValues {
    private let values: [String: any Sendable]

    init(_ values: [String: any Sendable]) { self.values = values }

    subscript<Room: SettingsRoom>(dynamicMember room: KeyPath<SettingsCatalogue, Room>) -> RoomValues<Room> {
        RoomValues(room: SettingsCatalogue.shared[keyPath: room], values: values)
    }
}

/// The values of one room: each of its settings is a member of the setting's type.
@dynamicMemberLookup
public struct RoomValues<Room: SettingsRoom> {
    let room: Room
    let values: [String: any Sendable]

    public subscript<Value>(dynamicMember setting: KeyPath<Room, Setting<Value>>) -> Value {
        let name = room[keyPath: setting].declaration.name
        guard let value = values[name] as? SettingValue<Value> else {
            preconditionFailure("\(name) is declared in \(Room.self), which is not in the catalogue")
        }
        return value.value
    }
}
