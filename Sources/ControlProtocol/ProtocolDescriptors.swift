/// The descriptors of the API's protocol files, which server reflection answers with.
public struct ProtocolDescriptors: Sendable {
  /// A file in `proto/`, or one that it imports.
  struct File: Sendable {
    /// As in an import, such as `apus/v1/control.proto`.
    var name: String
    var imports: [String]
    /// Full names.
    var services: [String]
    /// Full names of messages, enumerations, services and methods.
    var symbols: [String]
    /// The file's FileDescriptorProto, as hexadecimal digits.
    var hex: String

    var bytes: [UInt8] {
      let digits = hex.utf8.map { digit in
        digit <= UInt8(ascii: "9") ? digit - UInt8(ascii: "0") : digit - UInt8(ascii: "a") + 10
      }
      return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
  }

  private let byName: [String: File]
  private let bySymbol: [String: String]
  /// Full names of all services, sorted.
  public let services: [String]
  /// `SERVICE/METHOD` of all methods, sorted.
  public let methods: [String]

  public init() {
    byName = Dictionary(uniqueKeysWithValues: Self.files.map { ($0.name, $0) })
    bySymbol = Dictionary(
      Self.files.flatMap { file in file.symbols.map { ($0, file.name) } },
      uniquingKeysWith: { first, _ in first })
    services = Self.files.flatMap(\.services).sorted()
    methods = Self.files.flatMap { file in
      file.services.flatMap { service in
        file.symbols.filter { $0.hasPrefix(service + ".") }
          .map { service + "/" + $0.dropFirst(service.utf8.count + 1) }
      }
    }.sorted()
  }

  /// A file and all that it imports, directly or not, as serialised descriptors, the file first.
  ///
  /// - Returns: nil when there is no such file.
  public func file(named name: String) -> [[UInt8]]? {
    guard byName[name] != nil else { return nil }
    var found: [[UInt8]] = []
    var seen: Set<String> = [name]
    var queue = [name][...]
    while let next = queue.popFirst() {
      guard let file = byName[next] else { continue }
      found.append(file.bytes)
      queue += file.imports.filter { seen.insert($0).inserted }
    }
    return found
  }

  /// The file that declares a symbol, and all that it imports.
  ///
  /// - Parameter symbol: a full name such as `apus.v1.Control.Apply`.
  /// - Returns: nil when there is no such symbol.
  public func file(declaring symbol: String) -> [[UInt8]]? {
    bySymbol[symbol].flatMap { file(named: $0) }
  }
}
