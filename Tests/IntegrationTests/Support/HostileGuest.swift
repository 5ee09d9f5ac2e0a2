import Foundation

/// The program that breaks the rules of vhost-user sockets and rings (Tests/hostile-guest).
enum HostileGuest {
  /// What it does to the rings, with the attacks that a receive ring can suffer too.
  static let attacks = [
    "loop-of-two", "loop-of-one", "next-outside", "head-outside", "zero-lengths",
    "address-outside", "indirect-nested", "indirect-and-next", "indirect-size", "indirect-loop",
    "indirect-outside", "header-short", "header-split", "index-jump", "index-back",
    "chain-over-4-gigabytes", "frame-too-long", "frame-too-short", "offload-lies", "kick-storm",
  ]
  static let receiveAttacks = attacks.prefix { $0 != "chain-over-4-gigabytes" }
  /// What it tells about where its rings are.
  static let lies = [
    "rings-overlap", "used-over-descriptors", "used-outside", "ring-past-end", "ring-unaligned",
  ]
  /// What it does with a whole session.
  static let sessions = [
    "disorder", "same-again", "memory-cut", "log-small", "call-full", "never-takes",
    "header-flips", "index-beyond", "tiny-buffers", "packed-short", "packed-empty-outside",
    "packed-flips",
  ]
  static let slow = ["half-message", "byte-a-second"]

  /// Every mode with its options.
  static let campaigns: [[String]] =
    attacks.map { [$0] } + lies.map { [$0] } + receiveAttacks.map { ["--ring", "rx", $0] }

  /// Runs one mode to its end.
  ///
  /// - Parameters:
  ///   - socket: waits here for the data plane.
  ///   - mode: options, then the mode.
  ///   - seconds: its own limit.
  static func run(_ mode: [String], socket: String, seconds: Int = 5) async throws -> Program {
    try await Program.run(
      command(mode, socket: socket, seconds: seconds), seconds: seconds + 60)
  }

  static func command(_ mode: [String], socket: String, seconds: Int) -> [String] {
    [Places.product("hostile-guest"), "--socket", socket, "--seconds", "\(seconds)"] + mode
  }
}
