/// The canonical decomposition of single characters, for tokenizers of models that want accents
/// apart.
public enum CanonicalDecomposition {
    /// Passes the full canonical decomposition of `scalar` to `body`, in order; a scalar that has
    /// none, itself.
    public static func decompose(_ scalar: Unicode.Scalar, _ body: (Unicode.Scalar) -> Void) {
        CompositionData.shared.decompose(scalar, body)
    }
}
