import FuzzProgram
import InputFuzzing

/// libFuzzer calls it before anything else.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  startFuzzing(InputTargets.all)
  return 0
}

@main enum Program {
  /// Never called: libFuzzer has a `main` of its own.
  static func main() {}
}
