import FuzzProgram
import PacketFuzzing

/// libFuzzer calls it before anything else.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(_: UnsafeMutableRawPointer?, _: UnsafeMutableRawPointer?) -> CInt {
  startFuzzing(PacketTargets.all)
  return 0
}

@main enum Program {
  /// Never called: libFuzzer has a `main` of its own.
  static func main() {}
}
