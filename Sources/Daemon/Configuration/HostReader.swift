import HostFile
import HostPlan
import VPCModel
import Wire

/// Places in a host file that are checked again when the model is known.
struct HostFacts: Sendable {
  struct Guest: Sendable {
    var networkInterface: String
    var place: Place
  }

  let file: String
  var guests: [Guest] = []
  var uplink: Place?
  var gateway: Place?
  var prefixLength: Place?

  func error(_ place: Place, _ reason: String) -> ModelError {
    ModelError(
      file: file, line: place.line, column: place.column, path: place.path?.text ?? "",
      reason: reason)
  }
}

/// Reads a host file into a configuration, and lists everything that is wrong with it.
struct HostReader: GuestReading {
  var state: DocumentState
  let processors: Set<Int>
  var facts: HostFacts
  var warnings: [String] = []
  /// The places of names that only one guest or port may have, by kind and name.
  var names: [String: Place] = [:]
  private(set) var configuration: HostConfiguration?

  init(file: String, processors: Set<Int>) {
    state = DocumentState(files: [file])
    facts = HostFacts(file: file)
    self.processors = processors
  }

  mutating func readDocument(_ root: Located) {
    guard !root.isNull, let fields = fields(root, .hostFile) else { return }
    _ = integer(fields["version"], in: 1...1)
    let runtime = choice(fields["runtime"], HostPlan.Runtime.self)
    let workers = readWorkers(fields["workers"])
    let uplink = readUplink(fields["uplink"], runtime, workers: workers.cores.count)
    let guests = readGuests(fields["guests"], runtime)
    let devices = readDevices(fields["devices"], runtime, hasControl: fields["control"] != nil)
    var memory = readMemory(fields["memory"])
    let rules = items(fields["rules"]).compactMap { path($0) }
    let metrics = readMetrics(fields["metrics"])
    let runDirectory = absolutePath(fields["runDirectory"], maximum: 80)
    let control = readControl(fields["control"], runDirectory: runDirectory)
    let flowLog = readFlowLog(fields["flowLog"])
    let confine = boolean(fields["confine"]) ?? true
    if fields["control"] == nil {
      requireGuests(fields["guests"], in: root)
    } else {
      memory.ports = min(memory.networkInterfaces, HostLimits.ports(runtime))
    }
    guard let runtime else { return }
    warn(workers: workers.cores.count, uplink, guests, fields)
    configuration = HostConfiguration(
      plan: HostPlan(
        runtime: runtime, workers: workers, uplink: uplink, guests: guests, devices: devices,
        memory: memory),
      rules: rules, metrics: metrics, runDirectory: runDirectory, isConfined: confine,
      control: control, flowLog: flowLog, warnings: warnings)
  }

  // MARK: Guests

  private mutating func readGuests(
    _ list: Located?, _ runtime: HostPlan.Runtime?
  ) -> [GuestPlan] {
    guard let list else { return [] }
    return items(list).compactMap { readGuest($0, runtime) }
  }

  /// Devices that wait for a guest.
  private mutating func readDevices(
    _ list: Located?, _ runtime: HostPlan.Runtime?, hasControl: Bool
  ) -> [DevicePlan] {
    guard let list else { return [] }
    if runtime == .kernel {
      fail(list.place, "is for `runtime: dpdk`; the kernel runtime opens ports when they come")
    } else if !hasControl {
      fail(list.place, "needs `control`: without it no guest can be attached to them")
    }
    return items(list).compactMap { readWaitingDevice($0) }
  }

  /// Guests that come later need the API.
  private mutating func requireGuests(_ list: Located?, in root: Located) {
    guard let list else {
      return fail(root.place.field("guests"), "is missing")
    }
    if list.isNull || list.isEmptyList { fail(list.place, "must name at least one guest") }
  }

  mutating func note(networkInterface: String, at place: Place) {
    facts.guests.append(HostFacts.Guest(networkInterface: networkInterface, place: place))
  }

  // MARK: Workers

  private mutating func readWorkers(_ section: Located?) -> WorkerPlan {
    var plan = WorkerPlan()
    guard let section, !section.isNull, let fields = fields(section, .workers) else { return plan }
    if let polling = choice(fields["poll"], WorkerPlan.Polling.self) { plan.polling = polling }
    let count = integer(fields["count"], in: 1...UInt64(HostLimits.workers))
    if let count { plan.cores = Array(repeating: nil, count: Int(count)) }
    guard let list = fields["cores"] else { return plan }
    let cores = readCores(list)
    if let value = fields["count"], let count, count != cores.count {
      fail(value.place, "\(count) workers, but `cores` names \(cores.count)")
    }
    if !cores.isEmpty { plan.cores = cores }
    return plan
  }

  private mutating func readCores(_ list: Located) -> [Int] {
    let items = items(list)
    if items.isEmpty { fail(list.place, "must name at least one processor") }
    if items.count > HostLimits.workers {
      fail(list.place, "names \(items.count) processors; at most \(HostLimits.workers) are used")
    }
    var cores: [Int] = []
    for item in items {
      guard let number = integer(item, in: 0...UInt64(UInt16.max)) else { continue }
      let core = Int(number)
      if !processors.contains(core) {
        let known = processors.sorted().map { "\($0)" }.joined(separator: ", ")
        fail(item.place, "there is no processor \(core) for this process (it has \(known))")
      } else if cores.contains(core) {
        fail(item.place, "processor \(core) is given twice")
      }
      cores.append(core)
    }
    return cores
  }

