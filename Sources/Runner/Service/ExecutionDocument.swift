import Foundation
public import Storage

/// An execution as the API shows it, as JSON text; the contract, §3.
public struct ExecutionDocument: Sendable {
    /// A stored execution that cannot be read any more.
    struct Unreadable: Error, CustomStringConvertible {
        let id: String
        var description: String { "the stored request of \(id) cannot be read" }
    }

    /// A JSON object.
    public let bytes: [UInt8]

    /// - Throws: an error of ours, for a row that no Paddock has written.
    public init(_ stored: StoredExecution) throws {
        let body: [UInt8]
        if let ending = stored.ending, ending.utf8.count > 2 {
            body = Array(ending.utf8)
        } else {
            body = try Execution.current(stored).serialized(isPretty: false)
        }
        guard let close = body.lastIndex(of: UInt8(ascii: "}")) else { throw Unreadable(id: stored.id) }
        bytes = body[..<close] + Self.links(stored.id) + [UInt8(ascii: "}")]
    }

    /// As it was when it had just been submitted.
    public static func submitted(_ stored: StoredExecution) throws -> ExecutionDocument {
        var execution = try Execution.current(stored)
        execution.status = .queued
        execution.startedAt = nil
        execution.finishedAt = nil
        return ExecutionDocument(try execution.serialized(isPretty: false), stored.id)
    }

    private init(_ body: [UInt8], _ id: String) {
        bytes = body.dropLast() + Self.links(id) + [UInt8(ascii: "}")]
    }

    /// An id needs no escaping.
    private static func links(_ id: String) -> [UInt8] {
        let own = "/api/v1/executions/\(id)"
        return Array(
            #","links":{"cancel":"\#(own)/cancel","logs":"\#(own)/logs","receipt":"\#(own)/receipt","self":"\#(own)"}"#
                .utf8)
    }
}

extension Execution {
    /// One that is under way, from what is stored of it.
    static func current(_ stored: StoredExecution) throws -> Execution {
        guard let id = ExecutionID(stored.id), let status = Status(rawValue: stored.state.rawValue),
            let ticket = try? JSONDecoder().decode(ExecutionTicket.self, from: Data(stored.request.utf8))
        else { throw ExecutionDocument.Unreadable(id: stored.id) }
        var execution = Execution(
            id: id, agentID: ticket.agentID, userID: ticket.userID, image: ticket.image, status: status,
            createdAt: stored.createdAt, limits: ticket.limits)
        execution.startedAt = stored.startedAt
        execution.finishedAt = stored.finishedAt
        execution.take(ticket)
        return execution
    }

    /// What is known of one before it has run.
    mutating func take(_ ticket: ExecutionTicket) {
        runtime = ticket.runtime
        labels = ticket.labels
        if !ticket.allow.isEmpty { network = .init(mode: "allowlist", allow: ticket.allow) }
    }
}
