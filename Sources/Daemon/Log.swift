import Logging

/// The daemon's log: lines on standard error.
enum Log {
  /// Starts logging; once.
  static func start(_ level: LogLevel) -> Logger {
    let level = Logger.Level(rawValue: level.rawValue) ?? .info
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
    return Logger(label: "apus")
  }
}
