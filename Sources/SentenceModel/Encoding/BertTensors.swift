import AgentMemory

/// The tensors of a BERT encoder, found in a file and checked against the configuration, not yet
/// read.
struct BertTensors: Sendable {
    struct Layer: Sendable {
        let queryWeight, keyWeight, valueWeight: Tensor
        let queryBias, keyBias, valueBias: Tensor
        let attentionWeight, attentionBias: Tensor
        let attentionGain, attentionShift: Tensor
        let expandingWeight, expandingBias: Tensor
        let contractingWeight, contractingBias: Tensor
        let outputGain, outputShift: Tensor
    }

    let words: Tensor
    let positions: Tensor
    let tokenTypes: Tensor
    let gain: Tensor
    let shift: Tensor
    let layers: [Layer]

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the tensor that is missing or
    ///   does not fit.
    init(_ file: TensorFile, _ configuration: ModelConfiguration) throws(MemoryError) {
        let hidden = configuration.hiddenSize
        let wide = configuration.intermediateSize
        // Models that were saved with a head have their encoder under a name of its own.
        let prefix = file.has("bert.embeddings.word_embeddings.weight") ? "bert." : ""
        func tensor(_ name: String, _ shape: Int...) throws(MemoryError) -> Tensor {
            try file.tensor(prefix + name, shape: shape)
        }
        words = try tensor("embeddings.word_embeddings.weight", configuration.vocabularySize, hidden)
        positions = try tensor("embeddings.position_embeddings.weight", configuration.positions, hidden)
        tokenTypes = try tensor("embeddings.token_type_embeddings.weight", configuration.tokenTypes, hidden)
        gain = try tensor("embeddings.LayerNorm.weight", hidden)
        shift = try tensor("embeddings.LayerNorm.bias", hidden)
        var layers: [Layer] = []
        for index in 0..<configuration.layers {
            let layer = "encoder.layer.\(index)"
            layers.append(
                Layer(
                    queryWeight: try tensor("\(layer).attention.self.query.weight", hidden, hidden),
                    keyWeight: try tensor("\(layer).attention.self.key.weight", hidden, hidden),
                    valueWeight: try tensor("\(layer).attention.self.value.weight", hidden, hidden),
                    queryBias: try tensor("\(layer).attention.self.query.bias", hidden),
                    keyBias: try tensor("\(layer).attention.self.key.bias", hidden),
                    valueBias: try tensor("\(layer).attention.self.value.bias", hidden),
                    attentionWeight: try tensor("\(layer).attention.output.dense.weight", hidden, hidden),
                    attentionBias: try tensor("\(layer).attention.output.dense.bias", hidden),
                    attentionGain: try tensor("\(layer).attention.output.LayerNorm.weight", hidden),
                    attentionShift: try tensor("\(layer).attention.output.LayerNorm.bias", hidden),
                    expandingWeight: try tensor("\(layer).intermediate.dense.weight", wide, hidden),
                    expandingBias: try tensor("\(layer).intermediate.dense.bias", wide),
                    contractingWeight: try tensor("\(layer).output.dense.weight", hidden, wide),
                    contractingBias: try tensor("\(layer).output.dense.bias", hidden),
                    outputGain: try tensor("\(layer).output.LayerNorm.weight", hidden),
                    outputShift: try tensor("\(layer).output.LayerNorm.bias", hidden)))
        }
        self.layers = layers
    }
}
