import CPostgres

/// The types that are sent and read, by their OID in PostgreSQL's `pg_type.dat`, where they never change.
private enum TypeID {
    static let boolean: Oid = 16
    static let bytes: Oid = 17
    static let name: Oid = 19
    static let int8: Oid = 20
    static let int2: Oid = 21
    static let int4: Oid = 23
    static let text: Oid = 25
    static let float4: Oid = 700
    static let float8: Oid = 701
    static let unknown: Oid = 705
    static let bpchar: Oid = 1042
    static let varchar: Oid = 1043
    static let void: Oid = 2278
}

/// A column of an answer, whose values come in binary.
struct PostgresColumn {
    let name: String
    let type: Oid

    /// - Throws: ``DatabaseError`` with code `decoding_failed` when the type is none that both databases keep.
    func value(_ bytes: UnsafeRawBufferPointer) throws -> SQLValue {
        switch type {
        case TypeID.int8: .integer(Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))
        case TypeID.int4: .integer(Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self))))
        case TypeID.int2: .integer(Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self))))
        case TypeID.float8: .real(Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))))
        case TypeID.float4: .real(Double(Float(bitPattern: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))))
        case TypeID.boolean: .boolean(bytes.first == 1)
        case TypeID.text, TypeID.varchar, TypeID.bpchar, TypeID.name, TypeID.unknown:
            .text(String(decoding: bytes, as: UTF8.self))
        case TypeID.bytes: .bytes([UInt8](bytes))
        case TypeID.void: .null
        default:
            throw DatabaseError(
                .decodingFailed,
                "column \(name) has PostgreSQL's type \(type), which is none of ours: CAST it, as a sum to BIGINT")
        }
    }
}

/// The values of a statement in the form that libpq takes: bytes in binary, all else as text.
struct PostgresParameters {
    typealias Pointers<Element> = UnsafePointer<Element>?

    private var content: [UInt8] = []
    /// Where each begins in `content`; nil is NULL.
    private var offsets: [Int?] = []
    private var types: [Oid] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []

    init(_ binds: [Statement.Bind]) {
        for bind in binds {
            types.append(Self.type(bind.type))
            formats.append(bind.type == .bytes ? 1 : 0)
            let start = content.count
            switch bind.value {
            case .null: break
            case .integer(let number): content += String(number).utf8
            case .real(let number): content += String(number).utf8
            case .boolean(let flag): content.append(UInt8(ascii: flag ? "t" : "f"))
            case .text(let text): content += text.utf8
            case .bytes(let bytes): content += bytes
            }
            offsets.append(bind.value == .null ? nil : start)
            lengths.append(CInt(content.count - start))
            content.append(0)
        }
    }

    func withPointers<Result>(
        _ body: (Pointers<Oid>, Pointers<UnsafePointer<CChar>?>, Pointers<CInt>, Pointers<CInt>) -> Result
    ) -> Result {
        content.withUnsafeBytes { content in
            let values = offsets.map { offset in
                offset.flatMap { content.baseAddress?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
            }
            return body(types, values, lengths, formats)
        }
    }

    private static func type(_ type: SQLType) -> Oid {
        switch type {
        case .integer: TypeID.int8
        case .real: TypeID.float8
        case .boolean: TypeID.boolean
        case .text: TypeID.text
        case .bytes: TypeID.bytes
        }
    }
}
