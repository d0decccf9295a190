extension Execution {
    /// Takes the output in, if it is one; turns a success into a failure, if it is none.
    mutating func judge(output bytes: [UInt8], schema: JSONSchema?) async {
        func refuse(_ why: String) {
            guard status == .succeeded else { return }
            status = .failed
            reason = .outputInvalid
            message = why
        }
        do {
            output = try JSONValue(parsing: bytes)
        } catch {
            return refuse("its output was refused: \(error)")
        }
        if let violation = await schema?.violations(in: bytes).first {
            refuse("its output does not match the agent's output schema: \(violation)")
        }
    }
}
