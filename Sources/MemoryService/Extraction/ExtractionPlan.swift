import AgentMemory

/// What is being extracted from a session: which messages, and, once the model has answered, what
/// it answered. It is kept until the memories are stored and the messages marked.
///
/// A server that dies in between leaves it behind, and the job that runs again goes on with it: it
/// stores the same memories under the same ids, so that nothing is extracted twice.
struct ExtractionPlan: Sendable, Equatable {
    /// How long a plan is its job's alone after each step, in seconds: longer than all calls of a
    /// model, with all their attempts, that one step takes at most.
    static let heldSeconds = 1000

    /// The messages, by their fingerprints.
    var messages: [String]
    /// The ``ExtractionJob/holder`` of the job.
    var holder: String
    /// Until then other jobs leave the plan alone.
    var heldUntil: Timestamp
    /// When the first job of this plan was handed in, by the clock of the queue: what was deleted
    /// later is not stored again.
    let handedInAt: Timestamp
    var answer: Answer?

    struct Answer: Sendable, Equatable {
        let strategy: MemoryStrategy
        let items: [JSONValue]
        /// The ids of the messages that the items count from 1.
        let messageIDs: [String]
        let at: Timestamp
    }

    /// The same for the same messages of the same session: ids of records are made of it.
    func id(of key: SessionKey) -> String { Fingerprint.of([key.fingerprint] + messages, length: 40) }

    static func fingerprint(of message: SessionMessage) -> String {
        Fingerprint.of([message.id, message.role, message.content], length: 32)
    }

    init(_ messages: [SessionMessage], holder: String, now: Timestamp, handedInAt: Timestamp) {
        self.messages = messages.map(Self.fingerprint)
        self.holder = holder
        heldUntil = now.advanced(bySeconds: Int64(Self.heldSeconds))
        self.handedInAt = handedInAt
    }

    /// The same plan, taken over or held on to.
    func held(by holder: String, now: Timestamp) -> ExtractionPlan {
        var plan = self
        plan.holder = holder
        plan.heldUntil = now.advanced(bySeconds: Int64(Self.heldSeconds))
        return plan
    }

    /// The document of the plan.
    func document(of key: SessionKey) -> Document {
        var body: JSONObject = [
            "messages": .array(messages.map { .string($0) }), "holder": .string(holder),
            "held_until": .int(Int(heldUntil.microseconds)), "handed_in_at": .int(Int(handedInAt.microseconds)),
        ]
        if let answer {
            var strategy = JSONWriter(capacity: 256)
            answer.strategy.write(to: &strategy)
            body["answer"] = [
                "strategy": (try? JSONValue(parsing: strategy.bytes)) ?? .null, "items": .array(answer.items),
                "message_ids": .array(answer.messageIDs.map { .string($0) }),
                "at": .int(Int(answer.at.microseconds)),
            ]
        }
        return Document(Self.key(of: key), namespace: key.namespace, userID: key.userID, body: body)
    }

    static func key(of session: SessionKey) -> DocumentKey { DocumentKey(.extraction, session.fingerprint) }

    /// Reads ``document(of:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        func date(_ json: JSONValue) -> Timestamp? { json.intValue.flatMap { Timestamp(microseconds: Int64($0)) } }
        let reader = MemberReader(.object(document.body), of: "the plan of an extraction")
        messages = try reader.strings("messages")
        holder = try reader.required("holder", \.stringValue)
        heldUntil = try reader.required("held_until", date)
        handedInAt = try reader.required("handed_in_at", date)
        guard let json = document.body["answer"] else { return }
        let answer = MemberReader(json, of: "the plan of an extraction")
        self.answer = Answer(
            strategy: MemoryStrategy(stored: json["strategy"]), items: try answer.required("items", \.arrayValue),
            messageIDs: try answer.strings("message_ids"), at: try answer.required("at", date))
    }
}
