import Wire

/// Why a model cannot be compiled.
public enum TableCompilerError: Error, Sendable, Equatable, CustomStringConvertible {
  /// There are more of something than the tables can number.
  case capacity(of: String, count: Int, limit: Int)
  /// The model names something that it does not hold; a model from the loader never does.
  case unknownReference(kind: String, id: String)
  /// Numbers that went out of use are not free before all workers have cleaned up after them.
  case awaitsWorkers
  /// A tunnel endpoint is not of the family of the host's own underlay address.
  case underlayFamily(IPAddress)

  public var description: String {
    switch self {
    case .capacity(let what, let count, let limit):
      "\(count) \(what), and the tables hold at most \(limit)"
    case .unknownReference(let kind, let id): "there is no \(kind) \(id)"
    case .awaitsWorkers: "workers have not cleaned up yet after rules and interfaces that went"
    case .underlayFamily(let address):
      "the tunnel endpoint \(address) is not of the family of the host's address"
    }
  }
}

extension TableCompilerError {
  /// Throws `capacity` when `count` is above `limit`.
  static func check(_ count: Int, of what: String, limit: Int) throws(TableCompilerError) {
    guard count <= limit else { throw .capacity(of: what, count: count, limit: limit) }
  }
}
