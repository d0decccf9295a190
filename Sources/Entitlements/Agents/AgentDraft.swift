/// An agent's fields as somebody gives them; CONTRACT §5. The schemas and hosts are checked by who can read them.
public struct AgentDraft: Sendable, Equatable {
    /// 3 to 100 characters.
    public var name: String
    /// 10 to 1000 characters.
    public var description: String
    public var category: AgentCategory
    /// A decimal number.
    public var price: String
    public var priceToken: String
    public var dockerImage: String
    /// `sha256:…`, what ``dockerImage`` was resolved to.
    public var imageDigest: String
    /// JSON.
    public var inputSchema: String?
    /// JSON.
    public var outputSchema: String?
    public var limits: LimitsRequest
    /// `HOST:PORT`; empty for no network.
    public var hosts: [String]
    public var isActive = true
    /// Executions of all users at once; nil for no limit.
    public var maxConcurrent: Int?
    /// Executions of all users in any 60 minutes; nil for no limit.
    public var executionsPerHour: Int?

    public init(
        name: String, description: String, category: AgentCategory, price: String = "0",
        priceToken: String = Price.chargedToken, dockerImage: String, imageDigest: String, inputSchema: String? = nil,
        outputSchema: String? = nil, limits: LimitsRequest = LimitsRequest(), hosts: [String] = []
    ) {
        self.name = name
        self.description = description
        self.category = category
        self.price = price
        self.priceToken = priceToken
        self.dockerImage = dockerImage
        self.imageDigest = imageDigest
        self.inputSchema = inputSchema
        self.outputSchema = outputSchema
        self.limits = limits
        self.hosts = hosts
    }

    /// The fields of an agent that is there, to be changed.
    public init(_ agent: Agent) {
        self.init(
            name: agent.name, description: agent.description, category: agent.category, price: agent.price.amount,
            priceToken: agent.price.token, dockerImage: agent.version.dockerImage,
            imageDigest: agent.version.imageDigest, inputSchema: agent.version.inputSchema,
            outputSchema: agent.version.outputSchema, limits: agent.version.limits, hosts: agent.version.hosts)
        isActive = agent.isActive
        maxConcurrent = agent.maxConcurrent
        executionsPerHour = agent.executionsPerHour
    }

    /// - Throws: ``EntitlementError`` with every field that is wrong.
    public func validated() throws -> Price {
        var wrong: [EntitlementError.Field] = []
        func check(_ isRight: Bool, _ path: String, _ message: String) {
            if !isRight { wrong.append(.init(path: path, message: message)) }
        }
        // Not what looks like one character, which may hold any number of bytes.
        let (nameLength, descriptionLength) = (name.unicodeScalars.count, description.unicodeScalars.count)
        check((3...100).contains(nameLength), "name", "must be 3 to 100 characters, is \(nameLength)")
        check(
            (10...1000).contains(descriptionLength), "description",
            "must be 10 to 1000 characters, is \(descriptionLength)")
        for (path, text) in [("name", name), ("description", description), ("dockerImage", dockerImage)] {
            check(!text.utf8.contains(0), path, "holds U+0000")
        }
        check(
            (1...1000).contains(dockerImage.unicodeScalars.count), "dockerImage",
            "must name an image, in at most 1000 characters")
        let digest = imageDigest.dropFirst("sha256:".count)
        let isDigest = digest.count == 64 && digest.allSatisfy { $0.isHexDigit && !$0.isUppercase }
        check(
            imageDigest.hasPrefix("sha256:") && isDigest, "dockerImage",
            "'\(dockerImage)' was not resolved to a digest (sha256:…)")
        check(hosts.count <= 64, "network", "names \(hosts.count) hosts, and 64 is the most")
        check(maxConcurrent ?? 0 >= 0, "maxConcurrent", "must be 0 or more")
        check(executionsPerHour ?? 0 >= 0, "executionsPerHour", "must be 0 or more")
        do {
            _ = try limits.resolved()
        } catch let invalid as Limits.Invalid {
            wrong.append(.init(path: "limits.\(invalid.name)", message: invalid.message))
        }
        var price: Price?
        do {
            price = try Price(amount: self.price, token: priceToken)
        } catch let error as EntitlementError {
            wrong += error.fields
        }
        guard let price, wrong.isEmpty else { throw EntitlementError(validating: wrong) }
        return price
    }
}
