import Foundation

/// Somewhere that shell text runs: a guest or a namespace.
protocol Shell: Sendable {
  /// Runs shell text that has to succeed, and returns its output.
  func must(_ command: String, seconds: Int) async throws -> String
  /// Runs shell text beside the test; what it returns, if anything, is to be ended.
  func start(_ command: String) async throws -> BackgroundProgram?
}

extension Guest: Shell {
  func start(_ command: String) async throws -> BackgroundProgram? {
    try await mustRun("(\(command)) </dev/null >/dev/null 2>&1 &")
    return nil
  }

  func must(_ command: String, seconds: Int) async throws -> String {
    try await mustRun(command, timeout: seconds)
  }
}

extension Namespace: Shell {
  /// The same as in the guest.
  private static let programs = "nc() { busybox nc \"$@\"; }; "

  /// Not `&` of a shell: `Process` waits for the last that holds its descriptors.
  func start(_ command: String) async throws -> BackgroundProgram? {
    try BackgroundProgram(
      entry + ["sh", "-c", Self.programs + command], log: nil)
  }

  func must(_ command: String, seconds: Int) async throws -> String {
    let program = try await exec(Self.programs + command, seconds: seconds)
    guard program.status == 0 else {
      throw LabError(description: "\(command): \(program.status): \(program.output)")
    }
    return program.output
  }
}

/// Random bytes sent over TCP, and their hashes at both ends.
struct Transfer: Sendable, CustomStringConvertible {
  let bytes: Int
  let sent: String
  let received: String
  let duration: Duration

  var isIntact: Bool { !sent.isEmpty && sent == received }

  var description: String {
    let seconds =
      Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    let rate = Double(bytes) / 1e6 / seconds
    return "\(bytes >> 20) MB in \(seconds.formatted(.number.precision(.fractionLength(2)))) s, "
      + "\(rate.formatted(.number.precision(.fractionLength(1)))) MB/s"
  }

  /// Sends a file and compares.
  ///
  /// - Parameters:
  ///   - address: of the receiver, as the sender reaches it.
  ///   - port: the receiver's TCP port.
  ///   - seconds: limit of the transfer itself.
  /// - Throws: `LabError` when one end fails or time is over.
  static func run(
    megabytes: Int, from sender: some Shell, to receiver: some Shell, at address: String,
    port: Int = 5001, seconds: Int = 60
  ) async throws -> Transfer {
    let file = "/tmp/apus-transfer-\(getpid())-\(port)"
    let sum = "sha256sum <\(file) | cut -c 1-64"
    // The listener's input must not end: busybox's nc would close its half, and the sender go.
    _ = try await receiver.must("rm -f \(file).*; mkfifo \(file).input", seconds: 10)
    let listener = try await receiver.start(
      "nc -l -p \(port) 0<>\(file).input >\(file).in; echo $? >\(file).done")
    let hexadecimal = String(format: "%04X", port)
    _ = try await receiver.must(
      "for i in $(seq 100); do grep -q ':\(hexadecimal) 0*:0000 0A' /proc/net/tcp* && exit; "
        + "sleep 0.1; done; exit 1", seconds: 30)
    let sent = try await sender.must(
      "head -c \(megabytes << 20) /dev/urandom >\(file); \(sum)", seconds: 60)
    let start = ContinuousClock.now
    _ = try await sender.must(
      "nc \(address) \(port) <\(file) >/dev/null; status=$?; rm \(file); exit $status",
      seconds: seconds)
    let duration = ContinuousClock.now - start
    let received = try await receiver.must(
      "for i in $(seq 100); do [ -e \(file).done ] && break; sleep 0.1; done; "
        + "sha256sum <\(file).in | cut -c 1-64; rm -f \(file).*", seconds: 60)
    await listener?.end()
    return Transfer(
      bytes: megabytes << 20, sent: sent.trimmingCharacters(in: .whitespacesAndNewlines),
      received: received.trimmingCharacters(in: .whitespacesAndNewlines), duration: duration)
  }
}
