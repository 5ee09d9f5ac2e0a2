import ArgumentParser
import CapturePort
import ControlProtocol

/// `apus capture`.
struct CaptureCommand: AsyncParsableCommand {
  enum Point: String, EnumerableFlag { case before, after }

  static let configuration = CommandConfiguration(
    commandName: "capture",
    abstract: "Record packets of a network interface or the uplink, with their verdicts.",
    discussion: """
      Writes pcapng. Each packet has its verdict as comment, which Wireshark and tshark show. \
      Everything behind TCP, UDP and ICMP headers is cut off, unless --payload is given by who \
      has that permission. A host has one trace, capture or shadow at a time.

      Examples:

        apus capture --eni eni-web -o web.pcapng
        apus capture --uplink --after --protocol tcp --to :443 -o - | tshark -r -
        apus capture --eni eni-web --dropped --payload --seconds 10 -o drops.pcapng
      """)

  @OptionGroup var packets: PacketOptions

  @Flag(help: "Only what comes from the underlay or goes there.")
  var uplink = false

  @Flag(help: "As packets come (the default), or as they leave.")
  var point = Point.before

  @Flag(help: "Whole packets, up to 9,216 bytes of each; needs the permission 'payload'.")
  var payload = false

  @Option(help: ArgumentHelp("End after so many packets.", valueName: "number"))
  var count: UInt32 = 10_000

  @Option(help: ArgumentHelp("End after so many bytes of frames.", valueName: "number"))
  var bytes: UInt64 = 64 << 20

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Where to write; - is standard output.", valueName: "file"))
  var output: String
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if packets.eni == nil && !uplink {
      throw ValidationError("what to capture is missing: --eni ID, --uplink, or both")
    }
    if !(1...10_000_000).contains(count) {
      throw ValidationError("--count \(count): from 1 to 10000000")
    }
    if !(1...(4 << 30)).contains(bytes) {
      throw ValidationError("--bytes \(bytes): from 1 to \(4 << 30 as UInt64)")
    }
    if output == "-" && connection.json {
      throw ValidationError("--json goes to standard output, where the capture is (-o FILE)")
    }
  }

  func run() async throws {
    let request = Apus_V1_CaptureRequest.with {
      $0.filter = packets.filter
      $0.uplink = uplink
      $0.point = point == .before ? .before : .after
      $0.payload = payload
      $0.packets = count
      $0.bytes = bytes
      $0.duration = packets.duration
    }
    let path = output
    let totals = try await connection.call { client in
      try await client.control.capture(request) { response in
        var totals = ObservationTotals()
        var file: CaptureFile?
        for try await message in response.messages {
          // Only now is the request granted: a refused one leaves the file as it is.
          let open = try file ?? CaptureFile(path)
          file = open
          for packet in message.packets { totals.bytes += open.write(packet) }
          open.flush()
          totals.packets += UInt64(message.packets.count)
          totals.loss = message.loss
          totals.end = message.end
        }
        try file?.close()
        return totals
      }
    }
    guard connection.json else { return totals.report() }
    try StandardOutput.write(
      JSON.fields([
        ("end", .text(totals.end.name)), ("packets", .number(totals.packets)),
        ("bytes", .number(totals.bytes)), ("overrun", .number(totals.loss.overrun)),
        ("unaffordable", .number(totals.loss.unaffordable)),
      ]).line + "\n")
  }
}

/// The file that packets are written to as they come.
private final class CaptureFile {
  private var writer: CaptureWriter
  private var interfaces: [String: Int] = [:]

  init(_ path: String) throws {
    do throws(CaptureError) { writer = try CaptureWriter(path: path) } catch {
      throw Self.failure(error)
    }
  }

  /// - Returns: how many bytes the packet has.
  func write(_ packet: Apus_V1_CapturedPacket) -> UInt64 {
    let number = interfaces[packet.place] ?? writer.addInterface(name: packet.place, linkType: 1)
    interfaces[packet.place] = number
    packet.frame.withUnsafeBytes { bytes in
      writer.write(
        interface: number, time: packet.time.nanoseconds, bytes: bytes,
        originalLength: Int(packet.originalLength), comment: packet.verdict.text)
    }
    return UInt64(packet.frame.count)
  }

  /// Lets a reader at the other end of a pipe have what has come.
  func flush() { writer.flush() }

  func close() throws {
    do throws(CaptureError) { try writer.close() } catch { throw Self.failure(error) }
  }

  private static func failure(_ error: CaptureError) -> ToolFailure {
    switch error {
    case .cannotWrite(let path, let why):
      ToolFailure(.resource, what: path, why: why, advice: "write to another place")
    default: ToolFailure(.defect, what: "capture", why: "\(error)", advice: "please report it")
    }
  }
}
