/// The forward pass of BERT (Devlin, Chang, Lee and Toutanova, 2018; the layers are those of
/// Vaswani et al.: "Attention Is All You Need", 2017), pooled to one vector per text.
///
/// The tokens of several texts are stored one text after the other in one matrix, without padding:
/// the products of the layers concern each token by itself, and only attention treats the texts one
/// by one.
struct BertEncoder: Sendable {
    private struct Layer: Sendable {
        /// Query, key and value in one: three times the hidden size of rows.
        let attentionIn: WeightMatrix
        let attentionInBias: FloatBuffer
        let attentionOut: WeightMatrix
        let attentionOutBias: FloatBuffer
        let attentionNorm: LayerNorm
        let expanding: WeightMatrix
        let expandingBias: FloatBuffer
        let contracting: WeightMatrix
        let contractingBias: FloatBuffer
        let outputNorm: LayerNorm
    }

    let configuration: ModelConfiguration
    private let library: MatrixLibrary
    private let words: Tensor
    /// Embeddings of the positions plus that of the first token type.
    private let positions: FloatBuffer
    /// What a token of the second type has more than one of the first; `nil` where there is none.
    private let secondType: FloatBuffer?
    private let embeddingNorm: LayerNorm
    private let layers: [Layer]

    /// Reads the tensors that are not used in place, and joins those that are multiplied together.
    init(_ tensors: BertTensors, _ configuration: ModelConfiguration, library: MatrixLibrary) {
        self.configuration = configuration
        self.library = library
        func norm(_ gain: Tensor, _ shift: Tensor) -> LayerNorm {
            LayerNorm(gain: FloatBuffer(gain), bias: FloatBuffer(shift), epsilon: configuration.layerNormEpsilon)
        }
        words = tensors.words
        let hidden = configuration.hiddenSize
        positions = FloatBuffer(tensors.positions)
        let tokenTypes = FloatBuffer(tensors.tokenTypes)
        for position in 0..<configuration.positions {
            VectorMath.add(tokenTypes.numbers, to: positions.numbers + position * hidden, width: hidden)
        }
        secondType = configuration.tokenTypes < 2 ? nil : FloatBuffer(count: hidden)
        if let secondType {
            for column in 0..<hidden {
                secondType.numbers[column] = tokenTypes.numbers[hidden + column] - tokenTypes.numbers[column]
            }
        }
        embeddingNorm = norm(tensors.gain, tensors.shift)
        layers = tensors.layers.map { layer in
            Layer(
                attentionIn: WeightMatrix(joining: [layer.queryWeight, layer.keyWeight, layer.valueWeight]),
                attentionInBias: FloatBuffer(joining: [layer.queryBias, layer.keyBias, layer.valueBias]),
                attentionOut: WeightMatrix(layer.attentionWeight),
                attentionOutBias: FloatBuffer(layer.attentionBias),
                attentionNorm: norm(layer.attentionGain, layer.attentionShift),
                expanding: WeightMatrix(layer.expandingWeight),
                expandingBias: FloatBuffer(layer.expandingBias),
                contracting: WeightMatrix(layer.contractingWeight),
                contractingBias: FloatBuffer(layer.contractingBias),
                outputNorm: norm(layer.outputGain, layer.outputShift))
        }
    }

