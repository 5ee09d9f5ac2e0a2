import GRDB
import Glibc

/// Why the disk did not take something.
struct StorageError: Error, Sendable, Equatable {
  /// What was to be done, such as `the state cannot be stored`.
  var what: String
  /// Why, in the system's words.
  var why: String
  var isFull = false
  /// Another process has what is asked for.
  var isTaken = false

  init(_ what: String, why: String, isFull: Bool = false, isTaken: Bool = false) {
    self.what = what
    self.why = why
    self.isFull = isFull
    self.isTaken = isTaken
  }

  init(_ what: String, errno code: Int32) {
    self.init(what, why: String(cString: strerror(code)), isFull: code == ENOSPC || code == EDQUOT)
  }

  init(_ what: String, _ error: any Error) {
    guard let error = error as? DatabaseError else {
      self.init(what, why: "\(error)")
      return
    }
    self.init(
      what, why: error.message ?? "SQLite error \(error.resultCode.rawValue)",
      isFull: error.resultCode == .SQLITE_FULL)
  }

  func refusal(directory: String) -> ControlError {
    if isTaken {
      return .unavailable(
        why: "\(what): \(why)", advice: "end that process, or give this one another directory")
    }
    let advice =
      isFull
      ? "free space in \(directory); the state in force goes on"
      : "check \(directory) and its file system; the state in force goes on"
    return .unavailable(why: "\(what): \(why)", advice: advice)
  }
}
