import CCapture
import Glibc

/// What one `read` brought.
enum ReadOutcome {
  /// Zero at the end of the file.
  case bytes(Int)
  case failed(String)
}

/// One successful `read`: waits for the first byte, not for a full buffer.
func readSome(_ descriptor: Int32, into room: UnsafeMutableRawBufferPointer) -> ReadOutcome {
  while true {
    let count = Glibc.read(descriptor, room.baseAddress, room.count)
    if count >= 0 { return .bytes(count) }
    switch errno {
    case EINTR: continue
    case EAGAIN: waitUntilReady(descriptor, POLLIN)
    default: return .failed("reading failed: \(systemMessage(errno))")
    }
  }
}

/// A gzip file (RFC 1952) read piece by piece, with any number of members.
///
/// A class: the window holds it optionally, and it owns memory of its own.
final class GzipInput {
  /// Compressed bytes that were decoded.
  private(set) var consumed: UInt64 = 0
  /// Why decoding stopped before the proper end, in words.
  private(set) var failure: String?

  private let inflater: OpaquePointer
  private let input: UnsafeMutableRawBufferPointer
  /// The part of `input` not decoded yet.
  private var pending: Range<Int>
  private var inMember = true
  private var stopped = false
  /// The decoder may hold bytes back for which there was no room.
  private var mayHoldBytes = false

  /// - Parameter start: compressed bytes already read, from the first on.
  init?(start: UnsafeRawBufferPointer) {
    guard let inflater = apus_inflater_create() else { return nil }
    self.inflater = inflater
    input = .allocate(byteCount: max(1 << 18, start.count), alignment: 64)
    input.copyMemory(from: start)
    pending = 0..<start.count
  }

  deinit {
    apus_inflater_free(inflater)
    input.deallocate()
  }

  /// Decodes some bytes into `room`. Returns 0 at the end, with `failure` if it is no proper one.
  func inflate(from descriptor: Int32, into room: UnsafeMutableRawBufferPointer) -> Int {
    guard let output = room.baseAddress, let bytes = input.baseAddress else { return 0 }
    while !stopped {
      if pending.isEmpty && !mayHoldBytes && !refill(from: descriptor) { break }
      if !inMember && !startMember() { continue }
      let result = apus_inflater_run(
        inflater, bytes + pending.lowerBound, pending.count, output, room.count)
      consumed &+= UInt64(result.consumed)
      pending = pending.dropFirst(result.consumed)
      mayHoldBytes = result.status == apus_inflate_more && result.produced == room.count
      if result.status == apus_inflate_member_end { inMember = false }
      if result.status == apus_inflate_damaged {
        stop("the gzip data is damaged at byte \(consumed)")
      }
      if result.produced > 0 { return result.produced }
    }
    return 0
  }

  private func refill(from descriptor: Int32) -> Bool {
    switch readSome(descriptor, into: input) {
    case .bytes(let count):
      pending = 0..<count
      if count == 0 {
        stop(inMember ? "the gzip data is cut short at byte \(consumed)" : nil)
      }
      return count > 0
    case .failed(let why):
      stop(why)
      return false
    }
  }

  /// Between members: zeros are padding, 0x1f starts a member, all else is not ours.
  private func startMember() -> Bool {
    guard let next = pending.first else { return false }
    switch input[next] {
    case 0x1f:
      apus_inflater_restart(inflater)
      inMember = true
      return true
    case 0:
      consumed &+= 1
      pending = pending.dropFirst()
      return false
    default:
      stop("data after the gzip stream is ignored, from byte \(consumed) on")
      return false
    }
  }

  private func stop(_ why: String?) {
    stopped = true
    if failure == nil { failure = why }
  }
}