    /// One vector for each text.
    ///
    /// - Parameters:
    ///   - texts: The ids of each text's tokens: at least one, at most as many as there are
    ///     positions, each below the size of the vocabulary.
    ///   - secondParts: Where in each text the tokens of the second type begin; `nil` is nowhere.
    ///   - scratch: Of the calling thread.
    ///   - eachText: Gets the position of each text and the last hidden states of its tokens, a row
    ///     each, which are valid during the call.
    func vectors(
        of texts: [[Int32]], secondParts: [Int]? = nil, _ scratch: EncoderScratch,
        eachText: (Int, UnsafePointer<Float>) -> Void = { _, _ in }
    ) -> [[Float]] {
        let hidden = configuration.hiddenSize
        let wide = configuration.intermediateSize
        let rows = texts.reduce(0) { $0 + $1.count }
        scratch.reserve(rows: rows, longest: texts.reduce(0) { max($0, $1.count) }, configuration)
        let states = scratch.states.numbers
        embed(texts, secondParts, into: states)
        for layer in layers {
            attend(layer, texts, rows: rows, scratch)
            library.multiplyTransposed(
                rows: rows, columns: hidden, depth: hidden, scratch.context.numbers, hidden, layer.attentionOut.numbers,
                hidden, scratch.output.numbers, hidden)
            VectorMath.addAndNormalise(
                states, added: scratch.output.numbers, bias: layer.attentionOutBias.numbers, rows: rows, width: hidden,
                layer.attentionNorm)
            library.multiplyTransposed(
                rows: rows, columns: wide, depth: hidden, states, hidden, layer.expanding.numbers, hidden,
                scratch.wide.numbers, wide)
            VectorMath.activate(
                scratch.wide.numbers, rows: rows, width: wide, bias: layer.expandingBias.numbers,
                configuration.activation)
            library.multiplyTransposed(
                rows: rows, columns: hidden, depth: wide, scratch.wide.numbers, wide, layer.contracting.numbers, wide,
                scratch.output.numbers, hidden)
            VectorMath.addAndNormalise(
                states, added: scratch.output.numbers, bias: layer.contractingBias.numbers, rows: rows, width: hidden,
                layer.outputNorm)
        }
        var start = 0
        return texts.enumerated().map { position, text in
            defer { start += text.count }
            eachText(position, states + start * hidden)
            return pooled(states + start * hidden, rows: text.count)
        }
    }

    private func embed(_ texts: [[Int32]], _ secondParts: [Int]?, into states: UnsafeMutablePointer<Float>) {
        let hidden = configuration.hiddenSize
        var row = states
        for (number, text) in texts.enumerated() {
            let secondPart = secondParts?[number] ?? text.count
            for (position, id) in text.enumerated() {
                words.copy(Int(id) * hidden..<(Int(id) + 1) * hidden, to: row)
                if position >= secondPart, let secondType {
                    VectorMath.add(secondType.numbers, to: row, width: hidden)
                }
                VectorMath.addAndNormalise(
                    row, added: positions.numbers + position * hidden, width: hidden, embeddingNorm)
                row += hidden
            }
        }
    }

    /// Multi-head attention of every text over itself, from the states to the context.
    private func attend(_ layer: Layer, _ texts: [[Int32]], rows: Int, _ scratch: EncoderScratch) {
        let hidden = configuration.hiddenSize
        let inner = 3 * hidden
        let attention = scratch.attention.numbers
        for row in 0..<rows {
            (attention + row * inner).update(from: layer.attentionInBias.numbers, count: inner)
        }
        library.multiplyTransposed(
            rows: rows, columns: inner, depth: hidden, scratch.states.numbers, hidden, layer.attentionIn.numbers,
            hidden,
            beta: 1, attention, inner)
        let width = hidden / configuration.heads
        let scale = 1 / Float(width).squareRoot()
        let scores = scratch.scores.numbers
        var start = 0
        for text in texts {
            let stride = EncoderScratch.scoreStride(text.count)
            for head in 0..<configuration.heads {
                let query = attention + start * inner + head * width
                library.multiplyTransposed(
                    rows: text.count, columns: text.count, depth: width, alpha: scale, query, inner, query + hidden,
                    inner, scores, stride)
                VectorMath.softmax(scores, rows: text.count, columns: text.count, stride: stride)
                library.multiply(
                    rows: text.count, columns: width, depth: text.count, scores, stride, query + 2 * hidden, inner,
                    scratch.context.numbers + start * hidden + head * width, hidden)
            }
            start += text.count
        }
    }

    private func pooled(_ states: UnsafePointer<Float>, rows: Int) -> [Float] {
        let hidden = configuration.hiddenSize
        var vector = Array(UnsafeBufferPointer(start: states, count: hidden))
        if configuration.pooling == .mean {
            for row in 1..<max(1, rows) {
                for column in 0..<hidden { vector[column] += states[row * hidden + column] }
            }
            for column in 0..<hidden { vector[column] /= Float(rows) }
        }
        guard configuration.normalizes else { return vector }
        let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
        // As the published library divides: a vector of zeros stays unchanged.
        return vector.map { $0 / max(length, 1e-12) }
    }
}
