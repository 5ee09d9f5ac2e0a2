/// A guest NIC that the broker serves.
public struct GuestConfiguration: Sendable, Equatable {
  /// The network interface of the model, such as `eni-web`; it names the inner socket.
  public var networkInterface: String
  /// The hypervisor's vhost-user socket.
  public var socket: String
  /// The broker listens on `socket`; else the hypervisor does (QEMU's `server=on`).
  public var listens: Bool

  public init(networkInterface: String, socket: String, listens: Bool = false) {
    self.networkInterface = networkInterface
    self.socket = socket
    self.listens = listens
  }

  /// Reads `eni=ENI,socket=PATH[,listens]`; a path has no comma in it.
  /// - Throws: `BrokerError.guest` with what is wrong.
  public init(parsing text: String) throws(BrokerError) {
    var (networkInterface, socket, listens) = ("", "", false)
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      if part.hasPrefix("eni=") {
        networkInterface = String(part.dropFirst(4))
      } else if part.hasPrefix("socket=") {
        socket = String(part.dropFirst(7))
      } else if part == "listens" {
        listens = true
      } else {
        throw .guest(text, "'\(part)' is none of eni=ENI, socket=PATH, listens")
      }
    }
    guard Self.isFileName(networkInterface) else {
      throw .guest(text, "eni must be 1 to 64 letters, digits, '-', '_' or '.'")
    }
    guard !socket.isEmpty else { throw .guest(text, "socket=PATH is missing") }
    self.init(networkInterface: networkInterface, socket: socket, listens: listens)
  }

  /// What `init(parsing:)` reads.
  var text: String { "eni=\(networkInterface),socket=\(socket)" + (listens ? ",listens" : "") }

  /// The inner socket's name must not lead out of the run directory.
  private static func isFileName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count) && !name.hasPrefix(".")
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
          UInt8(ascii: "."):
          true
        default: false
        }
      }
  }
}
