import CapturePort

/// Why a replay stopped.
public enum ReplayError: Error {
  /// An input cannot be read, a filter is no tcpdump expression, or an output failed.
  case capture(CaptureError)
  case cannotWrite(path: String, why: String)
  /// An option names something that does not exist, or contradicts another.
  case usage(what: String, why: String)
  /// The model is valid but cannot be compiled.
  case refused(why: String)
  /// A promise of ours was broken.
  case defect(String)
}
