import CXDP
import Glibc
import HostPlan
import Live

/// The opened port of a guest: a packet socket for each queue, or the queues of a tap.
struct GuestPort {
  let plan: GuestPlan
  let name: String
  let isTap: Bool
  /// By queue. Numbers stay when sockets are opened anew.
  private(set) var descriptors: [Int32]
  private var interfaceIndex: Int32
  private var features: SegmentationFeatures?

  init(_ plan: GuestPlan, by opener: GuestOpener) throws(PortError) {
    self.plan = plan
    switch plan.device {
    case .interface(let name): (self.name, isTap) = (name, false)
    case .tap(let name): (self.name, isTap) = (name, true)
    case .vhostUser, .ethdev:
      throw PortError(
        .configuration, "guest \(plan.networkInterface)",
        why: "the kernel runtime serves network interfaces and taps only",
        remedy: "set the guest's interface or tap, or runtime: dpdk")
    }
    let opened = try opener.open(plan)
    descriptors = opened.descriptors
    interfaceIndex = opened.interfaceIndex
    if !isTap { features = SegmentationFeatures(interface: name) }
  }

  /// What the guest's side does by itself, as of now, and whether it is there.
  func offloads() -> PortOffloads {
    if isTap { return [.checksum, .segmentation4, .segmentation6, .isUp] }
    guard let interface = NetworkInterface.find(name), interface.index == interfaceIndex,
      interface.isRunning
    else { return [] }
    // The kernel completes a checksum that the device does not, but does not segment past the
    // queueing discipline.
    var result: PortOffloads = [.checksum, .isUp]
    let active = features?.active(interface: name) ?? (four: false, six: false)
    if active.four { result.insert(.segmentation4) }
    if active.six { result.insert(.segmentation6) }
    return result
  }

  /// Opens the sockets anew when the interface is another one of the same name, or came back.
  ///
  /// - Returns: whether the descriptors, whose numbers stay, must be watched anew.
  mutating func reopenIfReplaced(by opener: GuestOpener) -> Bool {
    guard !isTap, let interface = NetworkInterface.find(name), interface.index != interfaceIndex,
      let opened = try? opener.open(plan), opened.descriptors.count == descriptors.count
    else { return false }
    interfaceIndex = opened.interfaceIndex
    features = SegmentationFeatures(interface: name)
    for (number, fresh) in zip(descriptors, opened.descriptors) {
      _ = cxdp_replace(fresh, number)
    }
    return true
  }

  mutating func shutDown() {
    for descriptor in descriptors { close(descriptor) }
    descriptors = []
  }
}
