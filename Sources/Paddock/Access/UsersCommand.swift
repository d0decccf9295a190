import ArgumentParser
import Entitlements
import Foundation
import Runner

/// `paddock users`: who runs agents, and how much.
struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users",
        abstract: "List, create and change users, and what they may have.",
        discussion: "Works on the database that DATABASE_URL names, or the state folder's.",
        subcommands: [List.self, Show.self, Create.self, Set.self, Deposit.self, Bill.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the users.")

        @OptionGroup var output: AccessOutput

        func run() async throws {
            let users = try await Administration.with { admin in
                try await admin.all { try await admin.users.list(after: $0, in: $1) }
            }
            try output.write(users) {
                var table = Table(["ID", "ROLE", "TIER", "SUSPENDED", "CREATED", "NAME"])
                for user in users {
                    table.add(
                        user.id, user.role.rawValue, "\(user.tier)", user.isSuspended ? "yes" : "no",
                        user.createdAt.rfc3339, user.name ?? "")
                }
                return table
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show what a user may do now: quota, rate, balance, and when each resets.")

        @Argument(help: "The user's id.")
        var id: String

        @OptionGroup var output: AccessOutput

        func run() async throws {
            let access = try await Administration.with { try await $0.access(of: id) }
            try output.write(access) { access.table }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create", abstract: "Create a user, and print the id.")

        @Argument(help: "The id, as tokens name it; one is made where none is given.")
        var id: String?

        @Option(help: "user, developer or admin.")
        var role = Role.user

        func run() async throws {
            let user = try await Administration.with { admin in
                if let id, try await admin.users.find(id, in: admin.database) != nil {
                    throw Failure("there is a user \(id) already")
                }
                return try await admin.write { try await admin.users.ensure(id, role: role, in: $0) }
            }
            try Output.write(user.id + "\n")
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Change what a user may have.",
            discussion: "A number may be `none`: the tier's, or no monthly limit.")

        @Argument(help: "The user's id.")
        var id: String

        @Option(help: "user, developer or admin.")
        var role: Role?

        @Option(help: "1, 2 or 3.")
        var tier: Int?

        @Option(help: "true or false.")
        var suspended: Bool?

        @Option(help: ArgumentHelp("The balance that it is to have.", valueName: "cents"))
        var balance: Int?

        @Option(help: ArgumentHelp("The most that a month may cost.", valueName: "cents"))
        var monthlyLimit: OptionalNumber?

        @Option(help: ArgumentHelp("Executions in an hour.", valueName: "n"))
        var perHour: OptionalNumber?

        @Option(help: ArgumentHelp("Executions in a day.", valueName: "n"))
        var perDay: OptionalNumber?

        @Option(help: ArgumentHelp("Executions at once.", valueName: "n"))
        var maxConcurrent: OptionalNumber?

        @OptionGroup var output: AccessOutput

        func run() async throws {
            var change = AccessChange()
            change.tier = tier
            change.suspended = suspended
            change.balanceCents = balance
            if let monthlyLimit { change.monthlyLimitCents = monthlyLimit.field }
            if let perHour { change.executionsPerHour = perHour.field }
            if let perDay { change.executionsPerDay = perDay.field }
            if let maxConcurrent { change.maxConcurrent = maxConcurrent.field }
            let fixed = change
            let access = try await Administration.with { admin in
                try await admin.write { transaction in
                    try await admin.users.setAccess(id, fixed, by: Administration.actor, in: transaction)
                    if let role {
                        _ = try await admin.users.setRole(id, to: role, by: Administration.actor, in: transaction)
                    }
                }
                return try await admin.access(of: id)
            }
            try output.write(access) { access.table }
        }
    }

    struct Deposit: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "deposit",
            abstract: "Add to a user's balance.",
            discussion: "The same reference again adds nothing.")

        @Argument(help: "The user's id.")
        var id: String

        @Argument(help: "How many cents.")
        var cents: Int

        @Option(help: "The payment's own id.")
        var reference: String

        func run() async throws {
            let isNew = try await Administration.with { admin in
                try await admin.write {
                    try await admin.ledger.deposit(
                        cents, to: id, reference: reference, by: Administration.actor, in: $0)
                }
            }
            if !isNew { Console.error("the payment \(reference) is in the ledger already") }
        }
    }

    struct Bill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "bill", abstract: "Show what a user's month came to.")

        @Argument(help: "The user's id.")
        var id: String

        @Argument(help: "Such as 2026-11; this month where none is given.")
        var month: String?

        @OptionGroup var output: AccessOutput

        func run() async throws {
            guard let month = month.map({ UTCMonth($0) }) ?? UTCMonth(Date()) else {
                throw Failure("\(month ?? "") is no month: write it as 2026-11")
            }
            let bill = try await Administration.with { admin in
                _ = try await admin.user(id)
                return try await UsageRecords().bill(of: id, month, in: admin.database)
            }
            try output.write(bill) {
                var table = Table(["AGENT", "EXECUTIONS", "CHARGED", "REFUNDED"])
                for line in bill.lines {
                    table.add(line.agentId, "\(line.executions)", "\(line.chargedCents)", "\(line.refundedCents)")
                }
                table.add("total", "", "\(bill.totalCents)")
                return table
            }
        }
    }
}

extension Access {
    fileprivate var table: Table {
        var table = Table(["", "LIMIT", "USED", "LEFT", "RESETS"])
        func line(_ name: String, _ allowance: Allowance) {
            table.add(
                name, "\(allowance.limit)", "\(allowance.used)", "\(allowance.remaining)",
                allowance.resetAt?.rfc3339 ?? "")
        }
        line("executions today", quota)
        line("executions in the last hour", rate)
        line("executions at once", concurrent)
        if let advance { table.add("reserved in advance", "", "", "\(advance.remaining)", advance.until.rfc3339) }
        table.add(
            "cents this month", monthlyLimitCents.map(String.init) ?? "none", "\(monthUsedCents)", "",
            monthResetAt.rfc3339)
        table.add("cents of the balance", "\(balanceCents)", "\(reservedCents)", "\(availableCents)", "")
        table.add("tier", "\(tier)")
        if suspended { table.add("suspended", "yes") }
        return table
    }
}
