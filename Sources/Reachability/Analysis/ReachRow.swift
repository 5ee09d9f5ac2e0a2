import Wire

/// A box of a `TrafficSet` that can be read: some services, some addresses, one kind of answer.
public struct ReachRow: Hashable, Sendable {
  /// `tcp`, `icmp`, a number, a range of numbers, or `all`.
  public var protocolText: String
  /// Destination ports, or ICMP types and codes as `type << 8 | code`; empty where there are none.
  public var low: [ClosedRange<UInt16>]
  public var isICMP: Bool
  /// Source ports from which it arrives.
  public var sourcePorts: PortSet
  /// Source ports to which the answer comes back.
  public var answered: PortSet
  /// Such packets have no answer.
  public var isOneWay: Bool
  public var addresses: AddressSet

  public var isFromAllPorts: Bool { sourcePorts.isEverything }

  /// Every conversation that begins has its answer.
  public var isAnswered: Bool { isOneWay || answered == sourcePorts }
}

extension ReachEntry {
  /// The traffic as disjoint boxes: services first, then addresses, both ascending.
  ///
  /// - Parameter isForReading: what no packet can be, such as an echo reply that begins something,
  ///   is added where that makes one box of several.
  /// - Complexity: O(b log b) in the boxes, times the values that overlap.
  public func rows(isForReading: Bool = false) -> [ReachRow] {
    let family = own.family
    let shown = isForReading ? ReadableFates(family, sentByInterface).readable(traffic) : traffic
    return Boxes(shown, family).rows
  }

  /// Whether the first packet is one of an interface, which sends no neighbour discovery.
  private var sentByInterface: (to: Bool, from: Bool) {
    if case .interface = peer { return (true, true) }
    return (false, true)
  }
}

/// Turns the fates of everything, which have gaps, into one box.
private struct ReadableFates {
  /// What everything that can be looks like, and what it is shown as.
  private let patterns: [(fates: ServiceFates, fate: Fate)]
  private let blocks: [ClosedRange<UInt32>]

  init(_ family: IPFamily, _ sentByInterface: (to: Bool, from: Bool)) {
    blocks = [Service.block(IPProtocol.udp), Service.icmp(family, 0...255)]
    let requests = [Service.beginnings(family), Service.sent(family)]
    let senders: [ReachAnalysis.Senders] = [.interfaces, .answerByInterface, .requestByInterface]
    var patterns: [(ServiceFates, Fate)] = []
    for (answers, fate) in [(ServiceSet.everything, Fate.answered), (.empty, .unanswered)] {
      for request in requests {
        for sender in senders {
          let fates = ReachAnalysis.fates(request, answers: answers, family, sender)
          patterns.append((fates, fate))
        }
      }
    }
    self.patterns = patterns
  }

  func readable(_ traffic: TrafficSet) -> TrafficSet {
    traffic.map { fates in
      guard let match = patterns.first(where: { $0.fates == fates }) else {
        return withWholeBlocks(fates)
      }
      return ServiceFates(0...Service.last, PortFates(match.fate), outside: PortFates(.refused))
    }
  }

  /// UDP and ICMP as one box each, if all of them that can be is there.
  private func withWholeBlocks(_ fates: ServiceFates) -> ServiceFates {
    var fates = fates
    for block in blocks {
      let part = Self.part(fates, block)
      if part == .refused { continue }
      guard let match = patterns.first(where: { Self.part($0.fates, block) == part }) else {
        continue
      }
      fates = fates.combined(
        with: IntervalMap(block, PortFates(match.fate), outside: PortFates(.refused))
      ) { $1 == PortFates(.refused) ? $0 : $1 }
    }
    return fates
  }

  private static func part(_ fates: ServiceFates, _ block: ClosedRange<UInt32>) -> ServiceFates {
    fates.combined(with: IntervalMap(block, true, outside: false)) {
      $1 ? $0 : PortFates(.refused)
    }
  }
}

/// Cuts a set into boxes by services.
private struct Boxes {
  private let traffic: TrafficSet
  private let family: IPFamily

  /// Which values have which fates, in a range of services.
  private typealias Signature = [PortFates: [Int]]

  init(_ traffic: TrafficSet, _ family: IPFamily) {
    self.traffic = traffic
    self.family = family
  }

