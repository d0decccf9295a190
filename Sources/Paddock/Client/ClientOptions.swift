import ArgumentParser

/// How the commands of a server print.
struct ClientOptions: ParsableArguments {
    @Option(help: "How to print: table or json.")
    var format = OutputFormat.table

    @Flag(name: .shortAndLong, help: "No progress and no summary.")
    var quiet = false
}
