/// The Python program that carries a user's backend, as the server ships it.
enum PythonProgram {
    static let bootstrap = ""
    static let modules: [(name: String, source: String)] = []
    static let main = "bridge"
}
