/// The vectors of texts whose owner brings them along, so that no model makes them again: an import
/// sets them around its writes.
public enum KnownVectors {
    /// By the text; of the model and the length of the embedder that would make them.
    @TaskLocal public static var current: [ExactString: [Float]] = [:]
}
