import CXDP
import Glibc
import HostPlan
import Wire

/// The XDP program on the uplink, and the link that holds it there.
///
/// The kernel takes the link away when its descriptor is closed, so that nothing stays behind a
/// process that was killed.
struct UplinkProgram {
  private let program: cxdp_program
  private let link: Int32
  /// The driver runs the program before it makes a socket buffer (native mode).
  let isNative: Bool

  /// Loads the program for an address and attaches it: in native mode, or where the driver has none
  /// in generic mode.
  init(
    on interface: NetworkInterface, tunnelAddress: IPAddress?
  ) throws(PortError) {
    let what = "uplink \(interface.name)"
    var program = cxdp_program()
    let family = tunnelAddress.map { UInt32($0.family.rawValue) } ?? 0
    let loaded = cxdp_program_load(
      &program, family, tunnelAddress?.networkBytes ?? [UInt8](repeating: 0, count: 16))
    guard loaded == 0 else {
      throw .system(
        what, "loading the XDP program", loaded,
        remedy: "Apus needs Linux 5.11 or later with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS")
    }
    var link = Self.attach(program, interface, generic: false)
    let isNative = link >= 0
    if link < 0 && link != -EBUSY && link != -EPERM {
      link = Self.attach(program, interface, generic: true)
    }
    guard link >= 0 else {
      cxdp_program_close(&program)
      throw Self.attachError(interface, what, link)
    }
    self.program = program
    self.link = link
    self.isNative = isNative
  }

  /// Takes the program off the interface.
  func shutDown() {
    close(link)
    var program = program
    cxdp_program_close(&program)
  }

  /// Packets of a queue go to a socket from now on.
  func add(socket: Int32, queue: Int) -> Int32 {
    withUnsafePointer(to: program) { cxdp_program_add_socket($0, UInt32(queue), socket) }
  }

  // MARK: Attaching

  /// Waits a second at most for the link of a process that is just ending.
  private static func attach(
    _ program: cxdp_program, _ interface: NetworkInterface, generic: Bool
  ) -> Int32 {
    var program = program
    var result = cxdp_program_attach(&program, interface.index, generic)
    for _ in 0..<20 where result == -EBUSY && !isHeld(interface.index) {
      usleep(50_000)
      result = cxdp_program_attach(&program, interface.index, generic)
    }
    return result
  }

  private static func isHeld(_ index: Int32) -> Bool {
    var link: UInt32 = 0
    var program: UInt32 = 0
    guard cxdp_program_query(index, &link, &program) == 0, program != 0 else { return false }
    return link == 0 || LinkHolder(link: link) != nil
  }

  private static func attachError(
    _ interface: NetworkInterface, _ what: String, _ result: Int32
  ) -> PortError {
    var link: UInt32 = 0
    var program: UInt32 = 0
    guard result == -EBUSY, cxdp_program_query(interface.index, &link, &program) == 0, program != 0
    else {
      return .system(
        what, "attaching the XDP program", result,
        remedy: "see the driver's message: dmesg | tail")
    }
    if link != 0, let holder = LinkHolder(link: link) {
      return PortError(
        .machine, what,
        why: "process \(holder.process) (\(holder.name)) has XDP program \(program) there",
        remedy: "end it: kill \(holder.process)")
    }
    let remedy =
      link == 0
      ? "take it off: ip link set dev \(interface.name) xdp off"
      : "find its owner: bpftool link show id \(link)"
    return PortError(
      .machine, what, why: "XDP program \(program) is attached there", remedy: remedy)
  }
}
