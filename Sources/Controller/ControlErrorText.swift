extension ControlError {
  /// What, why and what to do, in one line, for the log and for status.
  var line: String {
    switch self {
    case .invalid(let lines):
      lines.count == 1 ? lines[0] : "\(lines.count) errors, the first: \(lines.first ?? "")"
    case .conflict(let expected, let actual):
      "generation \(expected) was expected, the state has \(actual)"
    case .denied(let permission, let caller):
      "\(caller) has no permission `\(permission.rawValue)`"
    case .full(let what, let limit, let asked): "\(what): \(asked) asked, at most \(limit)"
    case .notFound(let reference): "\(reference) is not there"
    case .unavailable(let why, let advice): "\(why) (\(advice))"
    }
  }
}

extension DataPlaneError {
  /// What callers of the API are told.
  var refusal: ControlError {
    switch self {
    case .full(let what, let limit, let asked): .full(what: what, limit: limit, asked: asked)
    case .port(let networkInterface, let why, let advice):
      .unavailable(why: "the port of \(networkInterface): \(why)", advice: advice)
    case .fixed(let what):
      .unavailable(
        why: "\(what) cannot change while the data plane runs",
        advice: "restart the daemon with the new value")
    case .workersDoNotPass(let seconds):
      .unavailable(
        why: "a worker did not take up the new generation in \(seconds) s",
        advice: "see the daemon's log; the state before is in force")
    }
  }
}
