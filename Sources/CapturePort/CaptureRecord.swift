import CCapture

/// Why a capture cannot be read or written.
public enum CaptureError: Error, Equatable, Sendable {
  /// The file cannot be opened or read at all.
  case cannotOpen(path: String, why: String)
  /// The file was read, and is no capture in a format known here.
  case notACapture(path: String, why: String)
  /// libpcap refuses the filter expression; `why` is its message.
  case badFilter(expression: String, why: String)
  /// The file cannot be created, or writing to it failed.
  case cannotWrite(path: String, why: String)
}

extension CaptureError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .cannotOpen(let path, let why): "\(path): cannot be opened: \(why)"
    case .notACapture(let path, let why): "\(path): not a capture: \(why)"
    case .badFilter(let expression, let why): "filter '\(expression)': \(why)"
    case .cannotWrite(let path, let why): "\(path): cannot be written: \(why)"
    }
  }
}

/// A recorded packet, as a view into the reader's memory.
///
/// The bytes are valid until the next call of `CaptureReader.next` or the end of the reader.
public struct CaptureRecord {
  /// The first recorded byte, of the link-layer header.
  public var bytes: UnsafeRawPointer
  /// Bytes in the file, from `bytes`.
  public var capturedLength: Int
  /// Bytes the packet had on the wire, never less than `capturedLength`.
  public var originalLength: Int
  /// Nanoseconds since 1970 as recorded, with the interface's resolution and offset; 0 for pcapng's
  /// Simple Packet Blocks, which have no time. May go back from one record to the next.
  public var time: UInt64
  /// LINKTYPE_* of the interface: 1 Ethernet, 101 raw IP, 113 Linux cooked, 276 cooked v2.
  public var linkType: UInt16
  /// Index into `CaptureReader.interfaces`, counted on over the sections of a pcapng file.
  public var interface: Int

  /// A record of no bytes, to be filled by `CaptureReader.next`.
  public init() {
    bytes = apus_no_bytes()
    capturedLength = 0
    originalLength = 0
    time = 0
    linkType = 0
    interface = 0
  }

  /// The recorded bytes, valid as long as `bytes`.
  public var buffer: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bytes, count: capturedLength)
  }
}

/// An interface that a capture's packets were recorded on.
public struct CaptureInterface: Equatable, Sendable {
  /// As recorded (if_name), empty if the capture does not say.
  public var name: String
  /// LINKTYPE_* of its packets.
  public var linkType: UInt16

  public init(name: String, linkType: UInt16) {
    self.name = name
    self.linkType = linkType
  }
}
