import Hummingbird
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOSSL
import Runner
public import ServiceLifecycle

/// The HTTP API as a service: listens until it is told to stop.
public struct APIServer: Service {
    private let configuration: ServerConfiguration
    private let services: APIServices
    private let logger: Logger
    private let onRunning: @Sendable (_ port: Int) async -> Void

    /// - Parameter onRunning: called once it listens.
    /// - Throws: ``ServerConfiguration/Refused``.
    public init(
        _ configuration: ServerConfiguration, services: APIServices, logger: Logger,
        onRunning: @escaping @Sendable (_ port: Int) async -> Void = { _ in }
    ) throws {
        try configuration.validate()
        self.configuration = configuration
        self.services = services
        self.logger = logger
        self.onRunning = onRunning
    }

    /// Stops when its group does: requests under way may end within ``ServerConfiguration/stopTimeout``, and followed
    /// logs are ended, to be resumed elsewhere.
    public func run() async throws {
        let streams = LogStreams(limit: configuration.logStreams)
        let table = RouteTable(services: services, streams: streams)
        let guardian = RouteGuard(services: services, configuration: configuration)
        var application = Application(
            responder: LongAnswers(base: table.router(guardian, configuration).buildResponder()),
            server: try serverBuilder(),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
                availableConnectionsDelegate: .maximum(configuration.maxConnections, logger: logger)),
            onServerRunning: { [onRunning] channel in await onRunning(channel.localAddress?.port ?? 0) },
            logger: logger)
        application.logger = logger
        let limit = configuration.stopTimeout
        let running = application
        let (readiness, authenticator) = (services.readiness, services.authenticator)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withTaskExecutorPreference(EventLoopExecutor.shared) { try await running.run() }
            }
            group.addTask {
                // Until the group stops, or the application has ended.
                try await gracefulShutdown()
                readiness.stop()
                try await Task.sleep(for: limit)
            }
            group.addTask { try await streams.endRevoked(authenticator) }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func serverBuilder() throws -> HTTPServerBuilder {
        let configuration = configuration
        let plain = HTTPServerBuilder.http1(
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [ConnectionDeadlines(configuration)],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: configuration.maxHeaderBytes, maxHeaderListSize: configuration.maxHeaderBytes,
                    maxHeaderFieldCount: ServerConfiguration.maxHeaders)))
        guard let files = configuration.tls else { return plain }
        do {
            var tls = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(files.certificateChain).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: files.privateKey, format: .pem)))
            tls.minimumTLSVersion = .tlsv12
            return try .tls(plain, tlsConfiguration: tls)
        } catch {
            throw ServerConfiguration.Refused(
                description: "TLS: \(files.certificateChain) and \(files.privateKey) cannot be used: \(error)")
        }
    }
}
