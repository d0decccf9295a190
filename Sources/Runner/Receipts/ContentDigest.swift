import Crypto

/// What bytes are known by afterwards.
public struct ContentDigest: Sendable, Equatable, Codable {
    public let bytes: Int64
    /// 64 hexadecimal digits.
    public let sha256: String

    init(bytes: Int64, sha256: SHA256Digest) {
        self.bytes = bytes
        self.sha256 = sha256.hexadecimal
    }

    public init(of bytes: [UInt8]) {
        self.init(bytes: Int64(bytes.count), sha256: SHA256.hash(data: bytes))
    }

    /// Of a JSON value in canonical form: white space and the order of keys do not count.
    public init(of value: JSONValue) throws { self.init(of: try value.canonical()) }
}

extension SHA256Digest {
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
