import Foundation
import Runner

/// What several requests have.
extension JSONFields {
    static let limitNames = [
        "memoryMiB", "cpus", "pids", "timeoutSeconds", "cpuSeconds", "tmpMiB", "logMiB", "outputKiB", "openFiles",
        "graceSeconds",
    ]

    /// `network`: nil when it is not given, empty for the mode `none`.
    func network() -> [String]? {
        guard let network = object("network", known: "mode", "allow") else { return nil }
        defer { collect(network) }
        let allow = network.strings("allow", atMost: 64)
        switch network.required("mode", { network.string($0, 1...20) }) {
        case "none":
            if !(allow ?? []).isEmpty { network.fault("allow", "has no effect with the mode none: write allowlist") }
            return []
        case "allowlist":
            guard let allow, !allow.isEmpty else {
                network.fault("allow", "is missing: list the hosts, such as [\"api.example.com\"]")
                return nil
            }
            return allow
        case nil: return nil
        default:
            network.fault("mode", "must be none or allowlist")
            return nil
        }
    }

    /// A time as RFC 3339; nil when it is absent or null.
    func time(_ key: String) -> Date? {
        guard let text = string(key, 1...40) else { return nil }
        let styles: [Date.ISO8601FormatStyle] = [
            .iso8601, .iso8601.year().month().day().time(includingFractionalSeconds: true).timeZone(separator: .colon),
        ]
        for style in styles { if let date = try? style.parse(text) { return date } }
        fault(key, "must be a time such as 2026-11-21T10:00:00Z")
        return nil
    }
}
