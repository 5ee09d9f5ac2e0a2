import CapturePort
import Datapath
import Tables
import Wire

/// Writes every input packet as it was recorded, with a comment that tells its verdict.
final class AnnotatedWriter {
  private struct Source: Hashable {
    var file: Int
    var interface: Int
    var linkType: UInt16
  }

  private var writer: CaptureWriter
  private let files: [String]
  private let names: VerdictNames
  private var interfaces: [Source: Int] = [:]

  init(path: String, files: [String], names: VerdictNames) throws(ReplayError) {
    do { writer = try CaptureWriter(path: path) } catch { throw .capture(error) }
    self.files = files
    self.names = names
  }

  /// Writes a packet.
  ///
  /// - Parameters:
  ///   - file: number of the capture.
  ///   - interface: the record's interface within its capture.
  ///   - time: as recorded.
  func write(
    file: Int, interface: Int, linkType: UInt16, time: UInt64, bytes: UnsafeRawBufferPointer,
    originalLength: Int, outcome: Outcome
  ) {
    let source = Source(file: file, interface: interface, linkType: linkType)
    let number: Int
    if let known = interfaces[source] {
      number = known
    } else {
      number = writer.addInterface(name: "\(files[file]):\(interface)", linkType: linkType)
      interfaces[source] = number
    }
    writer.write(
      interface: number, time: time, bytes: bytes, originalLength: originalLength,
      comment: names.sentence(outcome))
  }

  func flush() { writer.flush() }

  func close() throws(ReplayError) {
    do { try writer.close() } catch { throw .capture(error) }
  }
}

/// The names of NICs and rules, and the verdict in a sentence.
struct VerdictNames: Sendable {
  var nicIDs: [String]
  var ruleNames: [String]

  func nic(_ index: TableIndex) -> String {
    Int(index) < nicIDs.count ? nicIDs[Int(index)] : "no NIC"
  }

  func rule(_ number: UInt32) -> String {
    Int(number) < ruleNames.count ? ruleNames[Int(number)] : ""
  }

  func place(_ place: OutputPlace) -> String {
    if let nic = place.nicIndex { return nic < nicIDs.count ? self.nic(nic) : "nowhere" }
    return place == .underlay ? "underlay" : "nowhere"
  }

  /// One line such as `drop sg.ingress: no security group rule allows it in (eni-web, ingress)`.
  func sentence(_ outcome: Outcome) -> String {
    switch outcome.verdict {
    case .forward:
      let way =
        switch outcome.direction {
        case .egress: "out to \(place(outcome.output))"
        case .ingress: "in to \(place(outcome.output))"
        case .local, .none: "from \(nic(outcome.nic)) to \(place(outcome.output))"
        }
      let rule = outcome.rule == 0 ? "" : ", rule \(rule(outcome.rule))"
      let state = outcome.state == .none ? "" : ", \(outcome.state.name)"
      return "forward \(way)\(rule)\(state)"
    case .drop:
      let rule = outcome.rule == 0 ? "" : ", rule \(rule(outcome.rule))"
      let place =
        outcome.nic == .none
        ? "\(outcome.direction.name)" : "\(nic(outcome.nic)), \(outcome.direction.name)"
      return "drop \(outcome.reason.name): \(outcome.reason.text)\(rule) (\(place))"
    case .reply: return "reply to \(nic(outcome.nic))"
    case .consume: return "consume: a service took it from \(nic(outcome.nic)) without an answer"
    case .ignore: return "ignore \(outcome.reason.name): neither from nor to a network interface"
    case .pending, .punt, .handOver: return "not judged"
    }
  }
}
