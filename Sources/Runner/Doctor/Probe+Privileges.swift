extension Probe {
    /// What it may become.
    static let privilegesProbes = [
        Probe(
            "capabilities", "reads its five capability sets: any bit is through", .capabilities,
            off: [.capabilities(["CHOWN"])]),
        Probe("capset", "gives itself CAP_NET_RAW by capset", .capabilities, off: [.root, .capabilities(["NET_RAW"])]),
        Probe("setuid-root", "becomes user 0", .user, off: [.root]),
        Probe("setuid-other", "becomes user 65534", .capabilities, off: [.root, .capabilities(["SETUID"])]),
        Probe("setgid-root", "becomes group 0", .user, off: [.root]),
        Probe("setgroups", "joins group 0", .capabilities, off: [.root, .capabilities(["SETGID"])]),
        Probe(
            "setuid-image", "runs a program of the image that is set-user-id root", .privileges, off: [.newPrivileges]),
        Probe(
            "setuid-tmp", "makes a set-user-id program in /tmp and runs it", .tmpfs,
            off: [.root, .newPrivileges, .exec, .suid, .capabilities(["SETUID"])]),
        Probe(
            "priority", "raises its own priority", .capabilities, off: [.root, .capabilities(["SYS_NICE"])],
            harmlessUnderGVisor: "gVisor's priorities do not leave the sandbox"),
    ]
}
