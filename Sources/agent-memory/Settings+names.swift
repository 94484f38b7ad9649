import Embeddings
import Rerankers
import Settings

/// The names of settings for the messages of modules, which do not know them.
extension Settings {
    static var embedderFieldNames: EmbedderFieldNames {
        var names = EmbedderFieldNames()
        names.model = self.names.embeddings.model
        names.dimensions = self.names.vectors.dimensions
        names.apiKey = self.names.embeddings.apiKey
        names.baseURL = self.names.embeddings.baseURL
        names.localModelPath = self.names.embeddings.localModelPath
        names.localModelCache = self.names.embeddings.localModelCache
        names.localThreads = self.names.embeddings.localThreads
        return names
    }

    static var rerankerFieldNames: RerankerFieldNames {
        var names = RerankerFieldNames()
        names.modelPath = self.names.reranking.modelPath
        names.threads = self.names.reranking.threads
        names.baseURL = self.names.reranking.baseURL
        names.apiKey = self.names.reranking.apiKey
        names.model = self.names.reranking.model
        return names
    }
}
