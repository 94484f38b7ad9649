#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    @preconcurrency import Glibc
#elseif canImport(Musl)
    @preconcurrency import Musl
#else
    import Darwin
#endif

/// The properties of the machine that defaults depend on.
enum Machine {
    /// The number of cores, at most `limit`.
    static func cores(atMost limit: Int) -> Int { min(ProcessInfo.processInfo.activeProcessorCount, limit) }

    /// Half of the file descriptors that the process may have, at most 4096: stores and services
    /// need some too.
    static var connections: Int {
        let descriptors = sysconf(Int32(_SC_OPEN_MAX))
        return descriptors > 0 ? min(max(descriptors / 2, 1), 4096) : 1024
    }
}
