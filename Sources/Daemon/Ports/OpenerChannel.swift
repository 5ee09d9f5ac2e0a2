import CConfinement
import Glibc
import HostPlan
import KernelPort
import Synchronization

/// The data plane's end to the process that opens ports.
final class OpenerChannel: Sendable {
  /// Milliseconds that opening a port may take.
  private static let patience: Int32 = 10_000

  /// One request at a time: the control side opens ports, and the main thread opens them anew.
  private let socket: Mutex<Int32>

  /// - Parameter socket: stays open as long as the process lives.
  init(_ socket: Int32) { self.socket = Mutex(socket) }

  /// Has a guest's port opened.
  func open(_ plan: GuestPlan) throws(PortError) -> OpenedGuest {
    let what = "guest \(plan.networkInterface)"
    let answer = socket.withLock { Self.ask($0, OpenerMessage.request(plan)) }
    guard answer.error == 0 else {
      throw PortError(
        .machine, what,
        why: "the process that opens ports does not answer (\(errorText(-answer.error)))",
        remedy: "restart Apus: 'apus run --takeover'")
    }
    do throws(PortError) {
      let index = try OpenerMessage.interfaceIndex(answer.text, what)
      return OpenedGuest(descriptors: answer.descriptors, interfaceIndex: index)
    } catch {
      for descriptor in answer.descriptors { close(descriptor) }
      throw error
    }
  }

  private struct Answer {
    var text = ""
    var descriptors: [Int32] = []
    /// The negative number of an error, or 0.
    var error: Int32 = 0
  }

  private static func ask(_ socket: Int32, _ request: String) -> Answer {
    let request = Array(request.utf8)
    let sent = apus_helper_send(socket, request, request.count, nil, 0)
    if sent != 0 { return Answer(error: sent) }
    var bytes = [UInt8](repeating: 0, count: OpenerMessage.limit)
    var descriptors = [Int32](repeating: -1, count: Int(APUS_HELPER_DESCRIPTORS))
    var count = 0
    let came = apus_helper_receive(socket, &bytes, bytes.count, &descriptors, &count, patience)
    guard came > 0 else {
      // An answer that comes later must not be taken for that to another request.
      shutdown(socket, Int32(SHUT_RDWR))
      return Answer(error: came == 0 ? -EPIPE : Int32(came))
    }
    return Answer(
      text: String(decoding: bytes[..<came], as: UTF8.self),
      descriptors: Array(descriptors[..<count]))
  }
}

/// What data plane and opener say to each other; texts of one line each.
enum OpenerMessage {
  static let limit = 4096

  static func request(_ plan: GuestPlan) -> String {
    switch plan.device {
    case .tap(let name): "tap \(plan.queues) \(name) \(plan.networkInterface)"
    case .interface(let name): "interface \(plan.queues) \(name) \(plan.networkInterface)"
    case .vhostUser, .ethdev: "none 0 - \(plan.networkInterface)"
    }
  }

  static func plan(_ text: String) throws(PortError) -> GuestPlan {
    let words = text.split(separator: " ", maxSplits: 3).map(String.init)
    guard words.count == 4, let queues = Int(words[1]), (1...64).contains(queues),
      ["tap", "interface"].contains(words[0])
    else {
      throw PortError(
        .configuration, "a guest", why: "only taps and interfaces can be opened", remedy: "")
    }
    return GuestPlan(
      networkInterface: words[3], device: words[0] == "tap" ? .tap(words[2]) : .interface(words[2]),
      queues: queues)
  }

  static func success(_ index: Int32) -> String { "opened \(index)" }

  static func failure(_ error: PortError) -> String {
    let kind = error.kind == .configuration ? "configuration" : "machine"
    return ["refused", kind, error.what, error.why, error.remedy].joined(separator: "\u{1F}")
  }

  static func interfaceIndex(_ text: String, _ what: String) throws(PortError) -> Int32 {
    if text.hasPrefix("opened "), let index = Int32(text.dropFirst(7)) { return index }
    let parts = text.split(separator: "\u{1F}", omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 5 else {
      throw PortError(.machine, what, why: "the process that opens ports failed", remedy: "")
    }
    throw PortError(
      parts[1] == "configuration" ? .configuration : .machine, parts[2], why: parts[3],
      remedy: parts[4])
  }
}

/// The addresses of the host's own interfaces (getifaddrs(3)).
enum HostAddresses {
  /// Whether an interface has an address that others reach the host by: link-local ones of IPv6,
  /// which every interface gets, are none.
  static func has(interface name: String) -> Bool {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&first) == 0 else { return false }
    defer { freeifaddrs(first) }
    var next = first
    while let entry = next {
      next = entry.pointee.ifa_next
      guard let address = entry.pointee.ifa_addr, String(cString: entry.pointee.ifa_name) == name
      else { continue }
      switch Int32(address.pointee.sa_family) {
      case AF_INET: return true
      case AF_INET6:
        let isLinkLocal = UnsafeRawPointer(address).withMemoryRebound(
          to: sockaddr_in6.self, capacity: 1
        ) { socket in
          withUnsafeBytes(of: socket.pointee.sin6_addr) { $0[0] == 0xFE && $0[1] & 0xC0 == 0x80 }
        }
        if !isLinkLocal { return true }
      default: continue
      }
    }
    return false
  }
}
