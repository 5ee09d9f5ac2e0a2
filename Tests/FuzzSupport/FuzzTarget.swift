/// Runs one input; returns what is wrong with what came of it, nil when nothing is.
public typealias FuzzBody = (UnsafeRawBufferPointer) -> String?

/// A surface that takes untrusted bytes.
public struct FuzzTarget: Sendable {
  public let name: String
  /// Bytes of the longest input that a fuzzer tries.
  public let maximumLength: Int
  /// Makes the body with what it keeps from one input to the next: nothing that decides an outcome.
  public let make: @Sendable () -> FuzzBody
  /// Makes inputs to begin with that no capture or example has.
  public let seeds: @Sendable () -> [[UInt8]]

  public init(
    _ name: String, maximumLength: Int, seeds: @escaping @Sendable () -> [[UInt8]] = { [] },
    make: @escaping @Sendable () -> FuzzBody
  ) {
    self.name = name
    self.maximumLength = maximumLength
    self.seeds = seeds
    self.make = make
  }
}
