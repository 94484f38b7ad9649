import AgentMemory
import ModelServices

/// The answer of a `/rerank`, in any of its spellings.
enum RerankResponse {
    /// - Returns: a value for each text in the order that they were sent in; answers are in the
    ///   order of the values.
    static func scores(in body: [UInt8], count: Int) throws(RetryingClient.UnusableResponse) -> [Double] {
        guard let json = try? JSONValue(parsing: body) else { throw .init(reason: "something that is not JSON") }
        guard let results = json.arrayValue ?? json["results"]?.arrayValue else {
            throw .init(reason: "no list of results")
        }
        var scores = [Double?](repeating: nil, count: count)
        for result in results {
            guard let index = result["index"]?.intValue,
                let score = (result["relevance_score"] ?? result["score"])?.doubleValue, score.isFinite
            else { throw .init(reason: "a result without an index or a score") }
            guard scores.indices.contains(index), scores[index] == nil else {
                throw .init(reason: "the index \(index), which is none of \(count) texts or was there before")
            }
            scores[index] = score
        }
        let found = scores.compactMap(\.self)
        guard found.count == count else { throw .init(reason: "\(found.count) scores for \(count) texts") }
        return found
    }
}
