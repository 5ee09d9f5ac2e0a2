import Datapath
import Live
import Wire

extension HostSample {
  /// The sample as OpenMetrics text.
  var openMetrics: String {
    var text = OpenMetricsText()
    text.family("apus_uptime_seconds", .gauge, unit: "seconds", help: "Time since the start.")
    text.sample([], seconds)
    writePorts(to: &text)
    writeInterfaces(to: &text)
    writeDrops(to: &text)
    writeWorkers(to: &text)
    if let flowLog { flowLog.write(to: &text) }
    return text.finished()
  }

  private func writePorts(to text: inout OpenMetricsText) {
    text.family("apus_port_up", .gauge, help: "Whether the port's other side is there.")
    for port in ports { text.sample([("port", port.name)], port.isUp ? 1 : 0) }
    text.family("apus_port_packets", .counter, help: "Frames that a port took in or sent.")
    for port in ports {
      text.sample([("port", port.name), ("direction", "in")], port.counters.receivedPackets)
      text.sample([("port", port.name), ("direction", "out")], port.counters.sentPackets)
    }
    text.family("apus_port_bytes", .counter, unit: "bytes", help: "Bytes of these frames.")
    for port in ports {
      text.sample([("port", port.name), ("direction", "in")], port.counters.receivedBytes)
      text.sample([("port", port.name), ("direction", "out")], port.counters.sentBytes)
    }
    text.family(
      "apus_port_drops", .counter, help: "Frames that a port dropped, or that belong to no NIC.")
    for port in ports {
      let own: [(DropReason, UInt64)] = [
        (.portFull, port.counters.dropsFull), (.portDown, port.counters.dropsDown),
        (.portOversize, port.counters.dropsOversize),
      ]
      for (reason, count) in own {
        let loops = port.drops.first { $0.reason == reason }?.count ?? 0
        text.sample([("port", port.name), ("reason", reason.name)], count + loops)
      }
      for drop in port.drops where !own.contains(where: { $0.0 == drop.reason }) {
        text.sample([("port", port.name), ("reason", drop.reason.name)], drop.count)
      }
    }
    text.family(
      "apus_port_missed", .counter, help: "Frames for which device or kernel had no room.")
    for port in ports { text.sample([("port", port.name)], port.counters.missed) }
    text.family(
      "apus_port_wedged", .counter, help: "Times that a guest's ring was found damaged.")
    for port in ports { text.sample([("port", port.name)], port.counters.wedged) }
    text.family("apus_port_buffers", .gauge, help: "Packet buffers of the port's pool.")
    for port in ports { text.sample([("port", port.name)], port.counters.buffers) }
    text.family("apus_port_buffers_in_use", .gauge, help: "Packet buffers in use.")
    for port in ports { text.sample([("port", port.name)], port.counters.buffersInUse) }
  }

  private func writeInterfaces(to text: inout OpenMetricsText) {
    text.family("apus_nic_packets", .counter, help: "Forwarded frames, as the guest sees them.")
    for interface in interfaces {
      text.sample(
        [("eni", interface.id), ("direction", "ingress")], interface.counters.packetsIn)
      text.sample(
        [("eni", interface.id), ("direction", "egress")], interface.counters.packetsOut)
    }
    text.family("apus_nic_bytes", .counter, unit: "bytes", help: "Bytes of these frames.")
    for interface in interfaces {
      text.sample([("eni", interface.id), ("direction", "ingress")], interface.counters.bytesIn)
      text.sample([("eni", interface.id), ("direction", "egress")], interface.counters.bytesOut)
    }
    text.family(
      "apus_nic_allowance_exceeded", .counter, help: "Frames over an allowance of the NIC.")
    for interface in interfaces {
      let counters = interface.counters
      let allowances = [
        ("bandwidthIn", counters.bandwidthInExceeded),
        ("bandwidthOut", counters.bandwidthOutExceeded),
        ("packetsPerSecond", counters.packetsExceeded),
        ("connections", counters.connectionsExceeded),
        ("linkLocalPacketsPerSecond", counters.linkLocalExceeded),
      ]
      for (allowance, count) in allowances {
        text.sample([("eni", interface.id), ("allowance", allowance)], count)
      }
    }
    text.family("apus_connections", .gauge, help: "Tracked connections.")
    for interface in interfaces { text.sample([("eni", interface.id)], interface.connections) }
  }

  private func writeDrops(to text: inout OpenMetricsText) {
    text.family("apus_drops", .counter, help: "Dropped frames of a NIC, each with one reason.")
    for interface in interfaces {
      for drop in interface.drops {
        text.sample([("eni", interface.id), ("reason", drop.reason.name)], drop.count)
      }
    }
  }

  private func writeWorkers(to text: inout OpenMetricsText) {
    for counter in LiveCounter.allCases {
      text.family(
        "apus_worker_\(Self.snakeCase("\(counter)"))", .counter, help: counter.helpText)
      for (worker, counts) in workers.enumerated() {
        text.sample([("worker", "\(worker)")], counts[counter.rawValue])
      }
    }
  }

  /// `handedOver` becomes `handed_over`.
  private static func snakeCase(_ name: String) -> String {
    name.reduce(into: "") { text, character in
      text += character.isUppercase ? "_\(character.lowercased())" : "\(character)"
    }
  }
}

extension LiveCounter {
  fileprivate var helpText: String {
    switch self {
    case .rounds: "Rounds of the polling loop."
    case .busyRounds: "Rounds in which something came."
    case .sleeps: "Times that the worker slept."
    case .received: "Frames from ports."
    case .takenOver: "Frames from other workers."
    case .sent: "Received frames that were given to a port."
    case .dropped: "Received frames that were dropped."
    case .ignored: "Received frames that are not ours to judge."
    case .punted: "Received frames that were left to the service thread."
    case .handedOver: "Received frames that another worker owns."
    case .generated: "Frames that the service thread composed."
    case .served: "Messages that a service answered or took."
    case .refused: "Frames that the service thread had dropped."
    case .answersLost: "Answers that came too late or found no buffer."
    case .superPackets: "Packets that their sender left to be segmented."
    case .segments: "Segments made of packets that their port does not take whole."
    }
  }
}
