import ControlProtocol
import Controller
import FoundationEssentials
import SwiftProtobuf

// Packets that were looked at, as messages.

extension Apus_V1_TraceResponse {
  init(_ batch: ObservationBatch<TracedPacket>) {
    self = .with {
      $0.packets = batch.packets.map { Apus_V1_TracedPacket($0) }
      $0.loss = Apus_V1_ObservationLoss(batch)
      if let end = batch.end { $0.end = Apus_V1_ObservationEnd(end) }
    }
  }
}

extension Apus_V1_CaptureResponse {
  init(_ batch: ObservationBatch<CapturedPacket>) {
    self = .with {
      $0.packets = batch.packets.map { Apus_V1_CapturedPacket($0) }
      $0.loss = Apus_V1_ObservationLoss(batch)
      if let end = batch.end { $0.end = Apus_V1_ObservationEnd(end) }
    }
  }
}

extension Apus_V1_ObservationLoss {
  init<Packet>(_ batch: ObservationBatch<Packet>) {
    self = .with {
      $0.overrun = batch.overrun
      $0.unaffordable = batch.unaffordable
    }
  }
}

extension Apus_V1_ObservationEnd {
  init(_ end: ObservationEnd) {
    self =
      switch end {
      case .count: .count
      case .duration: .duration
      case .networkInterface: .networkInterface
      case .daemon: .daemon
      }
  }
}

extension Apus_V1_TracedPacket {
  init(_ packet: TracedPacket) {
    self = .with {
      $0.time = Google_Protobuf_Timestamp(nanoseconds: packet.time)
      $0.summary = Apus_V1_PacketSummary(packet)
      $0.verdict = Apus_V1_PacketVerdict(packet.verdict)
      $0.steps = packet.steps
    }
  }
}

extension Apus_V1_PacketSummary {
  init(_ packet: TracedPacket) {
    self = .with {
      $0.bytes = UInt32(clamping: packet.bytes)
      if let number = packet.protocolNumber { $0.protocol = UInt32(number) }
      $0.source = packet.source
      $0.destination = packet.destination
      $0.sourcePort = UInt32(packet.sourcePort)
      $0.destinationPort = UInt32(packet.destinationPort)
      if let vni = packet.vni { $0.vni = vni }
    }
  }
}

extension Apus_V1_CapturedPacket {
  init(_ packet: CapturedPacket) {
    self = .with {
      $0.time = Google_Protobuf_Timestamp(nanoseconds: packet.time)
      $0.place = packet.place
      $0.frame = Data(packet.frame)
      $0.originalLength = UInt32(clamping: packet.originalLength)
      $0.verdict = Apus_V1_PacketVerdict(packet.verdict)
    }
  }
}

extension Apus_V1_PacketVerdict {
  init(_ verdict: PacketVerdict) {
    self = .with {
      $0.networkInterface = verdict.networkInterface
      $0.direction = verdict.direction
      $0.verdict = verdict.verdict
      $0.reason = verdict.reason
      $0.rule = verdict.rule
      $0.state = verdict.state
      $0.output = verdict.output
      $0.text = verdict.text
    }
  }
}

extension Google_Protobuf_Timestamp {
  init(nanoseconds: UInt64) {
    self.init(
      seconds: Int64(nanoseconds / 1_000_000_000), nanos: Int32(nanoseconds % 1_000_000_000))
  }
}
