import ArgumentParser
import Entitlements
import Foundation
import Runner

/// `paddock entitlements`: who may run what.
struct EntitlementsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "entitlements",
        abstract: "List, grant and revoke rights to run agents; explain decisions; pause and resume.",
        discussion: "Works on the database that DATABASE_URL names, or the state folder's.",
        subcommands: [List.self, Grant.self, Revoke.self, Explain.self, Tiers.self, Gate.self, Pause.self, Resume.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the grants.")

        @Option(help: "Only those of this user.")
        var user: String?

        @Option(help: "Only those to this agent.")
        var agent: String?

        @Flag(name: .shortAndLong, help: "Also those that were revoked.")
        var all = false

        @OptionGroup var output: AccessOutput

        func run() async throws {
            let grants = try await Administration.with { admin in
                try await admin.all {
                    try await admin.grants.list(userID: user, agentID: agent, isRevokedToo: all, after: $0, in: $1)
                }
            }
            try output.write(grants) {
                var table = Table(["USER", "AGENT", "SOURCE", "USES", "EXPIRES", "REVOKED"])
                for grant in grants {
                    table.add(
                        grant.userID, grant.agentID, grant.source.rawValue,
                        grant.usesLimit.map { "\(grant.uses) of \($0)" } ?? "any", grant.expiresAt?.rfc3339 ?? "never",
                        grant.revokedAt?.rfc3339 ?? "")
                }
                return table
            }
        }
    }

    struct Grant: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "grant", abstract: "Let a user run an agent.")

        @Argument(help: "The user's id.")
        var user: String

        @Argument(help: "The agent's id.")
        var agent: String

        @Option(help: "admin or purchase.")
        var source = Entitlements.Grant.Source.admin

        @Option(help: ArgumentHelp("When it ends, such as 2027-01-31.", valueName: "time"))
        var expires: TimeOption?

        @Option(help: ArgumentHelp("Executions that it is good for.", valueName: "n"))
        var uses: Int?

        func validate() throws {
            guard source == .admin || source == .purchase else {
                throw ValidationError("--source: is admin or purchase; what the chain says is asked of the chain")
            }
        }

        func run() async throws {
            _ = try await Administration.with { admin in
                try await admin.write {
                    try await admin.grants.grant(
                        userID: user, agentID: agent, source: source, expiresAt: expires?.date, usesLimit: uses,
                        by: Administration.actor, in: $0)
                }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Take a user's right to run an agent away, at once.")

        @Argument(help: "The user's id.")
        var user: String

        @Argument(help: "The agent's id.")
        var agent: String

        @Option(help: "Only from this source: admin, purchase or chain.")
        var source: Entitlements.Grant.Source?

        func run() async throws {
            let count = try await Administration.with { admin in
                try await admin.write {
                    try await admin.grants.revoke(
                        userID: user, agentID: agent, source: source, by: Administration.actor, in: $0)
                }
            }
            guard count > 0 else { throw Failure("user \(user) has no grant for agent \(agent) that is not revoked") }
        }
    }

    struct Explain: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "explain",
            abstract: "Say what each rule would decide now, without reserving anything.",
            discussion: "Exit code: 0 when it would be admitted, 1 when not.")

        @Argument(help: "The user's id.")
        var user: String

        @Argument(help: "The agent's id.")
        var agent: String

        @OptionGroup var output: AccessOutput

        func run() async throws {
            let explanation = try await Administration.with { admin in
                let request = AdmissionRequest(executionID: "", userID: user, agentID: agent)
                return try await Admission().explain(request, in: admin.database)
            }
            try output.write(explanation) {
                var table = Table(["", "RULE", "", "WHY"])
                for verdict in explanation.verdicts {
                    let word = verdict.denial.map { "denies (\($0.code.rawValue))" } ?? "holds"
                    table.add("\(verdict.number)", verdict.rule, word, verdict.denial?.message ?? "")
                }
                return table
            }
            if !explanation.isAdmitted { throw ExitCode(1) }
        }
    }

    struct Tiers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "tiers", abstract: "List the tiers.")

        @OptionGroup var output: AccessOutput

        func run() async throws {
            let tiers = try await Administration.with { try await TierRepository().list(in: $0.database) }
            try output.write(tiers) {
                var table = Table(["TIER", "A DAY", "AN HOUR", "AT ONCE", "PRIORITY", "RUNTIME", "HOSTS"])
                for tier in tiers {
                    table.add(
                        "\(tier.number)", "\(tier.executionsPerDay)", "\(tier.executionsPerHour)",
                        "\(tier.maxConcurrent)", "\(tier.priority)", tier.runtime ?? "any", "\(tier.maxHosts)")
                }
                return table
            }
        }
    }

    struct Gate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "gate",
            abstract: "Show whether anything is admitted: pauses, and the circuit breaker. As JSON.")

        func run() async throws {
            try Output.json(try await Administration.with { try await $0.gate.state(in: $0.database) })
        }
    }

    struct Pause: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "pause", abstract: "Admit nothing from now on. What runs goes on.")

        @Option(help: "Why, for those who are denied.")
        var reason: String?

        func run() async throws {
            let isNew = try await Administration.with { admin in
                try await admin.write { try await admin.gate.pause(by: Administration.actor, reason: reason, in: $0) }
            }
            if !isNew { Console.error("it was paused already") }
        }
    }

    struct Resume: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "resume", abstract: "Admit again.")

        func run() async throws {
            let isNew = try await Administration.with { admin in
                try await admin.write { try await admin.gate.resume(by: Administration.actor, in: $0) }
            }
            if !isNew { Console.error("it was not paused") }
        }
    }
}
