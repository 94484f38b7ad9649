import MemoryConformance
import TestServices

extension OwnServer {
    /// The server as something that checks may take away.
    func faults(deadline: Duration) -> StoreFaults {
        StoreFaults(
            crash: { try await crash() }, restart: { try await restart() }, empty: { try removeData() },
            deadline: deadline)
    }
}
