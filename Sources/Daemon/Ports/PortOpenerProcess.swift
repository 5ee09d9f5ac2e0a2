import CConfinement
import Glibc
import HostPlan
import KernelPort

/// Opens guests' ports for a data plane that has given up its privileges: a process that is started
/// before, does nothing else, and hands the descriptors over.
///
/// It keeps CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF. What it opens is no uplink, and no interface
/// that has an address of the host: those are not guests'.
enum PortOpenerProcess {
  /// CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF (capability.h).
  private static let capabilities: UInt64 = 1 << 12 | 1 << 13 | 1 << 39

  /// Starts the process; to be called while this one has one thread. It ends with this one.
  ///
  /// - Parameter uplink: the interface that is none of a guest.
  static func start(uplink: String?) throws(DaemonFailure) -> GuestOpener {
    let context = Unmanaged.passRetained(Context(uplink: uplink))
    defer { context.release() }
    let socket = apus_helper_start(
      "apus-opener",
      { socket, context in
        guard let context else { return }
        Unmanaged<Context>.fromOpaque(context).takeUnretainedValue().serve(socket)
      }, context.toOpaque())
    guard socket >= 0 else {
      throw DaemonFailure(
        .resource, what: "the process that opens ports", why: errorText(-socket),
        advice: "raise the limit, 'ulimit -u'")
    }
    let channel = OpenerChannel(socket)
    return GuestOpener { plan throws(PortError) in try channel.open(plan) }
  }

  /// What the process knows.
  private final class Context: Sendable {
    let uplink: String?
    init(uplink: String?) { self.uplink = uplink }

    func serve(_ socket: Int32) {
      guard confine() else { return }
      var bytes = [UInt8](repeating: 0, count: OpenerMessage.limit)
      var descriptors = [Int32](repeating: -1, count: Int(APUS_HELPER_DESCRIPTORS))
      while true {
        var count = 0
        let came = apus_helper_receive(socket, &bytes, bytes.count, &descriptors, &count, -1)
        for descriptor in descriptors[..<count] { close(descriptor) }
        if came <= 0 { return }
        var opened: [Int32] = []
        var answer: String
        do throws(PortError) {
          let text = String(decoding: bytes[..<came], as: UTF8.self)
          let guest = try open(OpenerMessage.plan(text))
          opened = guest.descriptors
          answer = OpenerMessage.success(guest.interfaceIndex)
        } catch {
          answer = OpenerMessage.failure(error)
        }
        let text = Array(answer.utf8.prefix(OpenerMessage.limit))
        let result = apus_helper_send(socket, text, text.count, opened, opened.count)
        for descriptor in opened { close(descriptor) }
        if result != 0 { return }
      }
    }

    private func open(_ plan: GuestPlan) throws(PortError) -> OpenedGuest {
      if case .interface(let name) = plan.device {
        guard name != uplink, name != "lo", !HostAddresses.has(interface: name) else {
          throw PortError(
            .configuration, "guest \(plan.networkInterface) on \(name)",
            why: "the interface is the host's own: it has an address, or is the uplink",
            remedy: "name the guest's interface, or 'ip addr flush dev \(name)' if it is that")
        }
      }
      return try GuestOpener.local.open(plan)
    }

    private func confine() -> Bool {
      let writable: [String] = ["/dev/net/tun", "/proc/sys/net/ipv6/conf"]
      var words: [UnsafePointer<CChar>?] = writable.map { UnsafePointer(strdup($0)) }
      words.append(nil)
      var (step, landlock): (Int32, Int32) = (0, 0)
      let result = words.withUnsafeBufferPointer { words in
        var confinement = apus_confinement(
          capabilities: capabilities, connects_locally: false, opens_packet_sockets: true,
          sets_interfaces: true, writable: words.baseAddress)
        return apus_confine(&confinement, &step, &landlock)
      }
      return result == 0
    }
  }
}
