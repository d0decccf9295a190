import Entitlements
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Runner

/// One request to a route, by somebody who may make it.
struct Call: Sendable {
    let request: Request
    let context: APIContext
    /// nil on an open route.
    let identity: Caller?
    let maxBodyBytes: Int

    /// Who calls. Routes that need credentials are only reached with them.
    var caller: Caller {
        get throws {
            guard let identity else { throw Problem.unauthenticated("this needs a key or a token") }
            return identity
        }
    }

    /// What stands in the path for `{name}`.
    func parameter(_ name: String) throws -> String {
        guard let text = context.parameters.get(name), let decoded = text.removingPercentEncoding,
            !decoded.utf8.contains(0)
        else { throw Problem.notFound("such thing") }
        return decoded
    }

    /// A parameter of the query; nil when it is not there or empty.
    /// - Throws: ``Problem`` when it is given twice, or holds U+0000, which no database takes.
    func query(_ name: String) throws -> String? {
        let values = request.uri.queryParameters.getAll(name)
        guard values.count < 2 else { throw Problem.badParameter(name, "is given \(values.count) times") }
        guard let value = values.first, !value.isEmpty else { return nil }
        guard !value.utf8.contains(0) else { throw Problem.badParameter(name, "must not hold U+0000") }
        return String(value)
    }

    /// - Throws: ``Problem`` for a number that is none, or not in the range.
    func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = try query(name) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw Problem.badParameter(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ name: String) throws -> Bool {
        switch try query(name) {
        case nil, "false", "0": return false
        case "true", "1": return true
        default: throw Problem.badParameter(name, "must be true or false")
        }
    }

    /// The whole body.
    /// - Throws: ``Problem`` when it is too large.
    func bodyBytes() async throws -> [UInt8] {
        let tooLarge = Problem.tooLarge("the body is more than \(maxBodyBytes) bytes")
        if let announced = request.headers[.contentLength].flatMap({ Int($0) }), announced > maxBodyBytes {
            throw tooLarge
        }
        do {
            return Array(buffer: try await request.body.collect(upTo: maxBodyBytes))
        } catch is NIOTooManyBytesError {
            throw tooLarge
        }
    }

    /// The body as a JSON object with these keys at most.
    func body(_ known: String...) async throws -> JSONFields { try fields(try await bodyBytes(), known) }

    /// As ``body(_:)``, of a body that was read.
    func fields(_ bytes: [UInt8], _ known: String...) throws -> JSONFields { try fields(bytes, known) }

    func fields(_ bytes: [UInt8], _ known: [String]) throws -> JSONFields {
        if let type = request.headers[.contentType], !type.lowercased().hasPrefix("application/json") {
            throw Problem(
                status: 415, code: "unsupported_media_type", title: "Not JSON",
                detail: "the body must be application/json, and is announced as \(type.prefix(100))")
        }
        return try JSONFields(bytes: bytes, known: known)
    }

    /// Where a list is to go on.
    func cursor() throws -> String? {
        guard let cursor = try query("cursor") else { return nil }
        guard cursor.utf8.count <= 512 else {
            throw Problem.badParameter("cursor", "is not one: give nextCursor of the page before")
        }
        return cursor
    }

    /// How many a list is to have at most.
    func limit() throws -> Int { try number("limit", 1...100) ?? 50 }

    /// Runs what may take a while, as long as the client is there.
    func untilClientLeaves<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task { try await body() }
        context.onLeave { task.cancel() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }
}

/// Whoever has shown credentials.
struct Caller: Sendable {
    let userID: String
    let role: Role
    /// What the credential may be used for.
    let scopes: Set<Scope>
    /// What is counted: a key with a limit of its own, or the user.
    let limitKey: String
    /// Requests per 15 minutes; 0 for no limit, nil for the server's.
    let requestLimit: Int?
    /// The one execution whose log this credential reads; nil for any other credential.
    var onlyLogOf: String?
    /// Whether the credential is an API key, which can be revoked.
    var hasKey = false
    /// When the key ends; nil for one that does not, and for any other credential.
    var expiresAt: Date?

    /// Whether others' things are the caller's too. An administrator's key that is not for that is as any user's.
    var isAdmin: Bool { role == .admin && scopes.contains(.admin) }

    /// Whose things the caller may see and change: nil for everybody's.
    var owner: String? { isAdmin ? nil : userID }
}