  // MARK: Uplink

  private mutating func readUplink(
    _ section: Located?, _ runtime: HostPlan.Runtime?, workers: Int
  ) -> UplinkPlan? {
    guard let section, !section.isNull, let fields = fields(section, .uplink) else { return nil }
    facts.uplink = section.place
    let device = uplinkDevice(section, fields, runtime)
    let queues = integer(fields["queues"], in: 1...UInt64(HostLimits.queues))
    let length = integer(fields["prefixLength"], in: 1...128)
    let gateway = hostAddress(fields["gateway"])
    let zeroCopy = boolean(fields["zeroCopy"])
    facts.gateway = fields["gateway"]?.place
    facts.prefixLength = fields["prefixLength"]?.place
    if runtime == .kernel {
      for name in ["prefixLength", "gateway"] {
        if let value = fields[name] {
          fail(value.place, "is for `runtime: dpdk`; the kernel runtime asks the kernel")
        }
      }
    } else if runtime == .dpdk {
      if let value = fields["zeroCopy"] { fail(value.place, "is for `runtime: kernel`") }
      if let value = fields["gateway"], fields["prefixLength"] == nil {
        fail(value.place, "needs `prefixLength`, which says what is on the link")
      }
    }
    guard let device else { return nil }
    return UplinkPlan(
      device: device, queues: queues.map { Int($0) } ?? workers,
      prefixLength: length.map { Int($0) }, gateway: gateway, zeroCopy: zeroCopy)
  }

  private mutating func uplinkDevice(
    _ section: Located, _ fields: Fields, _ runtime: HostPlan.Runtime?
  ) -> UplinkPlan.Device? {
    let interface = interfaceName(fields["interface"])
    let device = ethdev(fields["device"])
    if let wrong = fields["device"], runtime == .kernel {
      fail(wrong.place, "is for `runtime: dpdk`; name an `interface` such as `eth1`")
    }
    if let wrong = fields["interface"], runtime == .dpdk {
      fail(
        wrong.place,
        "is for `runtime: kernel`; name a `device` such as `0000:00:05.0`, or "
          + "`net_af_xdp0,iface=\(interface ?? "eth1")`")
    }
    if fields["interface"] == nil, fields["device"] == nil {
      let field = runtime == .dpdk ? "device" : "interface"
      fail(section.place.field(field), "is missing")
    }
    if runtime == .dpdk { return device.map { .ethdev($0) } }
    if let interface, let value = fields["interface"] {
      claim("interface", interface, at: value.place)
      return .interface(interface)
    }
    return nil
  }

  // MARK: The rest

  private mutating func readMemory(_ section: Located?) -> MemoryPlan {
    var plan = MemoryPlan()
    guard let section, !section.isNull, let fields = fields(section, .memory) else { return plan }
    if let flows = integer(fields["flows"], in: 1024...1 << 26) { plan.flows = Int(flows) }
    if let count = integer(fields["nics"], in: 1...1 << 16) { plan.networkInterfaces = Int(count) }
    if let count = integer(fields["rules"], in: 1...1 << 24) { plan.rules = Int(count) }
    if let count = integer(fields["buffersPerGuest"], in: 256...1 << 20) {
      plan.buffersPerGuest = Int(count)
    }
    if let count = integer(fields["buffersForUplink"], in: 256...1 << 20) {
      plan.buffersForUplink = Int(count)
    }
    if let huge = boolean(fields["hugepages"]) { plan.usesHugePages = huge }
    if let size = integer(fields["megabytes"], in: 16...1 << 20) { plan.megabytes = Int(size) }
    return plan
  }

  private mutating func readMetrics(_ value: Located?) -> LoopbackAddress? {
    guard let value, let text = characters(value, "an address such as `127.0.0.1:9101`") else {
      return nil
    }
    do { return try LoopbackAddress(text) } catch {
      switch error {
      case .malformed:
        fail(value.place, "must be an address such as `127.0.0.1:9101`, not \(quote(text))")
      case .notLoopback:
        fail(value.place, "\(quote(text)) is not a loopback address; others could read it")
      }
      return nil
    }
  }

  /// Workers that no port gives a queue to: they only get what others hand over.
  private mutating func warn(
    workers: Int, _ uplink: UplinkPlan?, _ guests: [GuestPlan], _ fields: Fields
  ) {
    let most = max(uplink?.queues ?? 0, guests.map(\.queues).max() ?? 0)
    guard most < workers, let place = fields["workers"]?.place else { return }
    let queues = most == 1 ? "1 queue" : "\(most) queues"
    warnings.append(
      "\(text(place)): workers: no port has more than \(queues), so \(workers - most) of "
        + "\(workers) workers poll none (raise `queues`)")
  }
}

/// Bounds of what a host file may ask for.
enum HostLimits {
  static let workers = 64
  static let queues = GuestLimits.queues

  /// Guests' ports at a time; rte_vhost has 1,024 devices.
  static func ports(_ runtime: HostPlan.Runtime?) -> Int {
    runtime == .dpdk ? 1_024 : HostPlan.mostPorts
  }
}
