import Controller
import Datapath
import Explanation
import Live
import Synchronization
import TableCompiler
import Tables
import Wire

/// What a worker saw, as callers are told it: names instead of numbers, and the time of day.
final class ObservationText: Sendable {
  private struct Names: Sendable {
    var compiled: CompiledTables
    var verdicts: VerdictNames
  }

  private let inUse: TablesInUse
  /// Nanoseconds from the workers' clock to 1970.
  private let offset: UInt64
  private let names: Mutex<Names>

  init(_ inUse: TablesInUse, clock: PollClock) {
    self.inUse = inUse
    offset = MonotonicClock.timeOfDay() &- clock.now()
    names = Mutex(Self.names(inUse.current))
  }

  private static func names(_ compiled: CompiledTables) -> Names {
    Names(
      compiled: compiled,
      verdicts: VerdictNames(nicIDs: compiled.nicIDs, ruleNames: compiled.ruleNames))
  }

  /// The names of the tables in use.
  private var current: Names {
    let compiled = inUse.current
    return names.withLock { names in
      if names.compiled !== compiled { names = Self.names(compiled) }
      return names
    }
  }

  func traced(_ packet: ObservedPacket, _ events: [TraceEvent]) -> TracedPacket {
    let names = current
    var traced = described(packet)
    traced.verdict = Self.verdict(Outcome(packet), names.verdicts)
    let isExact = packet.generation == names.compiled.tables.generation
    traced.steps = StepText(names.compiled, names.verdicts, isExact: isExact).lines(events)
    return traced
  }

  /// What a packet is, without its verdict and steps.
  func described(_ packet: ObservedPacket) -> TracedPacket {
    var traced = TracedPacket()
    traced.time = packet.time &+ offset
    traced.bytes = Int(packet.guestLength)
    if packet.hasAddresses {
      traced.protocolNumber = packet.transport
      traced.source = "\(packet.source)"
      traced.destination = "\(packet.destination)"
    }
    if packet.hasPorts {
      traced.sourcePort = packet.sourcePort
      traced.destinationPort = packet.destinationPort
    }
    if packet.hasTunnel { traced.vni = packet.vni }
    return traced
  }

  func captured(_ packet: ObservedPacket, _ frame: [UInt8]) -> CapturedPacket {
    let names = current
    var captured = CapturedPacket()
    captured.time = packet.time &+ offset
    captured.place =
      packet.place == .underlay ? "uplink" : names.verdicts.place(packet.place)
    captured.frame = frame
    captured.originalLength = Int(packet.originalLength)
    captured.verdict = Self.verdict(Outcome(packet), names.verdicts)
    return captured
  }

  /// What became of a packet, in words.
  static func verdict(_ outcome: Outcome, _ names: VerdictNames) -> PacketVerdict {
    var verdict = PacketVerdict()
    if outcome.nic != .none { verdict.networkInterface = names.nic(outcome.nic) }
    verdict.direction = "\(outcome.direction.name)"
    verdict.verdict = "\(outcome.verdict.name)"
    verdict.reason = outcome.reason.name
    verdict.rule = names.rule(outcome.rule)
    verdict.state = "\(outcome.state.name)"
    if outcome.output != .nowhere { verdict.output = names.place(outcome.output) }
    verdict.text = names.sentence(outcome)
    return verdict
  }
}

extension Outcome {
  /// What a worker saw become of a packet.
  init(_ packet: ObservedPacket) {
    self.init(
      verdict: packet.verdict, reason: packet.reason, state: packet.state,
      direction: packet.direction, nic: packet.nic, rule: packet.rule, output: packet.output)
  }
}