  var rows: [ReachRow] {
    var order: [RowKey] = []
    var lows: [RowKey: [ClosedRange<UInt16>]] = [:]
    for (range, signature) in segments {
      for part in Self.parts(range, family) {
        for (fates, values) in signature.sorted(by: { $0.value.lexicographicallyPrecedes($1.value) }
        ) {
          let key = RowKey(
            protocolText: part.text, isICMP: part.isICMP, fates: fates, values: values)
          if lows[key] == nil { order.append(key) }
          lows[key, default: []] += part.low.map { [$0] } ?? []
        }
      }
    }
    return order.map { row($0, lows[$0] ?? []) }
  }

  private struct RowKey: Hashable {
    var protocolText: String
    var isICMP: Bool
    var fates: PortFates
    var values: [Int]
  }

  private func row(_ key: RowKey, _ low: [ClosedRange<UInt16>]) -> ReachRow {
    let ranges = key.values.flatMap { traffic.ranges(ofValue: $0) }
    return ReachRow(
      protocolText: key.protocolText, low: low, isICMP: key.isICMP,
      sourcePorts: key.fates.map { $0.arrives }, answered: key.fates.map { $0 == .answered },
      isOneWay: key.fates == PortFates(.oneWay),
      addresses: AddressSet(family, IntervalMap(ranges.sorted { $0.lowerBound < $1.lowerBound })))
  }

  /// Ranges of services in which the same addresses have the same fates, ascending.
  private var segments: [(ClosedRange<UInt32>, Signature)] {
    struct Event {
      var number: UInt32
      var value: Int
      /// nil where the fates end.
      var fates: PortFates?
    }
    var events: [Event] = []
    for (value, fates) in traffic.values.enumerated() {
      for (range, ports) in fates.intervals where ports != PortFates(.refused) {
        events.append(Event(number: range.lowerBound, value: value, fates: ports))
        events.append(Event(number: range.upperBound + 1, value: value, fates: nil))
      }
    }
    // Ends before beginnings.
    events.sort {
      ($0.number, $0.fates == nil ? 0 : 1, $0.value)
        < ($1.number, $1.fates == nil ? 0 : 1, $1.value)
    }
    var result: [(ClosedRange<UInt32>, Signature)] = []
    var active: [Int: PortFates] = [:]
    var index = 0
    while index < events.count {
      let start = events[index].number
      while index < events.count, events[index].number == start {
        active[events[index].value] = events[index].fates
        index += 1
      }
      guard index < events.count, !active.isEmpty else { continue }
      var signature: Signature = [:]
      for value in active.keys.sorted() {
        if let fates = active[value] { signature[fates, default: []].append(value) }
      }
      let end = events[index].number - 1
      if let last = result.last, last.1 == signature, last.0.upperBound + 1 == start {
        result[result.count - 1].0 = last.0.lowerBound...end
      } else {
        result.append((start...end, signature))
      }
    }
    return result
  }

  private struct Part {
    var text: String
    var isICMP = false
    /// nil where all ports, or types, are meant.
    var low: ClosedRange<UInt16>?
  }

  /// A range of services cut at the borders of protocols.
  private static func parts(_ range: ClosedRange<UInt32>, _ family: IPFamily) -> [Part] {
    if range == 0...Service.last { return [Part(text: "all")] }
    var parts: [Part] = []
    var first = range.lowerBound
    while true {
      let number = UInt8(truncatingIfNeeded: first >> 16)
      let block = Service.block(number)
      if first == block.lowerBound && range.upperBound >= block.upperBound {
        // Whole protocols, as many as there are.
        let last = UInt8(truncatingIfNeeded: (range.upperBound + 1) >> 16 &- 1)
        let text =
          last == number ? ProtocolText.name(number) : "\(number)-\(last)"
        parts.append(Part(text: text))
        first = Service.block(last).upperBound + 1
      } else {
        let part = range.clamped(to: block)
        let low =
          UInt16(
            truncatingIfNeeded: max(first, part.lowerBound))...UInt16(
            truncatingIfNeeded: part.upperBound)
        parts.append(
          Part(
            text: ProtocolText.name(number), isICMP: number == ProbeTraffic.icmp(of: family),
            low: low))
        first = part.upperBound + 1
      }
      if first > range.upperBound { return parts }
    }
  }
}
