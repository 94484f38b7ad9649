import AgentMemory

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Products of matrices by OpenBLAS (on Apple's systems, Accelerate), which is loaded at run time:
/// a machine without it builds and runs everything else.
///
/// `@unchecked Sendable`: the functions may be called from any thread, and the library is never
/// unloaded.
final class MatrixLibrary: @unchecked Sendable {
    /// cblas.h: order, transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc.
    private typealias Multiply =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>, Int32, UnsafePointer<Float>, Int32,
            Float, UnsafeMutablePointer<Float>, Int32
        ) -> Void
    private typealias SetThreads = @convention(c) (Int32) -> Void
    private typealias Describe = @convention(c) () -> UnsafePointer<CChar>?

    private static let rowMajor: Int32 = 101
    private static let noTranspose: Int32 = 111
    private static let transpose: Int32 = 112

    #if canImport(Darwin)
        private static let names = ["/System/Library/Frameworks/Accelerate.framework/Accelerate"]
    #else
        private static let names = ["libopenblas.so.0", "libopenblas.so"]
    #endif

    private let sgemm: Multiply
    private let setThreads: SetThreads?
    /// The library's own description of its version and its processor, if it has any.
    let version: String?

    /// - Throws: ``MemoryError`` with code `misconfigured` that says what to install.
    init() throws(MemoryError) {
        var failure = ""
        for name in Self.names {
            guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL) else {
                if failure.isEmpty { failure = dlerror().map { String(cString: $0) } ?? "\(name) was not found" }
                continue
            }
            guard let multiply = dlsym(library, "cblas_sgemm") else {
                failure = "\(name) has no cblas_sgemm"
                continue
            }
            sgemm = unsafeBitCast(multiply, to: Multiply.self)
            setThreads = dlsym(library, "openblas_set_num_threads").map { unsafeBitCast($0, to: SetThreads.self) }
            let describe = dlsym(library, "openblas_get_config").map { unsafeBitCast($0, to: Describe.self) }
            version = describe.flatMap { $0() }.map { String(cString: $0) }
            prepareThread()
            return
        }
        throw MemoryError(
            .misconfigured,
            "local embedding models need OpenBLAS, which is missing on this machine: install it (Debian, Ubuntu: apt-get install libopenblas0-pthread), or choose another embedding model",
            underlying: failure)
    }

    /// Keeps the library from starting threads of its own, because the callers are enough. Every
    /// thread that multiplies calls it once, because some builds of OpenBLAS keep the number per
    /// thread.
    func prepareThread() {
        setThreads?(1)
    }

    /// c = alpha a bᵀ + beta c, of matrices stored row by row.
    ///
    /// - Parameters:
    ///   - a: `rows` by `depth`, one row every `strideA` numbers.
    ///   - b: `columns` by `depth`, one row every `strideB` numbers.
    ///   - c: `rows` by `columns`, one row every `strideC` numbers.
    func multiplyTransposed(
        rows: Int, columns: Int, depth: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, _ strideA: Int,
        _ b: UnsafePointer<Float>, _ strideB: Int, beta: Float = 0, _ c: UnsafeMutablePointer<Float>, _ strideC: Int
    ) {
        sgemm(
            Self.rowMajor, Self.noTranspose, Self.transpose, Int32(rows), Int32(columns), Int32(depth), alpha, a,
            Int32(strideA), b, Int32(strideB), beta, c, Int32(strideC))
    }

    /// c = a b, of matrices stored row by row; `b` is `depth` by `columns`.
    func multiply(
        rows: Int, columns: Int, depth: Int, _ a: UnsafePointer<Float>, _ strideA: Int, _ b: UnsafePointer<Float>,
        _ strideB: Int, _ c: UnsafeMutablePointer<Float>, _ strideC: Int
    ) {
        sgemm(
            Self.rowMajor, Self.noTranspose, Self.noTranspose, Int32(rows), Int32(columns), Int32(depth), 1, a,
            Int32(strideA), b, Int32(strideB), 0, c, Int32(strideC))
    }
}
