import CapturePort
import Datapath
import Tables
import VPCModel
import Wire

/// The packets of captures in memory, as a replay gives them to the engine, to be judged over and
/// over.
///
/// What a packet is and whose it is has been decided here; records of none of the model's network
/// interfaces are counted and not kept.
public final class CaptureTape {
  /// A packet of the tape.
  public struct Frame: BitwiseCopyable, Sendable {
    /// Where its bytes are on the tape.
    var offset: Int
    /// Capture time in nanoseconds, never less than that of the frame before.
    public var time: UInt64
    /// Bytes that are here.
    public var length: UInt32
    /// Bytes that it had on the wire.
    public var originalLength: UInt32
    public var nic: TableIndex
    public var flags: PacketFlags
    public var origin: Origin
  }

  /// Bytes that a frame needs before its first one, for an outer header.
  public static let headroom = FrameNormaliser.headroom

  public private(set) var frames: [Frame] = []
  /// Bytes of the longest frame.
  public private(set) var longestFrame = 0
  /// Bytes that all frames had on the wire.
  public private(set) var wireBytes: UInt64 = 0
  /// Records of no network interface of the model.
  public private(set) var ignored: UInt64 = 0
  /// Set when the captures have more than the limit, and the tape only their beginning.
  public private(set) var isCut = false
  /// Remarks on the inputs, in words, each with its file.
  public private(set) var warnings: [String] = []
  private var bytes: [UInt8] = []

  /// Reads captures to their end, or until so many bytes are on the tape.
  ///
  /// - Parameters:
  ///   - options: of which captures, `filter`, `eni` and `atNIC` are looked at.
  ///   - limit: bytes of memory that the tape takes at most.
  ///   - progress: called now and then.
  /// - Throws: `usage` for a network interface that the model does not have; `capture`.
  public init(
    model: VPCModel, options: ReplayOptions, limit: Int = 1 << 30,
    progress: (ReplayProgress) -> Void = { _ in }
  ) throws(ReplayError) {
    let preferred = try options.preferredInterface(in: model)
    let attributor = Attributor(model: model, preferred: preferred, atNIC: options.atNIC)
    var normaliser = FrameNormaliser(atNIC: options.atNIC, hostMAC: model.host?.mac)
    let shares = CaptureShares(options.captures)
    var now: UInt64 = 0
    for (index, path) in options.captures.enumerated() where !isCut {
      var reader: CaptureReader
      do { reader = try CaptureReader(path: path, filter: options.filter) } catch {
        throw .capture(error)
      }
      var record = CaptureRecord()
      while reader.next(&record) {
        now = max(now, record.time)
        add(record, at: now, attributor, &normaliser)
        if bytes.count + frames.count * MemoryLayout<Frame>.stride >= limit {
          isCut = true
          break
        }
        let count = UInt64(frames.count) + ignored
        if count & (ReplaySession.progressInterval - 1) == 0 {
          progress(
            ReplayProgress(packets: count, fraction: shares.fraction(index, reader.fractionRead)))
        }
      }
      if let warning = reader.warning { warnings.append("\(path): \(warning)") }
    }
  }

  private func add(
    _ record: borrowing CaptureRecord, at time: UInt64, _ attributor: borrowing Attributor,
    _ normaliser: inout FrameNormaliser
  ) {
    guard
      let link = LinkLayer(
        linkType: record.linkType, bytes: record.bytes, captured: record.capturedLength)
    else {
      ignored += 1
      return
    }
    let attribution = attributor.attribute(link, record.bytes, record.capturedLength)
    if attribution == .ignore {
      ignored += 1
      return
    }
    normaliser.startBurst()
    let packet = normaliser.place(record, link, attribution, attributor)
    frames.append(
      Frame(
        offset: bytes.count, time: time, length: packet.length,
        originalLength: packet.originalLength, nic: packet.nic, flags: packet.flags,
        origin: packet.origin))
    bytes.append(
      contentsOf: UnsafeRawBufferPointer(start: packet.base, count: Int(packet.length)))
    longestFrame = max(longestFrame, Int(packet.length))
    wireBytes += UInt64(packet.originalLength)
  }

  /// Makes the packet with this number for the engine.
  ///
  /// - Parameter base: gets the packet's bytes; `headroom` bytes before it are writable.
  public func copy(_ index: Int, to base: UnsafeMutableRawPointer) -> Packet {
    let frame = frames[index]
    bytes.withUnsafeBytes { tape in
      let part = UnsafeRawBufferPointer(rebasing: tape[frame.offset...].prefix(Int(frame.length)))
      UnsafeMutableRawBufferPointer(start: base, count: part.count).copyMemory(from: part)
    }
    var packet = Packet(base: base, length: frame.length, headroom: UInt32(Self.headroom))
    packet.originalLength = frame.originalLength
    packet.time = frame.time
    packet.nic = frame.nic
    packet.flags = frame.flags
    packet.origin = frame.origin
    return packet
  }
}
