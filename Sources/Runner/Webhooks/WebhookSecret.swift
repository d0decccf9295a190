import Crypto
import Foundation

/// What signs the webhooks of one user, by Standard Webhooks: `whsec_` and base64.
///
/// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
public struct WebhookSecret: Sendable, CustomStringConvertible {
    private let key: SymmetricKey

    /// Each user has a secret of their own, so that none can sign what goes to another.
    init(master: [UInt8], userID: String) {
        key = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: master), info: Data("paddock webhook \(userID)".utf8),
            outputByteCount: 32)
    }

    /// As receivers' libraries take it.
    public var description: String { "whsec_" + key.withUnsafeBytes { Data($0).base64EncodedString() } }

    /// One of the values of `webhook-signature`, which are separated by spaces.
    func signature(id: String, timestamp: Int, body: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return "v1," + Data(HMAC<SHA256>.authenticationCode(for: signed, using: key)).base64EncodedString()
    }
}
