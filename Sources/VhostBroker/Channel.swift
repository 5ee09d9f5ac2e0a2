import CFileDescriptors
import Glibc

/// Why a connection is at its end.
enum ChannelError: Error, CustomStringConvertible {
  case closed
  /// The other side took longer than it may; what was waited for.
  case late(String)
  case malformed(MessageError)
  case system(Int32)
  /// The broker is to end.
  case stopped

  var description: String {
    switch self {
    case .closed: "closed by the other side"
    case .late(let what): "\(what) took too long"
    case .malformed(let error): error.description
    case .system(let code): String(cString: strerror(code))
    case .stopped: "the broker ends"
    }
  }
}

/// A connected Unix socket that carries whole messages. No call blocks past its deadline, and none
/// past the stop signal.
struct Channel {
  private let socket: Descriptor
  private let stop: StopSignal

  init(_ socket: Descriptor, stop: StopSignal) {
    self.socket = socket
    self.stop = stop
  }

  var descriptor: Int32 { socket.raw }

  /// Sends a message with its descriptors.
  func send(_ message: Message, until deadline: Instant) throws(ChannelError) {
    let bytes = message.encoded
    var descriptors = message.descriptors.map(\.raw)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        apus_send(
          socket.raw, buffer.baseAddress.map { $0 + sent }, bytes.count - sent, descriptors,
          descriptors.count)
      }
      if count > 0 {
        sent += count
        // They went with the first byte.
        descriptors = []
      } else if errno == EAGAIN {
        try wait(for: Int16(POLLOUT), until: deadline, what: "sending")
      } else if errno != EINTR {
        throw errno == EPIPE || errno == ECONNRESET ? .closed : .system(errno)
      }
    }
  }

  /// Receives one message whole.
  ///
  /// - Parameters:
  ///   - deadline: for the whole message, header, payload and descriptors.
  ///   - size: gives the payload's size in bytes from (request, flags, size), or refuses the header
  ///     before the payload is read.
  func receive(
    until deadline: Instant,
    size: (UInt32, UInt32, UInt32) throws(MessageError) -> Int
  ) throws(ChannelError) -> Message {
    var descriptors: [Descriptor] = []
    let header = try read(Message.headerSize, &descriptors, until: deadline)
    let (request, flags) = (Message.word(header, 0), Message.word(header, 4))
    let length: Int
    do {
      length = try size(request, flags, Message.word(header, 8))
    } catch {
      throw .malformed(error)
    }
    let payload = try read(length, &descriptors, until: deadline)
    return Message(request: request, flags: flags, payload: payload, descriptors: descriptors)
  }

  private func read(
    _ size: Int, _ descriptors: inout [Descriptor], until deadline: Instant
  ) throws(ChannelError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: size)
    var filled = 0
    while filled < size {
      let count = try receive(into: &bytes, from: filled, &descriptors)
      if count > 0 {
        filled += count
      } else if count == 0 {
        throw .closed
      } else if errno == EAGAIN {
        try wait(for: Int16(POLLIN), until: deadline, what: "a message")
      } else if errno != EINTR {
        throw errno == ECONNRESET ? .closed : .system(errno)
      }
      // A peer that sends a byte now and then never makes the loop wait.
      if filled < size && Instant.now() >= deadline { throw .late("a message") }
    }
    return bytes
  }

  private func receive(
    into bytes: inout [UInt8], from filled: Int, _ descriptors: inout [Descriptor]
  ) throws(ChannelError) -> Int {
    var raw = [Int32](repeating: -1, count: Int(apus_descriptor_limit))
    var came = 0
    var truncated: Int32 = 0
    let count = bytes.withUnsafeMutableBytes { buffer in
      apus_receive(
        socket.raw, buffer.baseAddress.map { $0 + filled }, buffer.count - filled, &raw, &came,
        &truncated)
    }
    let code = errno
    descriptors += raw[..<came].map(Descriptor.init)
    guard truncated == 0, descriptors.count <= MemoryTable.regionLimit else {
      throw .malformed(.descriptorsTruncated)
    }
    errno = code
    return count
  }

  private func wait(
    for events: Int16, until deadline: Instant, what: String
  ) throws(ChannelError) {
    var polled = [
      pollfd(fd: socket.raw, events: events, revents: 0),
      pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    let ready = poll(&polled, 2, deadline.remaining)
    if polled[1].revents != 0 { throw .stopped }
    if ready == 0 { throw .late(what) }
  }
}
