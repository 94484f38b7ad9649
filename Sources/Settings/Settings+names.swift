extension Settings {
    /// The name of every setting: `Settings.names.redis.indexName`.
    public static var names: SettingsNames { SettingsNames() }
}

/// The names of the settings of all rooms.
@dynamicMemberLookup
public struct SettingsNames: Sendable {
    public subscript<Room: SettingsRoom>(dynamicMember room: KeyPath<SettingsCatalogue, Room>) -> RoomNames<Room> {
        RoomNames(room: SettingsCatalogue.shared[keyPath: room])
    }
}

/// The names of the settings of one room.
@dynamicMemberLookup
public struct RoomNames<Room: SettingsRoom> {
    let room: Room

    public subscript<Value>(dynamicMember setting: KeyPath<Room, Setting<Value>>) -> String {
        room[keyPath: setting].declaration.name
    }
}
