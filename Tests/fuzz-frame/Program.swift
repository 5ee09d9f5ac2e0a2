import FrameFuzzing
import FuzzProgram

/// libFuzzer calls it before anything else.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  startFuzzing(FrameTargets.all)
  return 0
}

@main enum Program {
  /// Never called: libFuzzer has a `main` of its own.
  static func main() {}
}
