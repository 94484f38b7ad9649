/// The address of a Redis server and its login, as a URL has them.
public struct RedisEndpoint: Sendable, Equatable {
    public enum Address: Sendable, Equatable {
        case tcp(host: String, port: Int)
        case unixSocket(path: String)
    }

    /// How the server's certificate is checked, and the client certificate.
    public struct TLS: Sendable, Equatable {
        public enum Verification: Sendable, Equatable {
            case none, withoutHostname, full
        }

        public var verification: Verification
        /// A PEM file of trusted authorities; `nil` is the system's.
        public var authorities: String?
        /// PEM files of the client's certificate and its key.
        public var certificate: String?
        public var key: String?

        public init(
            verification: Verification = .full, authorities: String? = nil, certificate: String? = nil,
            key: String? = nil
        ) {
            self.verification = verification
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
        }
    }

    public var address: Address
    /// The ACL user; `nil` is the default user.
    public var user: String?
    public var password: String?
    /// int, default: 0
    public var database: Int
    /// `nil` without TLS.
    public var tls: TLS?
    /// The name in `CLIENT LIST`; `nil` leaves it to the client's configuration.
    public var clientName: String?

    public init(
        _ address: Address, user: String? = nil, password: String? = nil, database: Int = 0, tls: TLS? = nil,
        clientName: String? = nil
    ) {
        self.address = address
        self.user = user
        self.password = password
        self.database = database
        self.tls = tls
        self.clientName = clientName
    }
}

extension RedisEndpoint: CustomStringConvertible {
    /// The address and the database, without credentials.
    public var description: String {
        switch address {
        case .tcp(let host, let port): "\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        case .unixSocket(let path): "\(path) (database \(database))"
        }
    }
}
