import Wire

extension ModelWriter {
  static func json(_ nic: NetworkInterface) -> String {
    var object = JSONObject()
    object.add("id", nic.id)
    object.add("subnet", nic.subnet)
    object.add("mac", nic.mac.description)
    object.add("addresses", nic.addresses.map(\.description))
    if !nic.securityGroups.isEmpty { object.add("securityGroups", nic.securityGroups) }
    if !nic.sourceDestCheck { object.add("sourceDestCheck", false) }
    if !nic.publicAddresses.isEmpty {
      var pairs = JSONObject()
      for pair in nic.publicAddresses {
        pairs.add(pair.privateAddress.description, pair.publicAddress.description)
      }
      object.add("publicAddresses", raw: pairs.closed)
    }
    if nic.connectionTracking != ConnectionTracking() {
      object.add("connectionTracking", raw: json(nic.connectionTracking))
    }
    if nic.limits != Limits() { object.add("limits", raw: json(nic.limits)) }
    return object.closed
  }

  private static func json(_ tracking: ConnectionTracking) -> String {
    let standard = ConnectionTracking()
    var object = JSONObject()
    for (name, field) in [
      ("tcpEstablished", \ConnectionTracking.tcpEstablished), ("udp", \.udp),
      ("udpStream", \.udpStream),
    ] where tracking[keyPath: field] != standard[keyPath: field] {
      let text = Quantity.text(tracking[keyPath: field], units: Quantity.writtenDurations)
      object.add(name, text)
    }
    return object.closed
  }

  private static func json(_ limits: Limits) -> String {
    var object = JSONObject()
    for (name, value) in [
      ("bandwidthIn", limits.bandwidthIn), ("bandwidthOut", limits.bandwidthOut),
    ] {
      guard let value else { continue }
      object.add(name, Quantity.text(value, units: Quantity.bandwidths))
    }
    for (name, value) in [
      ("burst", limits.burst), ("packetsPerSecond", limits.packetsPerSecond),
      ("connections", limits.connections), ("connectionsPerSecond", limits.connectionsPerSecond),
    ] {
      guard let value else { continue }
      object.add(name, value)
    }
    if limits.linkLocalPacketsPerSecond != Limits().linkLocalPacketsPerSecond {
      object.add("linkLocalPacketsPerSecond", limits.linkLocalPacketsPerSecond)
    }
    return object.closed
  }
}

extension Quantity {
  /// Up to seconds: AWS gives timeouts in seconds.
  static let writtenDurations = Array(durations.prefix(4))

  /// A number in the largest unit that divides it, such as `5Gbps`.
  ///
  /// - Parameter units: by size, the first of one base unit.
  static func text(_ number: UInt64, units: [Unit]) -> String {
    let unit = units.last { number.isMultiple(of: $0.factor) } ?? units[0]
    return "\(number / unit.factor)\(unit.names[0])"
  }
}
