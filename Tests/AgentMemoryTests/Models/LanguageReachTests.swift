import AgentMemory
import Testing

@Suite struct LanguageReachTests {
    private static let composed = "caf\u{e9}"
    private static let decomposed = "cafe\u{301}"

    private func condition(
        eq: String? = nil, any: [String]? = nil, all: [String]? = nil, none: [String]? = nil, startsWith: String? = nil
    ) throws -> TagCondition {
        try TagCondition(field: .namespace, eq: eq, any: any, all: all, none: none, startsWith: startsWith)
    }

    @Test func `namespaces are compared byte by byte, and their absence is none of them`() {
        let only = LanguageReach.only(["n", Self.composed])
        let except = LanguageReach.everything(except: ["n", Self.composed])
        for (namespace, isNamed) in [
            ("n", true), ("N", false), ("n ", false), ("", false), (Self.composed, true), (Self.decomposed, false),
            (nil, false),
        ] as [(String?, Bool)] {
            #expect(only.contains(namespace) == isNamed, "\(namespace ?? "nil")")
            #expect(except.contains(namespace) != isNamed, "\(namespace ?? "nil")")
            #expect(LanguageReach.everything.contains(namespace))
        }
    }

    @Test func `a request is contained with all its texts`() {
        func request(_ namespace: String?, _ texts: [String?]? = nil) -> LanguageRequest {
            LanguageRequest(
                .summaryView, prompt: "p", quoting: [], namespace: namespace, textsOf: texts, timeLimit: .seconds(1)
            ).limited(to: .seconds(2))
        }
        let only = LanguageReach.only(["a", "b"])
        let except = LanguageReach.everything(except: ["x"])
        #expect(only.contains(request("a")) && only.contains(request(nil, ["a", "b"])))
        #expect(!only.contains(request(nil)) && !only.contains(request("x")))
        #expect(!only.contains(request("a", ["a", nil])) && !only.contains(request(nil, ["a", "x"])))
        #expect(except.contains(request(nil)) && except.contains(request("a", ["a", nil])))
        #expect(!except.contains(request("x", ["a"])) && !except.contains(request(nil, ["a", "x"])))
    }

    /// Every filter that is narrowed matches what it matched and may be sent, except for the
    /// prefixes that operators cannot take apart.
    @Test(arguments: [
        LanguageReach.everything, .only(["a", "ab"]), .everything(except: ["x", "ab"]),
    ])
    func `a filter is narrowed to what may be sent`(_ reach: LanguageReach) throws {
        let conditions = [
            nil, try condition(eq: "a"), try condition(eq: "x"), try condition(eq: "z"),
            try condition(any: ["a", "x", "z"]), try condition(any: ["x", "ab"]), try condition(any: ["z"]),
            try condition(any: ["a", "ab", "x"], none: ["a"]), try condition(all: ["a", "x"]),
            try condition(none: ["a"]), try condition(none: ["z"]), try condition(startsWith: "a"),
            try condition(startsWith: "z"), try condition(startsWith: "x"),
        ]
        for given in conditions {
            let narrowed = try reach.narrowed(given)
            for namespace in [nil, "a", "ab", "x", "z", "other"] {
                let values = namespace.map { [$0] } ?? []
                let expected = (given?.matches(values) ?? true) && reach.contains(namespace)
                let isLeft =
                    switch narrowed {
                    case .nothing: false
                    case .condition(let condition): condition?.matches(values) ?? true
                    }
                let name = "\(String(describing: given)) \(namespace ?? "nil")"
                if given?.startsWith != nil, isLeft {
                    #expect(given?.matches(values) == true, "\(name)")
                } else {
                    #expect(isLeft == expected, "\(name)")
                }
            }
        }
        // What is named and may not be sent at all is found out before a store is asked.
        #expect(try LanguageReach.everything(except: ["x"]).narrowed(condition(any: ["x"])) == .nothing)
        #expect(try LanguageReach.only(["a"]).narrowed(condition(startsWith: "b")) == .nothing)
        #expect(
            try LanguageReach.only(["a", "b"]).narrowed(condition(startsWith: "a"))
                == .condition(condition(any: ["a"])))
    }

    @Test func `a query is sent if nothing else could be among what it is about`() throws {
        let everyone = PermittedValues.everything
        let (one, two) = (PermittedValues(exactly: ["a"]), PermittedValues(exactly: ["a", "x"]))
        let team = try PermittedValues(patterns: ["a*"], field: "namespaces")
        let only = LanguageReach.only(["a", "ab"])
        let except = LanguageReach.everything(except: ["x"])
        let cases: [(condition: TagCondition?, permitted: PermittedValues, only: Bool, except: Bool)] = [
            (nil, everyone, false, false), (nil, one, true, true), (nil, two, false, false), (nil, team, false, true),
            (try condition(eq: "a"), everyone, true, true), (try condition(eq: "z"), everyone, false, true),
            (try condition(eq: "x"), everyone, false, false), (try condition(eq: "x"), one, false, false),
            (try condition(any: ["a", "ab"]), everyone, true, true),
            (try condition(any: ["a", "x"]), everyone, false, false),
            (try condition(any: ["a", "x"]), one, true, true),
            (try condition(any: ["a", "x"], none: ["x"]), everyone, true, true),
            (try condition(none: ["x"]), everyone, false, true), (try condition(none: ["z"]), everyone, false, false),
            (try condition(none: ["x"]), two, true, true),
            (try condition(startsWith: "a"), everyone, false, true),
            (try condition(startsWith: "x"), everyone, false, false),
            (nil, PermittedValues(exactly: []), false, false),
        ]
        for (condition, permitted, isOnly, isExcept) in cases {
            let name = "\(String(describing: condition)) \(permitted.patterns)"
            for (reach, expected) in [(only, isOnly), (except, isExcept), (.everything, true)] {
                let namespaces = reach.namespaces(ofTextAbout: condition, within: permitted)
                #expect((namespaces != nil) == expected, "\(name)")
                // The model's own check says the same.
                if let namespaces { #expect(namespaces.allSatisfy(reach.contains), "\(name)") }
            }
        }
    }
}
