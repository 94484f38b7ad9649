import AgentMemory
import RedisDriver

/// The fields of the hashes that a ranking needs of its candidates: there may be a thousand of
/// them, so that each field counts.
struct CandidateFields {
    /// The names of the fields, the keyword terms first.
    private let names: RedisCommand
    /// The positions of the optional fields in ``names``, and in the values.
    private let createdAt: Int?
    private let eventDate: Int?
    private let session: Int?

    init(_ query: CandidateQuery) {
        var names = [RecordHash.keywordTerms]
        func position(_ fields: RecordField..., if isNeeded: Bool) -> Int? {
            guard isNeeded else { return nil }
            names += fields.map(RecordHash.name)
            return names.count - fields.count
        }
        createdAt = position(.createdAt, if: query.needsDates || query.needsSessions)
        eventDate = position(.eventDate, if: query.needsDates)
        session = position(.namespace, .userID, .sessionID, if: query.needsSessions)
        self.names = RedisCommand(names)
    }

    func command(reading key: String) -> RedisCommand {
        var command = RedisCommand()
        command.reserve(arguments: names.count + 2, bytes: 128 + key.utf8.count)
        command.append("HMGET")
        command.append(key)
        command.append(argumentsOf: names)
        return command
    }

    /// The candidate with these values of the fields; `nil` if the record was deleted.
    ///
    /// - Parameter terms: those of a record that has none stored yet.
    func candidate(
        _ id: String, _ distance: Double, _ values: [RedisValue], _ counter: TermCounter, terms: String?
    ) -> RankingCandidate? {
        guard values.count == names.count else { return nil }
        func text(_ index: Int?) -> String? {
            guard let index, let text = values[index].string, !text.isEmpty else { return nil }
            return text
        }
        let counted: (frequencies: [Int], length: Int)
        if case .bytes(let bytes) = values[0] {
            counted = counter.count(bytes)
        } else if let terms {
            counted = counter.count(terms.utf8)
        } else {
            return nil
        }
        // Hashes of another server may lack a date: such a record counts as old.
        return RankingCandidate(
            id: id, distance: distance, frequencies: counted.frequencies, length: counted.length,
            createdAt: text(createdAt).flatMap(RedisDate.timestamp) ?? .earliest,
            eventDate: text(eventDate).flatMap(RedisDate.timestamp),
            session: session.flatMap { first in
                RankingSession(namespace: text(first), userID: text(first + 1), sessionID: text(first + 2))
            })
    }
}
