import Entitlements

extension Receipt: Codable {
    private enum CodingKeys: String, CodingKey {
        case type, id
        case agentID = "agentId"
        case userID = "userId"
        case image, status, reason, exitCode, signal, notes, createdAt, startedAt, finishedAt, limits, network, runtime
        case usage, input, output, log, policy, audit
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        guard try container.decode(String.self, forKey: .type) == Self.type else {
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "must be \(Self.type), of which this paddock knows")
        }
        id = try container.decode(ExecutionID.self, forKey: .id)
        agentID = try container.decode(String.self, forKey: .agentID)
        userID = try container.decode(String.self, forKey: .userID)
        image = try container.decode(String.self, forKey: .image)
        status = try container.decode(Execution.Status.self, forKey: .status)
        reason = try container.decode(Execution.Reason?.self, forKey: .reason)
        exitCode = try container.decode(Int?.self, forKey: .exitCode)
        signal = try container.decode(String?.self, forKey: .signal)
        notes = try container.decode([Execution.Note.Code].self, forKey: .notes)
        createdAt = try container.decode(String.self, forKey: .createdAt)
        startedAt = try container.decode(String?.self, forKey: .startedAt)
        finishedAt = try container.decode(String.self, forKey: .finishedAt)
        limits = try container.decode(Limits.self, forKey: .limits)
        network = try container.decode(Network.self, forKey: .network)
        runtime = try container.decode(String?.self, forKey: .runtime)
        usage = try container.decode(Execution.Usage.self, forKey: .usage)
        input = try container.decode(ContentDigest.self, forKey: .input)
        output = try container.decode(ContentDigest?.self, forKey: .output)
        log = try container.decode(Log.self, forKey: .log)
        policy = try container.decode(PolicyEvidence?.self, forKey: .policy)
        audit = try container.decode(AuditHead?.self, forKey: .audit)
    }

    /// Every key is always there, null where there is no value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.type, forKey: .type)
        try container.encode(id, forKey: .id)
        try container.encode(agentID, forKey: .agentID)
        try container.encode(userID, forKey: .userID)
        try container.encode(image, forKey: .image)
        try container.encode(status, forKey: .status)
        try container.encode(reason, forKey: .reason)
        try container.encode(exitCode, forKey: .exitCode)
        try container.encode(signal, forKey: .signal)
        try container.encode(notes, forKey: .notes)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(finishedAt, forKey: .finishedAt)
        try container.encode(limits, forKey: .limits)
        try container.encode(network, forKey: .network)
        try container.encode(runtime, forKey: .runtime)
        try container.encode(usage, forKey: .usage)
        try container.encode(input, forKey: .input)
        try container.encode(output, forKey: .output)
        try container.encode(log, forKey: .log)
        try container.encode(policy, forKey: .policy)
        try container.encode(audit, forKey: .audit)
    }
}
