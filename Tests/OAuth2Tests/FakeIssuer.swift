import AgentMemory
import Crypto
import CryptoExtras
import Foundation
import JWTKit
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An OAuth2 issuer over a socket: serves its keys, and signs tokens.
actor FakeIssuer {
    nonisolated let url: String
    private let state: State
    private let channel: any Channel
    private let signers: [String: any JWTAlgorithm]
    private let other: any JWTAlgorithm

    /// How requests for the keys are answered; `hanging` is never.
    enum Mode: Sendable { case up, down, hanging }

    /// What the handlers of connections share.
    private final class State: Sendable {
        private let state: Mutex<(mode: Mode, fetches: Int, body: String)>

        init(body: String) { state = Mutex((.up, 0, body)) }

        var fetches: Int { state.withLock(\.fetches) }

        func set(_ mode: Mode) { state.withLock { $0.mode = mode } }

        func rename(_ key: String, to other: String) {
            state.withLock { $0.body = $0.body.replacing("\"kid\":\"\(key)\"", with: "\"kid\":\"\(other)\"") }
        }

        /// Counts a fetch, and says how to answer it.
        func fetch() -> (mode: Mode, body: String) {
            state.withLock { state in
                state.fetches += 1
                return (state.mode, state.body)
            }
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart
        private let state: State

        init(_ state: State) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .end = unwrapInboundIn(data) else { return }
            let (mode, body) = state.fetch()
            guard mode != .hanging else { return }
            let bytes = ByteBuffer(string: mode == .up ? body : "down")
            let head = HTTPResponseHead(
                version: .http1_1, status: mode == .up ? .ok : .serviceUnavailable,
                headers: ["content-length": String(bytes.readableBytes)])
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    init() async throws {
        let rsa = try RSAKeys()
        let p256 = ES256PrivateKey()
        let p384 = ES384PrivateKey()
        let edwards = Curve25519.Signing.PrivateKey()
        let keys: [JSONValue] = [
            ["kty": "RSA", "kid": "rsa", "use": "sig", "n": .string(rsa.modulus), "e": .string(rsa.exponent)],
            [
                "kty": "EC", "kid": "ES256", "crv": "P-256", "x": .string(p256.parameters?.x ?? ""),
                "y": .string(p256.parameters?.y ?? ""),
            ],
            [
                "kty": "EC", "kid": "ES384", "crv": "P-384", "x": .string(p384.parameters?.x ?? ""),
                "y": .string(p384.parameters?.y ?? ""),
            ],
            [
                "kty": "OKP", "kid": "EdDSA", "crv": "Ed25519",
                "x": .string(base64URL(edwards.publicKey.rawRepresentation)),
            ],
            ["kty": "unknown", "kid": "odd"],
        ]
        signers = [
            "RS256": try await rsa.signer("RS256"), "RS384": try await rsa.signer("RS384"),
            "RS512": try await rsa.signer("RS512"), "PS256": try await rsa.signer("PS256"),
            "PS384": try await rsa.signer("PS384"), "PS512": try await rsa.signer("PS512"),
            "ES256": try await JWTKeyCollection().add(ecdsa: p256).getKey(),
            "ES384": try await JWTKeyCollection().add(ecdsa: p384).getKey(),
            "EdDSA": try await JWTKeyCollection().add(
                eddsa: EdDSA.PrivateKey(d: base64URL(edwards.rawRepresentation), curve: .ed25519)
            ).getKey(),
        ]
        other = try await RSAKeys().signer("RS256")
        let state = State(body: JSONValue.object(["keys": .array(keys)]).jsonText)
        self.state = state
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 16)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/"
    }

    deinit { channel.close(promise: nil) }

    var fetches: Int { state.fetches }

    func set(_ mode: Mode) { state.set(mode) }

    /// From now on the key has another id.
    func rename(_ key: String, to other: String) { state.rename(key, to: other) }

    /// A token with these claims. The header names the key of the algorithm, unless `header` says
    /// otherwise; `null` leaves a member out.
    func token(_ claims: JSONObject, algorithm: String = "RS256", header changes: JSONObject = [:]) throws -> String {
        try Self.token(claims, algorithm, changes, signers[algorithm])
    }

    /// A token that another key has signed.
    func forged(_ claims: JSONObject) throws -> String { try Self.token(claims, "RS256", [:], other) }

    private static func token(
        _ claims: JSONObject, _ algorithm: String, _ changes: JSONObject, _ signer: (any JWTAlgorithm)?
    ) throws -> String {
        var header: JSONObject = [
            "alg": .string(algorithm), "typ": "JWT",
            "kid": .string(["RS", "PS"].contains(algorithm.prefix(2)) ? "rsa" : algorithm),
        ]
        for (name, value) in changes.members {
            if value.isNull { header[name] = JSONValue?.none } else { header[name] = value }
        }
        let signed =
            base64URL(JSONValue.object(header).jsonText.utf8) + "." + base64URL(JSONValue.object(claims).jsonText.utf8)
        return signed + "." + base64URL(try signer?.sign(Array(signed.utf8)) ?? [])
    }
}

/// Base64 in the alphabet of URLs, without padding.
private func base64URL(_ bytes: some Sequence<UInt8>) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

/// A pair of RSA keys of 2,048 bits.
private struct RSAKeys {
    private let key: JWTKit.Insecure.RSA.PrivateKey
    let modulus: String
    let exponent: String

    init() throws {
        key = try JWTKit.Insecure.RSA.PrivateKey(backing: _RSA.Signing.PrivateKey(keySize: .bits2048))
        let parts = try key.publicKey.getKeyPrimitives()
        modulus = base64URL(parts.modulus)
        exponent = base64URL(parts.publicExponent)
    }

    func signer(_ algorithm: String) async throws -> any JWTAlgorithm {
        let keys = JWTKeyCollection()
        switch algorithm {
        case "RS256": await keys.add(rsa: key, digestAlgorithm: .sha256)
        case "RS384": await keys.add(rsa: key, digestAlgorithm: .sha384)
        case "RS512": await keys.add(rsa: key, digestAlgorithm: .sha512)
        case "PS256": await keys.add(pss: key, digestAlgorithm: .sha256)
        case "PS384": await keys.add(pss: key, digestAlgorithm: .sha384)
        default: await keys.add(pss: key, digestAlgorithm: .sha512)
        }
        return try await keys.getKey()
    }
}
