import CapturePort
import Datapath
import Tables
import Wire

/// Writes what leaves the host to a pcapng file, one interface for the underlay and one for each
/// NIC, in model order.
final class OutputWriter {
  private let path: String
  private var writer: CaptureWriter
  private let underlay: Int
  private let nics: [Int]

  init(path: String, nicIDs: [String]) throws(ReplayError) {
    self.path = path
    do { writer = try CaptureWriter(path: path) } catch { throw .capture(error) }
    underlay = writer.addInterface(name: "underlay", linkType: 1)
    var numbers: [Int] = []
    for id in nicIDs { numbers.append(writer.addInterface(name: id, linkType: 1)) }
    nics = numbers
  }

  /// Writes a frame that leaves for a place.
  ///
  /// - Parameter originalLength: bytes the frame has on the wire; more than `frame` holds when the
  ///   capture cut the packet.
  func write(
    to place: OutputPlace, time: UInt64, frame: UnsafeRawBufferPointer, originalLength: Int
  ) {
    let interface: Int
    if let nic = place.nicIndex {
      interface = nics[Int(nic)]
    } else if place == .underlay {
      interface = underlay
    } else {
      return
    }
    writer.write(
      interface: interface, time: time, bytes: frame,
      originalLength: max(originalLength, frame.count), comment: nil)
  }

  /// Writes an answer of a service or of the router to a NIC.
  func write(answer: [UInt8], to nic: TableIndex, time: UInt64) {
    answer.withUnsafeBytes {
      write(to: .nic(nic), time: time, frame: $0, originalLength: $0.count)
    }
  }

  func flush() { writer.flush() }

  func close() throws(ReplayError) {
    do { try writer.close() } catch { throw .capture(error) }
  }
}
