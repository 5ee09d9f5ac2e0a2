import ArgumentParser
import ControlProtocol

/// `apus trace`.
struct TraceCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "trace",
    abstract: "Show why packets are dropped or forwarded, step by step, as they pass.",
    discussion: """
      A packet matches when all given options do; addresses and ports are those of the guest's \
      packet, inside of a tunnel. A host has one trace, capture or shadow at a time, which takes \
      at most 5 % of its workers' time: what would take more is counted and not shown.

      Examples:

        apus trace --eni eni-web --dropped
        apus trace --protocol tcp --from 198.51.100.66 --to 10.0.1.10:22 --count 1
        apus trace --eni eni-web --reason sg.ingress --json
      """)

  @OptionGroup var packets: PacketOptions

  @Option(help: ArgumentHelp("End after so many packets.", valueName: "number"))
  var count: UInt32 = 100
  @OptionGroup var connection: ConnectionOptions

  func validate() throws {
    if !(1...100_000).contains(count) { throw ValidationError("--count \(count): 1 to 100000") }
  }

  func run() async throws {
    let request = Apus_V1_TraceRequest.with {
      $0.filter = packets.filter
      $0.packets = count
      $0.duration = packets.duration
    }
    let json = connection.json
    let totals = try await connection.call { client in
      try await client.control.trace(request) { response in
        var totals = ObservationTotals()
        for try await message in response.messages {
          for packet in message.packets {
            try StandardOutput.write(json ? Self.json(packet).line + "\n" : Self.text(packet))
          }
          totals.packets += UInt64(message.packets.count)
          totals.loss = message.loss
          totals.end = message.end
        }
        return totals
      }
    }
    guard json else { return totals.report() }
    try StandardOutput.write(
      JSON.fields([
        ("end", .text(totals.end.name)), ("packets", .number(totals.packets)),
        ("overrun", .number(totals.loss.overrun)),
        ("unaffordable", .number(totals.loss.unaffordable)),
      ]).line + "\n")
  }

  private static func text(_ packet: Apus_V1_TracedPacket) -> String {
    let head = "\(packet.time.timeOfDay) \(packet.summary.text): \(packet.verdict.text)"
    return ([head] + packet.steps.map { "  " + $0 }).joined(separator: "\n") + "\n"
  }

  private static func json(_ packet: Apus_V1_TracedPacket) -> JSON {
    .fields(
      [("time", .text(packet.time.decimal))] + packet.verdict.fields + packet.summary.fields + [
        ("text", .text(packet.verdict.text)), ("steps", .texts(packet.steps)),
      ])
  }
}
