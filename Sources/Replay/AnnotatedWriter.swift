import CapturePort
import Explanation

/// Writes every input packet as it was recorded, with a comment that tells its verdict.
final class AnnotatedWriter {
  private struct Source: Hashable {
    var file: Int
    var interface: Int
    var linkType: UInt16
  }

  private var writer: CaptureWriter
  private let files: [String]
  private let names: VerdictNames
  private var interfaces: [Source: Int] = [:]

  init(path: String, files: [String], names: VerdictNames) throws(ReplayError) {
    do { writer = try CaptureWriter(path: path) } catch { throw .capture(error) }
    self.files = files
    self.names = names
  }

  /// Writes a packet.
  ///
  /// - Parameters:
  ///   - file: number of the capture.
  ///   - interface: the record's interface within its capture.
  ///   - time: as recorded.
  func write(
    file: Int, interface: Int, linkType: UInt16, time: UInt64, bytes: UnsafeRawBufferPointer,
    originalLength: Int, outcome: Outcome
  ) {
    let source = Source(file: file, interface: interface, linkType: linkType)
    let number: Int
    if let known = interfaces[source] {
      number = known
    } else {
      number = writer.addInterface(name: "\(files[file]):\(interface)", linkType: linkType)
      interfaces[source] = number
    }
    writer.write(
      interface: number, time: time, bytes: bytes, originalLength: originalLength,
      comment: names.sentence(outcome))
  }

  func flush() { writer.flush() }

  func close() throws(ReplayError) {
    do { try writer.close() } catch { throw .capture(error) }
  }
}
