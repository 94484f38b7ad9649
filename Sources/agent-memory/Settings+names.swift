import AgentMemory
import BackendLoading
import Embeddings
import LanguageModels
import MemoryHTTP
import Rerankers
import Settings

/// The names of settings for the messages of modules that do not know them.
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
        names.lateInteraction = self.names.embeddings.lateInteraction
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

    static var languageModelFieldNames: LanguageModelFieldNames {
        var names = LanguageModelFieldNames()
        names.model = self.names.language.fastModel
        names.baseURL = self.names.language.baseURL
        names.apiKey = self.names.language.apiKey
        names.anthropicBaseURL = self.names.language.anthropicBaseURL
        names.anthropicKey = self.names.language.anthropicKey
        names.tokensPerHour = self.names.language.tokensPerHour
        return names
    }

    static var connectionLimitNames: ConnectionLimits.Names {
        var names = ConnectionLimits.Names()
        names.headBytes = self.names.http.headLimit
        names.bodyBytes = self.names.http.bodyLimit
        names.headTimeout = self.names.http.headTimeout
        names.bodyTimeout = self.names.http.bodyTimeout
        return names
    }
}

extension MemoryError {
    /// The message, with the name of the setting to change if the error is about one.
    var messageNamingSetting: String {
        switch setting {
        case nil: message
        case .embeddingModel: "\(message); the setting is \(Settings.names.embeddings.model)"
        case .migrationURL: "\(message); the setting is \(Settings.names.postgres.migrationURL)"
        case .autoMigrate: "\(message); the setting is \(Settings.names.postgres.autoMigrate)"
        case .rowSecurity: "\(message); the setting is \(Settings.names.postgres.rowSecurity)"
        case .distribution: "\(message); the setting is \(Settings.names.postgres.isDistributed)"
        case .jobKeyPrefix: "\(message); the setting is \(Settings.names.redis.jobsKeyPrefix)"
        }
    }
}

extension BackendFactoryError {
    /// The message, with the names of the factory's setting and of the one that could help.
    var messageNamingSetting: String {
        let named = "\(Settings.names.stores.factory)=\(message)"
        return switch field {
        case nil: named
        case .folders: "\(named) \(Settings.names.stores.pluginFolders) names the plugin folders."
        case .python: "\(named) \(Settings.names.stores.python) names the interpreter."
        }
    }
}
