/// Why the API cannot be served.
public enum ServerError: Error, Sendable, Equatable {
  case socket(path: String, why: String, advice: String)
  case tls(file: String, why: String, advice: String)
  case listen(address: String, why: String, advice: String)

  /// `WHAT: WHY (ADVICE)`.
  public var text: String {
    switch self {
    case .socket(let what, let why, let advice), .tls(let what, let why, let advice),
      .listen(let what, let why, let advice):
      "\(what): \(why) (\(advice))"
    }
  }
}
