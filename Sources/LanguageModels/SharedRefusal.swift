import AgentMemory

/// Why a call is not made that holds for every model of the server: another one need not be asked.
struct SharedRefusal: Error {
    let error: MemoryError

    /// A text that no language model may be sent (``LanguageReach``). Who asks leaves such texts
    /// out, so that this is a fault of the server.
    static let outOfReach = SharedRefusal(
        error: MemoryError(
            .languageModelRefused, "a text is not sent to a language model, because those of its namespace may not be"))
}
