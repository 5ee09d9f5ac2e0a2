import FuzzSupport
import Glibc

/// The body of the target that was asked for: libFuzzer's callback carries nothing of its caller's.
private nonisolated(unsafe) var body: FuzzBody = { _ in nil }

/// Makes one of `targets` ready, the one that the environment names in APUS_FUZZ_TARGET; there, for
/// libFuzzer starts the program again with options of its own when it merges.
///
/// Without a name it lists the targets with the longest input of each, and ends. With APUS_FUZZ_SEEDS
/// it writes inputs to begin with to that folder, and ends. `canary` is a target that fails as soon as
/// the fuzzer finds three bytes, which it does within seconds if its feedback works.
public func startFuzzing(_ targets: [FuzzTarget]) {
  guard let name = environment("APUS_FUZZ_TARGET") else {
    for target in targets { print(target.name, target.maximumLength) }
    exit(0)
  }
  guard let target = (targets + [canary]).first(where: { $0.name == name }) else {
    print("no target \(name); there are:", targets.map(\.name).joined(separator: " "))
    exit(64)
  }
  if let folder = environment("APUS_FUZZ_SEEDS") {
    for (index, seed) in target.seeds().enumerated() { write(seed, to: "\(folder)/seed-\(index)") }
    exit(0)
  }
  body = target.make()
}

private func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

private let canary = FuzzTarget("canary", maximumLength: 16) {
  { input in
    let isFound = input.count > 4 && input[0] == 0xCA && input[2] == 0x4E && input[4] == 0x59
    return isFound ? "the canary sings" : nil
  }
}

/// What libFuzzer calls for each input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  if let fault = body(UnsafeRawBufferPointer(start: bytes, count: count)) { fatalError(fault) }
  return 0
}

private func write(_ bytes: [UInt8], to path: String) {
  guard let file = fopen(path, "w") else { return }
  _ = fwrite(bytes, 1, bytes.count, file)
  fclose(file)
}
