import ControlProtocol
import Controller
import SwiftProtobuf

// What a shadow found, as messages.

extension Apus_V1_ShadowResponse {
  init(_ report: ShadowReport, generation: UInt64) {
    self = .with {
      $0.generation = generation
      if let outcome = report.outcome { $0.change = Apus_V1_ApplyResponse(outcome) }
      $0.counts = Apus_V1_ShadowCounts(report.counts)
      $0.differences = report.differences.map { Apus_V1_ShadowDifference($0) }
      $0.loss = .with {
        $0.overrun = report.overrun
        $0.unaffordable = report.unaffordable
      }
      if let end = report.end { $0.end = Apus_V1_ShadowEnd(end) }
    }
  }
}

extension Apus_V1_ShadowCounts {
  init(_ counts: ShadowCounts) {
    self = .with {
      $0.same = counts.same
      $0.different = counts.different
      $0.otherReasons = counts.otherReasons
      $0.unlisted = counts.unlisted
      $0.older = counts.older
      $0.limited = counts.limited
      $0.unlike = counts.unlike
    }
  }
}

extension Apus_V1_ShadowDifference {
  init(_ difference: ShadowDifference) {
    self = .with {
      $0.live = Apus_V1_PacketVerdict(difference.live)
      $0.candidate = Apus_V1_PacketVerdict(difference.candidate)
      $0.packets = difference.packets
      $0.bytes = difference.bytes
      $0.examples = difference.examples.map { example in
        .with {
          $0.time = Google_Protobuf_Timestamp(nanoseconds: example.time)
          $0.summary = Apus_V1_PacketSummary(example)
        }
      }
    }
  }
}

extension Apus_V1_ShadowEnd {
  init(_ end: ShadowEnd) {
    self =
      switch end {
      case .duration: .duration
      case .caller: .caller
      case .rules: .rules
      case .daemon: .daemon
      case .promoted: .promoted
      case .notSame: .notSame
      }
  }
}
